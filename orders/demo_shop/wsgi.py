"""What gunicorn serves as the demo shop."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders.demo_shop.settings")
application = get_wsgi_application()

"""What gunicorn serves as the liveness simulator."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "affiliates.liveness_simulator.settings")
application = get_wsgi_application()

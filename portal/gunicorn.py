"""The web server's settings, for `gunicorn -c python:portal.gunicorn portal.wsgi`."""

from __future__ import annotations

from django.conf import settings

worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
timeout = 60
graceful_timeout = 15
keepalive = 15
max_requests = 50_000
max_requests_jitter = 5_000
accesslog = None  # portal.middleware writes one line per request, with its id
logconfig_dict = settings.LOGGING
control_socket_disable = True

"""The simulator's own settings, by the environment."""

import os
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = secrets.token_urlsafe(50)
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "affiliates.liveness_simulator.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE = ["affiliates.liveness_simulator.views.policy"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "templates"]}]
USE_TZ = True
USE_I18N = False

KEY_ID = os.environ.get("LIVENESS_KEY_ID", "")
KEY_SECRET = os.environ.get("LIVENESS_SECRET", "")
ADDRESS = os.environ.get("LIVENESS_ADDRESS", "http://127.0.0.1:8002")
"""Where browsers find the simulator."""

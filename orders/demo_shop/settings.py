"""The demo shop's own settings; what it knows of the network comes by the environment, as with any merchant."""

import os
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY") or secrets.token_urlsafe(50)
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "orders.demo_shop.urls"
WSGI_APPLICATION = "orders.demo_shop.wsgi.application"
INSTALLED_APPS: list[str] = []
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "orders.demo_shop.views.policy",
    "django.middleware.csrf.CsrfViewMiddleware",
    "orders.snippets.upfront.ClickMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
USE_TZ = True
USE_I18N = False

# The network, and what it has given this merchant.
NETWORK_URL = os.environ.get("SHOP_NETWORK_URL", "http://localhost:8000")
MERCHANT = os.environ.get("SHOP_MERCHANT", "SHOP")
SOURCE_SECRET = os.environ.get("SHOP_SOURCE_SECRET", "")
UPFRONT = {
    "url": NETWORK_URL,
    "secret": os.environ.get("SHOP_CALLBACK_SECRET", ""),
    "cookie_secure": False,
}
STORE = os.environ.get("SHOP_STORE", ":memory:")
CSRF_COOKIE_NAME = "shop_csrf"
"""Cookies don't tell ports apart: names of its own keep the shop's from others on the same host."""

"""The one settings module. Everything that differs between places comes from the environment (`.env.example`)."""

import sys
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from whitenoise.compress import Compressor

from portal.database import EmbeddedServer, queue_address
from portal.logs import logging_config
from portal.private_storage import image_sources, storage_settings

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# A file of settings for this place. What the environment itself says goes before it.
if (_env_file := BASE_DIR / env.str("ENV_FILE", default=".env")).is_file():
    environ.Env.read_env(_env_file)

# --- where this runs ----------------------------------------------------------------------------------------
DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
# Everything that the product keeps on disk.
VAR_DIR = (BASE_DIR / env.path("VAR_DIR", default="var")()).resolve()
# Where papers are kept: no public address, links that die (portal/private_files.py). Empty: a folder below VAR_DIR.
PRIVATE_STORAGE_URL = env.str("PRIVATE_STORAGE_URL", default="")
# In demo mode and on a developer's machine there are keys that everybody knows; `check --deploy` refuses them.
_INSECURE_KEY = "insecure-demo-key-change-me-0123456789-abcdefghijklmnop"
_INSECURE_SECRETS_KEY = "aW5zZWN1cmUtZGV2ZWxvcG1lbnQta2V5LTAxMjM0NTY="
SECRET_KEY = env.str("SECRET_KEY", default=_INSECURE_KEY if DEMO or DEBUG else "")
# Fernet keys for secrets at rest, newest first (portal/encryption.py).
SECRETS_KEYS = env.list("SECRETS_KEYS", default=[_INSECURE_SECRETS_KEY] if DEMO or DEBUG else [])
KEYS_THAT_EVERYBODY_KNOWS = {_INSECURE_KEY, _INSECURE_SECRETS_KEY}
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Where `manage.py serve` listens, and with how much.
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
WEB_WORKERS = env.int("WEB_WORKERS", default=2)
WEB_THREADS = env.int("WEB_THREADS", default=8)
WORKER_PROCESSES = env.int("WORKER_PROCESSES", default=2)

INSTALLED_APPS = [
    # Ahead of portal, whose admin replaces theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "commissions",
    "orders",
    "affiliates",
    "portal",
    # Ahead of staticfiles: the development server then serves as production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "django_htmx",
]

MIDDLEWARE = [
    "portal.middleware.request_line",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.security_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.user_language",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.second_factor.staff_second_factor",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "portal.navigation.shell",
            ],
        },
    },
]

# --- database -----------------------------------------------------------------------------------------------
# Without a URL: the embedded server, which the first connection starts (portal/database.py).
EMBEDDED_DATABASE = EmbeddedServer(
    VAR_DIR / "postgres", durable=env.bool("EMBEDDED_DATABASE_DURABLE", default=True)
)
DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASE_IS_EMBEDDED = not DATABASE_URL
if DATABASE_IS_EMBEDDED:
    DATABASE_URL = EMBEDDED_DATABASE.url
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL),
        **({"ENGINE": "portal.embedded"} if DATABASE_IS_EMBEDDED else {}),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- cache --------------------------------------------------------------------------------------------------
# Throttles and limits count here, so all web processes share it: a table, made by `manage.py createcachetable`.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if "pytest" in sys.modules:  # a test without a database may count as well; each process of a run has its own
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- messages to the worker (Celery) ------------------------------------------------------------------------
# `pgmq://` is a queue in the database above (ADR 0011); redis:// and amqp:// are spoken as well.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="pgmq://")
BROKER_IS_THE_DATABASE = CELERY_BROKER_URL == "pgmq://"
# A message that a killed worker had taken is delivered again after so long. No task may run longer.
BROKER_VISIBILITY_SECONDS = env.int("BROKER_VISIBILITY_SECONDS", default=600)
if BROKER_VISIBILITY_SECONDS < 4:
    raise ImproperlyConfigured("BROKER_VISIBILITY_SECONDS takes 4 or more.")
if BROKER_IS_THE_DATABASE:
    CELERY_BROKER_URL = "pgmq://localhost"  # kombu wants a host; the address below is what counts
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "conn_string": queue_address(DATABASE_URL),
        "init_extension": False,  # `manage.py install_broker` brings the schema
        "use_notify": True,
        "wait_time_seconds": 0,
        "notify_throttle_interval_ms": 0,
        "pool_size": 2,
        "pool_timeout": 5,
        "visibility_timeout": BROKER_VISIBILITY_SECONDS,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": BROKER_VISIBILITY_SECONDS}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "affiliate_network"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = min(240, BROKER_VISIBILITY_SECONDS // 2)
CELERY_TASK_TIME_LIMIT = min(
    300, BROKER_VISIBILITY_SECONDS * 3 // 4
)  # below it: a message is never out twice
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_TIMEZONE = "Asia/Shanghai"

# --- logs and health ----------------------------------------------------------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEMO or DEBUG else "json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_FORMAT not in ("json", "console"):
    raise ImproperlyConfigured("LOG_FORMAT takes json or console.")
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured("LOG_LEVEL takes DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = logging_config(
    style=LOG_FORMAT, level=LOG_LEVEL, colour=env.bool("LOG_COLOUR", default=sys.stderr.isatty())
)
# What `/readyz` asks: dotted callables that return what is wrong, or an empty text (portal/health.py).
READINESS_CHECKS = {
    "database": "portal.health.database",
    "migrations": "portal.health.migrations",
    "broker": "portal.health.broker",
    "secrets": "portal.health.secrets",
    "timer_lag": "commissions.health.timer_lag",
}

# --- people -------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "portal.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- signing in (django-allauth) --------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {"signup": "portal.accounts.SignupForm"}
ACCOUNT_CHANGE_EMAIL = True  # one address a person; a new one counts once it is confirmed
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
# "/ip" counts per address, "/key" per account or e-mail; the counters live in the default cache.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "20/m/ip",
    "reset_password": "20/m/ip,5/m/key",
    "confirm_email": "1/3m/key",
}
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
MFA_ADAPTER = "portal.accounts.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO or DEBUG  # http://localhost
# Staff reach no page without a second factor (portal/second_factor.py).
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not DEMO)

# --- e-mail --------------------------------------------------------------------------------------------------
# Without an address of a mail server, messages are written to the web process's output.
_email = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND, EMAIL_FILE_PATH = _email["EMAIL_BACKEND"], _email["EMAIL_FILE_PATH"]
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="no-reply@localhost")

# --- the shell: who sees which menu -----------------------------------------------------------------------
# Dotted callables in the order of the menus; `portal.navigation` says what they take and give.
NAVIGATION = [
    "commissions.navigation.sections",
    "orders.navigation.sections",
    "affiliates.navigation.sections",
    "portal.navigation.items",
]
WORKSPACES = ["affiliates.doors.workspaces", "orders.doors.workspaces"]
HOME_RESOLVERS = ["portal.navigation.staff_home"]

# --- https ------------------------------------------------------------------------------------------------
# On outside demo mode and a developer's machine: cookies travel over https only, and http is sent there.
HTTPS = env.bool("HTTPS", default=not (DEMO or DEBUG))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=365 * 24 * 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if ALLAUTH_TRUSTED_PROXY_COUNT:  # only then is there somebody who sets the header
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- security headers -------------------------------------------------------------------------------------
# One policy for every page, the stock admin included (ADR 0020).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *image_sources(PRIVATE_STORAGE_URL)],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    },
}
PERMISSIONS_POLICY = {
    "camera": "()",
    "geolocation": "()",
    "microphone": "()",
    "payment": "()",
    "usb": "()",
    "browsing-topics": "()",
    "publickey-credentials-create": "(self)",
    "publickey-credentials-get": "(self)",
}
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"

# --- language and time --------------------------------------------------------------------------------------
SITE_NAME = _("Upfront")
# How mails and printed links name this site.
SITE_URL = env.str("SITE_URL", default=f"http://localhost:{PORT}").rstrip("/")
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

# --- static files -----------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "staticfiles"
# `collectstatic` gives each file a name with its hash and writes gzip and brotli beside it; WhiteNoise then
# serves it as immutable. Without a collected manifest, and under test, files are served from where they lie.
STATIC_IS_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() and "pytest" not in sys.modules
STORAGES = {
    "private": storage_settings(PRIVATE_STORAGE_URL, VAR_DIR / "private"),
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if STATIC_IS_COLLECTED or "collectstatic" in sys.argv
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not STATIC_IS_COLLECTED
# Source maps are asked for by developers alone; squeezing them took half of the time of a first start.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
WHITENOISE_AUTOREFRESH = DEBUG

# --- the programme ------------------------------------------------------------------------------------------
# LIFE-2: from the payment to the release. The sweep and an outage need room before the hour is over.
PRE_RELEASE_DELAY = timedelta(seconds=env.int("PRE_RELEASE_DELAY_SECONDS", default=30 * 60))
if not timedelta(0) <= PRE_RELEASE_DELAY <= timedelta(minutes=55):
    raise ImproperlyConfigured("PRE_RELEASE_DELAY_SECONDS takes 0 to 3300 (55 minutes): the hour must hold.")
UNPAID_EXPIRY = timedelta(hours=env.float("UNPAID_EXPIRY_HOURS", default=24))
RELEASE_SWEEP_SECONDS = env.float("RELEASE_SWEEP_SECONDS", default=5)
if not 1 <= RELEASE_SWEEP_SECONDS <= 60:
    raise ImproperlyConfigured("RELEASE_SWEEP_SECONDS takes 1 to 60: the hour must hold.")
# Stand-ins for the outside world that `manage.py serve` starts beside the product: `orders` plays a marketplace,
# `shop` is a merchant's site to buy from, `liveness` the vendor of the liveness check.
SIMULATORS = env.list("SIMULATORS", default=["orders", "shop", "liveness"] if DEMO else [])
# Where the demo shop is served: on 127.0.0.1, which to a browser is another site than localhost.
DEMO_SHOP_PORT = env.int("DEMO_SHOP_PORT", default=PORT + 1)

# --- onboarding ---------------------------------------------------------------------------------------------
# Aliyun's face verification, or its simulator: the same protocol at another address.
LIVENESS_PORT = env.int("LIVENESS_PORT", default=PORT + 2)
LIVENESS = {
    "vendor": "simulator" if "liveness" in SIMULATORS else "aliyun",
    "endpoint": env.str(
        "LIVENESS_ENDPOINT",
        default=f"http://127.0.0.1:{LIVENESS_PORT}/"
        if "liveness" in SIMULATORS
        else "https://cloudauth.aliyuncs.com/",
    ),
    "key_id": env.str("LIVENESS_KEY_ID", default="simulator" if "liveness" in SIMULATORS else ""),
    "secret": env.str("LIVENESS_SECRET", default="simulator" if "liveness" in SIMULATORS else ""),
    "scene": env.str("LIVENESS_SCENE", default="1"),
}

# --- machine interfaces -------------------------------------------------------------------------------------
# Closed unless a view opens itself: it names who may call it and how they say who they are.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "portal.api.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["portal.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Upfront API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None, "defaultModelsExpandDepth": 0},
}
ORDER_EVENTS_RATE = env.str("ORDER_EVENTS_RATE", default="6000/min")
# A batch of 1000 events with many lines fits; anything larger answers 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_REQUEST_BYTES", default=10 * 1024 * 1024)
# Files don't count there: the first handler keeps each below what a paper may have.
FILE_UPLOAD_HANDLERS = [
    "affiliates.uploads.LimitedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

"""Django's settings: what the environment says, and what holds in every stage."""

from pathlib import Path

from webapp import logs
from webapp.environment import Environment

ENVIRONMENT = Environment.read()
HERE = Path(__file__).resolve().parent

DEBUG = False
SECRET_KEY = ENVIRONMENT.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = [key.get_secret_value() for key in ENVIRONMENT.secret_key_fallbacks]
ALLOWED_HOSTS = ENVIRONMENT.hosts
ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
ASGI_APPLICATION = "webapp.asgi.application"

INSTALLED_APPS = [
    "webapp.users",  # before Django's own, some of whose commands it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "webapp.health",
    "webapp.sessions",
    "webapp.links",
    "webapp.api",
]

MIDDLEWARE = [
    # First: every answer has its request's id, and every request its line in the log.
    "webapp.requests.RequestMiddleware",
    # Before the checks of host and scheme: a load balancer asks by address and without TLS.
    "webapp.health.middleware.HealthMiddleware",
    "webapp.headers.HeadersMiddleware",
    "webapp.api.middleware.ProblemMiddleware",
    "webapp.refusals.RefusalMiddleware",
    "webapp.links.middleware.LinksMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "webapp.outage.OutageMiddleware",
    "webapp.limits.middleware.LimitsMiddleware",
    "webapp.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# MySQL: relational data
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": ENVIRONMENT.mysql_host,
        "PORT": ENVIRONMENT.mysql_port,
        "NAME": ENVIRONMENT.mysql_database,
        "USER": ENVIRONMENT.mysql_user,
        "PASSWORD": ENVIRONMENT.mysql_password.get_secret_value(),
        "CONN_MAX_AGE": ENVIRONMENT.mysql_max_age,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "charset": "utf8mb4",
            "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
            "isolation_level": "read committed",
            # A CA alone lets the client check the chain but not the host name: any RDS server would pass.
            "ssl_mode": "VERIFY_IDENTITY",
            "ssl": {"ca": str(ENVIRONMENT.mysql_ca)},
            "connect_timeout": 3,
            "read_timeout": 10,
            "write_timeout": 10,
        },
        "TEST": {"CHARSET": "utf8mb4"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# SimpleDB: accounts
AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "webapp.users.backend.SimpleDBBackend",
    # For permissions alone: the row in MySQL knows no password.
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "webapp.users.hasher.PatientArgon2",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Whether a name must be typed at sign-in exactly as at sign-up.
EXACT_NAMES = ENVIRONMENT.exact_names
PASSWORD_RESET_TIMEOUT = 24 * 3600  # seconds
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# Redis: sessions
SESSION_ENGINE = "webapp.sessions.store"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
SESSION_COOKIE_AGE = 14 * 24 * 3600

# The browser. The prefix __Host- makes it refuse a cookie that another host, or http, tries to plant.
SESSION_COOKIE_NAME = "__Host-sessionid" if ENVIRONMENT.https else "sessionid"
SESSION_COOKIE_SECURE = ENVIRONMENT.https
CSRF_COOKIE_NAME = "__Host-csrftoken" if ENVIRONMENT.https else "csrftoken"
CSRF_COOKIE_SECURE = ENVIRONMENT.https
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.public_url]
SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Mail
EMAIL_BACKEND = ENVIRONMENT.mail.backend
EMAIL_FILE_PATH = ENVIRONMENT.mail.folder
EMAIL_HOST = ENVIRONMENT.mail.host
EMAIL_PORT = ENVIRONMENT.mail.port
EMAIL_HOST_USER = ENVIRONMENT.mail.user
EMAIL_HOST_PASSWORD = ENVIRONMENT.email_password.get_secret_value()
EMAIL_USE_TLS = ENVIRONMENT.mail.starttls
EMAIL_USE_SSL = ENVIRONMENT.mail.tls
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from or f"hydra@{ENVIRONMENT.hosts[0]}"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.static_root
STATICFILES_DIRS = [HERE / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

LOGGING = logs.settings(ENVIRONMENT.secrets)

"""The settings that are the same on every site: no environment changes them. settings.py has the others."""

from datetime import timedelta

from csp.constants import NONE, SELF

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "guardian",
    "django_htmx",
    "axes",
    "csp",
    "django_prometheus",
    "mediscan_site.core",
    "images",
    "labeling",
    "models_registry",
    "training",
    "mediscan_site.front",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mediscan_site.core.http.sessions.NoStoreMiddleware",
    "csp.middleware.CSPMiddleware",
    "mediscan_site.core.http.outage.OutageMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "mediscan_site.core.http.sessions.SessionEndMiddleware",
    "mediscan_site.core.http.localities.LocalityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mediscan_site.core.http.middleware.RequestContextMiddleware",
    "mediscan_site.core.http.digest.DigestMiddleware",
    "mediscan_site.core.http.middleware.DomainErrorMiddleware",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "mediscan_site.front.urls"
WSGI_APPLICATION = "mediscan_site.wsgi.application"
ASGI_APPLICATION = "mediscan_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_TZ = True

# People
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
PASSWORD_HASHERS = ["mediscan_site.core.hashers.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# By name and address: one bad login must not lock a whole ward that shares a proxy's address.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# Besides these five (core.logins): one name over all addresses, one address over all names.
NAME_FAILURE_LIMIT = 20
ADDRESS_FAILURE_LIMIT = 100
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "mediscan_site.core.logins.LoginHandler"
AXES_USERNAME_CALLABLE = "mediscan_site.core.logins.typed_name"
# The audit trail has every log-in.
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_CALLABLE = "mediscan_site.core.http.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "mediscan_site.core.logins.address"

# The web
SESSION_COOKIE_HTTPONLY = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# The longest a session lasts, however busy (core.http.sessions).
SESSION_COOKIE_AGE = 7 * 86_400
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "mediscan_site.front.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
FILE_UPLOAD_HANDLERS = ["mediscan_site.core.storage.uploads.SealedUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FILES = 100

# The API
REST_FRAMEWORK = {
    # JWT first: the first class names the scheme of a 401; session first would make it a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mediscan_site.core.auth.AccessTokenAuthentication",
        "mediscan_site.core.auth.ServiceTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "mediscan_site.front.token_scopes.WithinScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "mediscan_site.core.http.parsers.GuardedJSONParser",
        "mediscan_site.core.http.parsers.GuardedMultiPartParser",
        "mediscan_site.core.http.parsers.GuardedFormParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "mediscan_site.core.http.pages.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "mediscan_site.core.http.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "PAGE_SIZE": 50,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "mediscan_site.core.http.errors.Handler",
    "EXCEPTION_FORMATTER_CLASS": "mediscan_site.core.http.errors.Formatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MediScan",
    "VERSION": "1",
    "DESCRIPTION": "Medical image classification with approval, calibrated grades and an audit trail. Research use only.",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # One content type for a request: clients are made of the first, and forms can say the same as JSON in other words only.
    "PARSER_WHITELIST": ["mediscan_site.core.http.parsers.GuardedJSONParser"],
    # Fields that share a name and not their values, or values and not a name.
    "ENUM_NAME_OVERRIDES": {
        "ReviewStatusEnum": "labeling.models.reading.Review.Status",
        "SplitEnum": "images.models.scans.Split",
        "FrameSourceEnum": "images.models.frames.FrameSource",
        "UnacceptedSiteEnum": "images.models.projects.UnacceptedSite",
        "OnAlarmEnum": "images.models.projects.OnAlarm",
        "DecisionEnum": "models_registry.models.grades.Grade.Decision",
        "AcceptanceDecisionEnum": "models_registry.models.acceptance.AcceptanceDecision.Decision",
        "GradeBatchOriginEnum": "models_registry.models.batches.GradeBatch.Origin",
        "GradeBatchOutcomeEnum": "models_registry.models.batches.GradeBatchItem.Outcome",
        "EvaluationOriginEnum": "models_registry.models.versions.Evaluation.Origin",
        "ReferralOutcomeEnum": "models_registry.models.worklists.Referral.Outcome",
        "AlarmDecisionEnum": "models_registry.models.watch.AlarmDecision.Decision",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "mediscan_site.front.schema.write_choices_out",
        "mediscan_site.front.schema.tag_protocol",
    ],
}

# Work
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CONSUMER = "mediscan_site.core.consumer:Consumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# RabbitMQ closes a channel, not the connection, whose worker kept a message for too long or declares a queue of another kind.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# None: as long as it takes. The supervisor would only start it again.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "io"

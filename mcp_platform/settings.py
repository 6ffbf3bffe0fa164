"""The only reader of the environment. Nothing set: SQLite, in-memory channels, Celery in this process. See .env.example for every variable."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ

from mcp_platform import observability, redis_urls

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")), overwrite=False)

SERVICE_NAME = env.str("SERVICE_NAME", default="mcp-platform")
VERSION = "0.1.0"
ENVIRONMENT = env.str("ENVIRONMENT", default="development")
DEBUG = env.bool("DEBUG", default=False)
TESTING = "pytest" in sys.modules
HTTP_PORT = env.int("HTTP_PORT", default=8002)
PUBLIC_URL = env.str("PUBLIC_URL", default="") or f"http://localhost:{HTTP_PORT}"  # how people reach us; printed in reports
PUBLIC_URL_IS_GIVEN = bool(env.str("PUBLIC_URL", default=""))  # if not, OAuth goes by the host that was asked, within ALLOWED_HOSTS
GRPC_PORT = env.int("GRPC_PORT", default=50051)
GRPC_TLS_CERT = env.str("GRPC_TLS_CERT", default="")  # PEM files; both or none
GRPC_TLS_KEY = env.str("GRPC_TLS_KEY", default="")
GRPC_TLS_CLIENT_CA = env.str("GRPC_TLS_CLIENT_CA", default="")  # clients must show a certificate of this authority
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOG_FORMAT = env.str("LOG_FORMAT", default="json")  # json | console
STATE_DIR = Path(env.str("STATE_DIR", default="") or BASE_DIR / "var")  # SQLite file, generated secrets, uploads
STATE_DIR.mkdir(parents=True, exist_ok=True)


def _kept_secret(name: str) -> str:
    """A secret from the environment, or one generated once and kept beside the database (embedded mode only)."""
    from django.core.management.utils import get_random_secret_key

    given: str = env.str(name, default="")
    if given:
        return given
    kept = STATE_DIR / name.lower()
    if not kept.exists():  # written aside and linked whole: of two processes that start at once, both read what the first one wrote
        aside = kept.with_suffix(f".{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(get_random_secret_key())
        with suppress(FileExistsError):
            os.link(aside, kept)
        aside.unlink()
    return kept.read_text()


SECRET_KEY = _kept_secret("SECRET_KEY")
SECRET_KEY_IS_GENERATED = not env.str("SECRET_KEY", default="")
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])  # Fernet keys, newest first; none: derived from SECRET_KEY
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "prefer", "x-correlation-id"]
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "X-Correlation-ID"]


DATABASE_URL = env.str("DATABASE_URL", default="") or env.str("POSTGRES_URI", default="")
REDIS_URL = env.str("REDIS_URL", default="")
if TESTING and REDIS_URL:  # test processes run side by side, and each empties its Redis database: one database for each
    REDIS_URL = redis_urls.with_database(REDIS_URL, int(env.str("PYTEST_XDIST_WORKER", default="gw0").removeprefix("gw")) + 1)
POSTGRES_POOL_SIZE = env.int("POSTGRES_POOL_SIZE", default=12)
REDIS_POOL_SIZE = env.int("REDIS_POOL_SIZE", default=20)
CONTEXT_LOCK_TIMEOUT_MS = env.int("CONTEXT_LOCK_TIMEOUT_MS", default=5000)
EMBEDDED = not REDIS_URL  # one process does everything


def _database(url: str) -> dict[str, Any]:
    if not url:
        return {
            "ENGINE": "mcp_platform.db.sqlite3",
            "NAME": str(STATE_DIR / "mcp.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": CONTEXT_LOCK_TIMEOUT_MS / 1000,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000; PRAGMA foreign_keys=ON;",
            },
            # A file, not memory: tests run servers in other threads and processes.
            "TEST": {"NAME": str(STATE_DIR / "test.sqlite3")},
        }
    parsed: dict[str, Any] = environ.Env.db_url_config(url.replace("postgresql+asyncpg://", "postgresql://"))
    if parsed["ENGINE"] != "django.db.backends.postgresql":
        raise environ.ImproperlyConfigured(f"DATABASE_URL must be a postgresql:// URL, not {parsed['ENGINE']}")
    parsed["ENGINE"] = "mcp_platform.db.postgresql"
    parsed["OPTIONS"] = {
        **parsed.get("OPTIONS", {}),
        # A request waits so long for a connection: a short restart is not even noticed, a longer one is answered 503. A pool that has given up
        # to reconnect does so anew with the next request, so that it is back soon after the server.
        "pool": {"min_size": 1, "max_size": POSTGRES_POOL_SIZE, "timeout": 5, "reconnect_timeout": 2},
        "options": f"-c lock_timeout={CONTEXT_LOCK_TIMEOUT_MS}",
    }
    return parsed


DATABASES = {"default": _database(DATABASE_URL)}

_CACHES = {redis_urls.CLUSTER: "mcp_platform.cluster_cache.ClusterCache"}
if REDIS_URL:
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [redis_urls.channels_host(REDIS_URL)]},
        }
    }
    CACHES: dict[str, Any] = {
        "default": {
            "BACKEND": _CACHES.get(redis_urls.parse(REDIS_URL).kind, "django.core.cache.backends.redis.RedisCache"),
            "LOCATION": [REDIS_URL],  # a list: Django splits a text at commas, which stand between the hosts of Sentinel
            "OPTIONS": {"max_connections": REDIS_POOL_SIZE, "socket_timeout": 2, "socket_connect_timeout": 2},
        }
    }
    if redis_urls.parse(REDIS_URL).kind == redis_urls.SENTINEL:
        CACHES["default"]["OPTIONS"]["pool_class"] = "mcp_platform.redis_urls.SentinelPool"
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "mcp_platform.realtime.MemoryLayer"}}
    # 300 entries are the default, and beyond them it forgets: a used WebSocket ticket would work again.
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}}

# Jobs of the apps above the flows that follow a publish: each gets tenant_id and version_id.
AFTER_PUBLISH_JOBS = ["conversations.version_published"]


MODEL_ORCHESTRATOR_URL = env.str("MODEL_ORCHESTRATOR_URL", default="")
MODEL_ORCHESTRATOR_TOKEN = env.str("MODEL_ORCHESTRATOR_TOKEN", default="")  # sent to it as a bearer token
MODEL_ORCHESTRATOR_TIMEOUT_MS = env.int("MODEL_ORCHESTRATOR_TIMEOUT_MS", default=800)  # for the understanding of a message
ADAPTOR_SERVICE_URL = env.str("ADAPTOR_SERVICE_URL", default="")
ADAPTOR_SERVICE_TOKEN = env.str("ADAPTOR_SERVICE_TOKEN", default="")  # sent to it as a bearer token
SECURITY_HUB_URL = env.str("SECURITY_HUB_URL", default="")
SECURITY_HUB_TOKEN = env.str("SECURITY_HUB_TOKEN", default="")  # sent to it as a bearer token
SECURITY_HUB_TIMEOUT_MS = env.int("SECURITY_HUB_TIMEOUT_MS", default=1000)
SECURITY_HUB_CACHE_SECONDS = env.float("SECURITY_HUB_CACHE_SECONDS", default=5.0)  # how long a decision is believed
ANALYTICS_ENGINE_URL = env.str("ANALYTICS_ENGINE_URL", default="")
ANALYTICS_ENGINE_SECRET = env.str("ANALYTICS_ENGINE_SECRET", default="")  # whsec_…: signs what goes there
OUTBOX_REDIS_URL = env.str("OUTBOX_REDIS_URL", default=REDIS_URL)
OUTBOX_STREAM_PREFIX = env.str("OUTBOX_STREAM_PREFIX", default="mcp:events")
OUTBOX_GRACE_SECONDS = env.int("OUTBOX_GRACE_SECONDS", default=15)  # after an endpoint's own timeout a claim without an outcome counts as lost
OUTBOX_RETENTION_DAYS = env.int("OUTBOX_RETENTION_DAYS", default=14)
OUTBOX_DISABLE_AFTER_HOURS = env.int("OUTBOX_DISABLE_AFTER_HOURS", default=120)
KAFKA_BROKERS = env.str("KAFKA_BROKERS", default="")  # host:port,host:port
KAFKA_TOPIC = env.str("KAFKA_TOPIC", default="mcp.events")
KAFKA_OPTIONS = env.json("KAFKA_OPTIONS", default={})  # of librdkafka, such as {"security.protocol": "SASL_SSL"}
MODEL_APPROVAL = env.str("MODEL_APPROVAL", default="automatic")  # who lets a model serve: automatic (open gates) | person | second_person
MLFLOW_TRACKING_URI = env.str("MLFLOW_TRACKING_URI", default="")  # http(s)://…: every model is told to this MLflow server
MLFLOW_TRACKING_TOKEN = env.str("MLFLOW_TRACKING_TOKEN", default="")  # sent to it as a bearer token; else
MLFLOW_TRACKING_USERNAME = env.str("MLFLOW_TRACKING_USERNAME", default="")  # name and password
MLFLOW_TRACKING_PASSWORD = env.str("MLFLOW_TRACKING_PASSWORD", default="")
OUTBOUND_ALLOWED_HOSTS = env.list("OUTBOUND_ALLOWED_HOSTS", default=[])  # host or host:port that may resolve to a private address

MCP_STDIO_SERVERS = env.json("MCP_STDIO_SERVERS", default={})  # programs that tenants may use as MCP servers; docs/mcp/orchestrator.md
MCP_STDIO_MEMORY_MB = env.int("MCP_STDIO_MEMORY_MB", default=1024)  # of each of these programs
MCP_CHECK_SECONDS = env.int("MCP_CHECK_SECONDS", default=60)  # how often workers look at every connected MCP server; 0: never

MAX_PARALLEL_EXECUTIONS = env.int("MAX_PARALLEL_EXECUTIONS", default=100)
INTEGRATION_CALLS = env.int("INTEGRATION_CALLS", default=64)  # of one worker process at a time
INTEGRATION_CALLS_PER_TENANT = env.int("INTEGRATION_CALLS_PER_TENANT", default=8)
STATE_EXECUTION_TIMEOUT_MS = env.int("STATE_EXECUTION_TIMEOUT_MS", default=10000)
TURN_LEASE_SECONDS = env.int("TURN_LEASE_SECONDS", default=30)  # how long a worker may be at a queued turn or a timer before another takes over
EFFECT_GRACE_SECONDS = env.int("EFFECT_GRACE_SECONDS", default=10)  # after its own timeout a call without an outcome is recovered
FLOW_CACHE_TTL_SECONDS = env.int("FLOW_CACHE_TTL_SECONDS", default=300)
HANDOFF_TIMEOUT_SECONDS = env.int("HANDOFF_TIMEOUT_SECONDS", default=900)  # nobody has taken a conversation: the bot goes on; 0 waits for ever
HANDOFF_SLA_SECONDS = env.int("HANDOFF_SLA_SECONDS", default=120)  # when the inbox calls a first answer late
CHAT_RATE_LIMIT = env.str("CHAT_RATE_LIMIT", default="60/minute")  # messages of one address on public chat pages
CHAT_START_RATE_LIMIT = env.str("CHAT_START_RATE_LIMIT", default="20/minute")  # conversations begun or resumed by one address there
OAUTH_RATE_LIMIT = env.str("OAUTH_RATE_LIMIT", default="60/minute")  # of one address: consent pages, tokens asked for, revoked
OAUTH_ACCESS_TOKEN_SECONDS = env.int("OAUTH_ACCESS_TOKEN_SECONDS", default=3600)
OAUTH_REFRESH_TOKEN_SECONDS = env.int("OAUTH_REFRESH_TOKEN_SECONDS", default=30 * 86_400)  # without use; each use gives a new one
ENABLE_AB_TESTING = env.bool("ENABLE_AB_TESTING", default=True)
ENABLE_FLOW_VERSIONING = env.bool("ENABLE_FLOW_VERSIONING", default=True)
ENABLE_VISUAL_DESIGNER = env.bool("ENABLE_VISUAL_DESIGNER", default=True)
ENABLE_METRICS = env.bool("ENABLE_METRICS", default=True)
API_RATE_LIMIT = env.str("API_RATE_LIMIT", default="6000/minute")  # per API key or user
TENANT_RATE_LIMIT = env.str("TENANT_RATE_LIMIT", default="30000/minute")  # all credentials of a tenant together
ADDRESS_RATE_LIMIT = env.str("ADDRESS_RATE_LIMIT", default="120/minute")  # failed credentials per address
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)  # how many own proxies stand in front; the client's address is read from what they write
DRAIN_SECONDS = env.int("DRAIN_SECONDS", default=0 if EMBEDDED else 5)  # after SIGTERM: still serving, but not ready, so that traffic moves away
SHUTDOWN_SECONDS = env.int("SHUTDOWN_SECONDS", default=20)  # then: for requests that are being answered
WEB_PROCESSES = env.int("WEB_PROCESSES", default=1)  # how many web processes share this database; more than one needs REDIS_URL
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# The Model Context Protocol server.
MCP_SESSIONS = env.str("MCP_SESSIONS", default="auto")  # of older clients: stateful | stateless | auto (stateful in a single process)
MCP_ALLOWED_ORIGINS = env.list("MCP_ALLOWED_ORIGINS", default=[])  # of pages, beside our own, whose scripts may call /mcp
MCP_PARALLEL_CALLS = env.int("MCP_PARALLEL_CALLS", default=16)  # threads of a process for tools
MCP_CALLS_PER_TENANT = env.int("MCP_CALLS_PER_TENANT", default=8)  # how many of them one tenant may take
MCP_CALL_TIMEOUT_SECONDS = env.int("MCP_CALL_TIMEOUT_SECONDS", default=120)
MCP_CALLS_KEPT_DAYS = env.int("MCP_CALLS_KEPT_DAYS", default=90)  # rows of the log of calls
MCP_FIXTURES = ""  # only settings of tests name some: what the conformance suite needs, on top of the real catalogue


INSTALLED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "mcp_platform.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "axes",
    "django_prometheus",
    "mcp_platform.apps.PlatformConfig",
    "mcp_platform.tenancy",
    "mcp_platform.operations",
    "mcp_platform.outbox",
    "mcp_platform.vault",
    "mcp_platform.ml",
    "oauth2_provider",
    "mcp_platform.oauth",
    "mcp_platform.metadata",
    "mcp_platform.orchestrator",
    "flows",
    "experiments",
    "conversations",
    "conversations.analytics",
    "validation",
    "reports",
    "mcp_platform.mcp",
]
MIDDLEWARE = [
    "mcp_platform.middleware.entrance",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "mcp_platform.tenancy.middleware.staff_scope",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "mcp_platform.urls"
ASGI_APPLICATION = "mcp_platform.asgi.application"
WSGI_APPLICATION = "mcp_platform.wsgi.application"
AUTH_USER_MODEL = "tenancy.User"
# django-oauth-toolkit: OAuth 2.1, which is OAuth 2 without what RFC 9700 advises against (docs/mcp/oauth.md).
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth.Client"
OAUTH2_PROVIDER_GRANT_MODEL = "oauth.Code"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth.AccessToken"  # noqa: S105  a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth.RefreshToken"  # noqa: S105  a model
OAUTH2_PROVIDER = {
    "OAUTH2_VALIDATOR_CLASS": "mcp_platform.oauth.provider.validator.Validator",
    "OAUTH2_BACKEND_CLASS": "mcp_platform.oauth.provider.server.Core",
    "SCOPES_BACKEND_CLASS": "mcp_platform.oauth.provider.scopes.Permissions",
    "ACCESS_TOKEN_GENERATOR": "mcp_platform.oauth.provider.generators.access_token",
    "REFRESH_TOKEN_GENERATOR": "mcp_platform.oauth.provider.generators.refresh_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": OAUTH_ACCESS_TOKEN_SECONDS,
    "REFRESH_TOKEN_EXPIRE_SECONDS": OAUTH_REFRESH_TOKEN_SECONDS,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "PKCE_REQUIRED": True,
    "ALLOW_LOCALHOST_LOOPBACK": True,  # any port on one's own computer (RFC 8252, 7.3)
    "ALLOW_URI_WILDCARDS": False,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],  # for others Client.get_allowed_schemes answers
    "CIMD_ENABLED": True,
    "CIMD_METADATA_FETCHER": "mcp_platform.oauth.provider.cimd.Fetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": ["mcp_platform.oauth.provider.cimd.OnTheConsentPage"],
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
if TESTING:  # the real one takes a quarter of a second for each person of a test, on purpose
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns when it is missing; files are served from where they are
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = STATE_DIR / "files"  # uploads and what is made of them: read through doors that ask who is there, never served by path
FILES_S3_BUCKET = env.str("FILES_S3_BUCKET", default="")  # files go there instead; needs pip install "django-storages[s3]"
FILES_S3_OPTIONS = {
    "bucket_name": FILES_S3_BUCKET,
    "endpoint_url": env.str("FILES_S3_ENDPOINT", default="") or None,  # of another service than Amazon's
    "region_name": env.str("FILES_S3_REGION", default="") or None,
    "access_key": env.str("FILES_S3_ACCESS_KEY", default="") or None,  # unset: what the machine's own role gives
    "secret_key": env.str("FILES_S3_SECRET_KEY", default="") or None,
    "location": env.str("FILES_S3_PREFIX", default=""),
    "file_overwrite": False,
    "default_acl": None,  # the bucket's own rules; never public
    "signature_version": "s3v4",
}
STORAGES = {
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": FILES_S3_OPTIONS}
    if FILES_S3_BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_URL = env.str("EMAIL_URL", default="")  # smtp+tls://user:password@host:587; none: letters are written to files in STATE_DIR/mail
_MAIL = environ.Env.email_url_config(EMAIL_URL) if EMAIL_URL else {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend"}
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _MAIL.get("EMAIL_HOST") or "localhost", _MAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.get("EMAIL_HOST_USER") or "", _MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = bool(_MAIL.get("EMAIL_USE_TLS")), bool(_MAIL.get("EMAIL_USE_SSL"))
EMAIL_FILE_PATH = str(STATE_DIR / "mail")
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="MCP Platform <reports@localhost>")
MODEL_MAX_BYTES = env.int("MODEL_MAX_BYTES", default=300 * 1000 * 1000)  # of a building model, unpacked
MODEL_SECONDS = env.int("MODEL_SECONDS", default=900)  # wall clock and processor time of the process that reads one
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
_HTTPS = ENVIRONMENT == "production"  # elsewhere people work over plain http on their own machine
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|health|health/detailed|metrics)$"]  # probes and scrapers come by plain http
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if _HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "mcp_platform.tenancy.throttling.address_of"  # else all people behind a proxy of ours are one


# (section, pages): `to` is a model or the name of an admin URL, `also` a model whose pages belong to it, `needs` a permission,
# `badge` counts what needs attention.
ADMIN_NAVIGATION: list[tuple[str, list[dict[str, str]]]] = [
    (
        "Conversations",
        [
            {"title": "Dashboard", "icon": "dashboard", "to": "index"},
            {"title": "Flows", "icon": "account_tree", "to": "flows.flow", "also": "flows.state", "badge": "flows.admin.flows.drafts_with_problems"},
            {"title": "Conversations", "icon": "forum", "to": "conversations.conversation"},
            {
                "title": "Inbox",
                "icon": "inbox",
                "to": "conversations.handoff",
                "also": "conversations.cannedresponse",
                "badge": "conversations.admin.inbox.waiting",
            },
            {"title": "Dead turns", "icon": "report", "to": "conversations.turn", "badge": "conversations.admin.dead.unresolved"},
            {"title": "Replays", "icon": "replay", "to": "conversations.replay"},
            {"title": "Analytics", "icon": "monitoring", "to": "analytics.flowanalytics"},
            {"title": "Experiments", "icon": "science", "to": "experiments.experiment", "also": "experiments.evaluation"},
            {"title": "Try a flow", "icon": "chat", "to": "conversations_conversation_try", "needs": "conversations:write"},
            {"title": "Web chats", "icon": "public", "to": "conversations.webchannel"},
        ],
    ),
    (
        "Building codes",
        [
            {"title": "Projects", "icon": "folder_open", "to": "validation.project"},
            {"title": "Buildings", "icon": "apartment", "to": "validation.building"},
            {"title": "Models", "icon": "deployed_code", "to": "validation.modelrevision"},
            {"title": "Findings", "icon": "rule", "to": "validation.finding", "badge": "validation.admin.findings.critical"},
            {"title": "Checks", "icon": "query_stats", "to": "validation.validationrun"},
            {"title": "Live sessions", "icon": "cable", "to": "validation.livesession"},
            {"title": "Waivers", "icon": "approval", "to": "validation.waiver", "badge": "validation.admin.waivers.waiting"},
            {"title": "Reports", "icon": "picture_as_pdf", "to": "reports.report", "also": "reports.reporttemplate"},
            {"title": "Report schedules", "icon": "event_repeat", "to": "reports.reportschedule"},
            {"title": "Report keeping", "icon": "signature", "to": "reports.signingcertificate", "also": "reports.reportpolicy"},
            {"title": "Triage", "icon": "low_priority", "to": "validation.triagereading"},
            {"title": "Rule sets", "icon": "gavel", "to": "validation.ruleset"},
            {"title": "Jurisdictions", "icon": "public", "to": "validation.jurisdiction"},
            {"title": "Editions", "icon": "menu_book", "to": "validation.codeedition", "also": "validation.adoption"},
            {"title": "Amendments", "icon": "edit_note", "to": "validation.amendment"},
            {"title": "Facts", "icon": "fact_check", "to": "validation.factdefinition"},
        ],
    ),
    (
        "Model Context Protocol",
        [
            {"title": "Tools for machines", "icon": "build", "to": "mcp_call_catalogue", "needs": "servers:read"},
            {"title": "Calls of clients", "icon": "call_received", "to": "mcp.call"},
            {
                "title": "MCP servers",
                "icon": "lan",
                "to": "orchestrator.remoteserver",
                "badge": "mcp_platform.orchestrator.admin.servers.needing_a_look",
            },
            {"title": "Upstream tools", "icon": "construction", "to": "orchestrator.upstreamtool"},
            {"title": "Virtual servers", "icon": "widgets", "to": "orchestrator.virtualserver"},
            {"title": "Calls to servers", "icon": "call_made", "to": "orchestrator.servercall"},
            {"title": "Orchestration", "icon": "tune", "to": "orchestrator.orchestrationsettings"},
        ],
    ),
    (
        "Access",
        [
            {"title": "API keys", "icon": "key", "to": "tenancy.apikey"},
            {"title": "OAuth clients", "icon": "vpn_key", "to": "oauth.client", "also": "oauth.authorization"},
            {"title": "Members", "icon": "group", "to": "tenancy.membership"},
            {"title": "Token issuers", "icon": "verified_user", "to": "tenancy.tokenissuer"},
            {"title": "Tenants", "icon": "apartment", "to": "tenancy.tenant"},
            {"title": "Users", "icon": "person", "to": "tenancy.user"},
        ],
    ),
    (
        "Operations",
        [
            {"title": "Running work", "icon": "pending_actions", "to": "operations.operation"},
            {"title": "Environments", "icon": "dns", "to": "flows.environment"},
            {"title": "Tenant handlers", "icon": "sensors", "to": "flows.tenanthandlers"},
            {"title": "Integrations", "icon": "hub", "to": "flows.integration", "also": "flows.stub"},
            {"title": "Integration health", "icon": "monitoring", "to": "conversations.integrationhealth"},
            {"title": "Understanding", "icon": "psychology", "to": "conversations.understoodflow"},
            {
                "title": "Model registry",
                "icon": "inventory_2",
                "to": "ml_modelversion_registry",
                "also": "ml.modelversion",
                "needs": "models:read",
            },
            {
                "title": "Product metadata",
                "icon": "sell",
                "to": "metadata.productalias",
                "also": "metadata.columnmapping",
                "badge": "mcp_platform.metadata.admin.rows.unpublished",
            },
            {"title": "Secrets", "icon": "lock", "to": "vault.secret"},
            {"title": "Events out", "icon": "outbox", "to": "outbox.endpoint", "badge": "mcp_platform.outbox.admin.endpoints.in_trouble"},
            {"title": "Deliveries", "icon": "local_shipping", "to": "outbox.delivery"},
            {"title": "Audit log", "icon": "history", "to": "tenancy.auditentry"},
        ],
    ),
]
UNFOLD = {
    "SITE_TITLE": "MCP Platform",
    "SITE_HEADER": "MCP Platform",
    "SITE_SUBHEADER": "mcp_platform.tenancy.pages.subheader",
    "SITE_DROPDOWN": "mcp_platform.tenancy.pages.switcher",
    "SITE_SYMBOL": "account_tree",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "mcp_platform.admin_base.favicon"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": ["mcp_platform.admin_base.stylesheet"],
    "SCRIPTS": ["mcp_platform.admin_base.script"],
    "DASHBOARD_CALLBACK": "conversations.admin.dashboard.dashboard",
    "ENVIRONMENT": "mcp_platform.admin_base.environment",
    "SIDEBAR": {"show_search": True, "navigation": "mcp_platform.admin_base.navigation"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mcp_platform.tenancy.authenticators.BearerAuthentication",
        "mcp_platform.tenancy.authenticators.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mcp_platform.tenancy.authenticators.HasPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["mcp_platform.tenancy.authenticators.PrincipalThrottle"],
    "DEFAULT_PAGINATION_CLASS": "mcp_platform.rest.Pagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend", "rest_framework.filters.OrderingFilter"],
    "DEFAULT_SCHEMA_CLASS": "mcp_platform.schema.Schema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mcp_platform.rest.StrictJSONParser"],
    "EXCEPTION_HANDLER": "mcp_platform.rest.problem_response",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MCP Platform",
    "DESCRIPTION": "Conversations, building-code validation, experiments and Model Context Protocol, on one platform.",
    "EXTERNAL_DOCS": {"url": "/api/asyncapi/validation.yaml", "description": "The WebSocket protocol of live validation (AsyncAPI)"},
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "ModelStatusEnum": "mcp_platform.ml.models.ModelVersion.Status",
        "StateTypeEnum": "flows.models.STATE_TYPES",
        "ConditionEnum": "flows.models.CONDITIONS",
        "ExperimentStateEnum": "experiments.models.Experiment.State",
        "ExperimentKindEnum": "experiments.models.Experiment.Kind",
        "EvaluationKindEnum": "experiments.models.Evaluation.Kind",
        "EvaluationUnderstandingEnum": "experiments.services.evaluating.UNDERSTANDING",
        "UnderstandingEnum": "conversations.models.Replay.Understanding",
        "MetricRoleEnum": "experiments.models.ExperimentMetric.Role",
        "RoleEnum": "mcp_platform.tenancy.models.Role",
        "IntegrationTypeEnum": "flows.models.INTEGRATION_TYPES",
        "TurnStatusEnum": "conversations.models.Turn.Status",
        "TurnKindEnum": "conversations.models.Turn.Kind",
        "DeliveryStatusEnum": "mcp_platform.outbox.models.Delivery.Status",
        "EndpointKindEnum": "mcp_platform.outbox.models.Endpoint.Kind",
        "NewEndpointKindEnum": "mcp_platform.outbox.serializers.KINDS",
        "HandoffStatusEnum": "conversations.models.Handoff.Status",
        "AgentStatusEnum": "conversations.models.AgentPresence.Status",
        "ConversationStatusEnum": "conversations.api.shapes.STATUSES",
        "PlanStatusEnum": "conversations.models.MigrationPlan.Status",
        "PlanPolicyEnum": "conversations.models.MigrationPlan.Policy",
        "DrainEndEnum": "flows.serializers.DRAIN_ENDS",
        "LivePolicyEnum": "flows.serializers.LIVE_POLICIES",
        "RuleSeverityEnum": "validation.models.rulebook.SEVERITIES",
        "RuleKindEnum": "validation.models.rulebook.KINDS",
        "RuleProvenanceEnum": "validation.models.rulebook.PROVENANCE",
        "RuleSetVersionStateEnum": "validation.models.RuleSetVersion.State",
        "JurisdictionKindEnum": "validation.models.Jurisdiction.Kind",
        "FindingStateEnum": "validation.api.findings_shapes.STATES",
        "FindingSettableStateEnum": "validation.api.findings_shapes.SETTABLE",
        "WaiverStateEnum": "validation.api.findings_shapes.WAIVER_STATES",
        "WaiverKindEnum": "validation.api.findings_shapes.WAIVER_KINDS",
        "RunStateEnum": "validation.models.ValidationRun.State",
        "ReportStateEnum": "reports.models.Report.State",
        "ReportKindEnum": "reports.models.KIND_CHOICES",
        "ReportVerdictEnum": "reports.api.reports.VERDICTS",
        "ChangeKindEnum": ["added", "changed", "removed"],
        "ProblemSeverityEnum": ["error", "warning"],
        "ReplayVerdictEnum": "conversations.models.ReplayedConversation.Verdict",
        "RemoteServerStateEnum": "mcp_platform.orchestrator.models.RemoteServer.State",
        "RemoteServerTransportEnum": "mcp_platform.orchestrator.models.RemoteServer.Transport",
        "UpstreamToolStatusEnum": "mcp_platform.orchestrator.models.UpstreamTool.Status",
        "OutcomeEnum": ["fail", "not_evaluable"],  # of a finding
        "ServerCallOutcomeEnum": "mcp_platform.orchestrator.models.ServerCall.Outcome",
        "ServerCallKindEnum": "mcp_platform.orchestrator.models.ServerCall.Kind",
        "ModelRevisionStateEnum": "validation.models.ModelRevision.State",
    },
}


LOGGING_CONFIG = None  # observability.configure_logs does it
observability.configure_logs(LOG_LEVEL, LOG_FORMAT, SERVICE_NAME)


BROKER_URL = env.str("BROKER_URL", default=REDIS_URL)  # Celery's, when it is not the Redis of everything else
CELERY_BROKER_URL, _MASTER = redis_urls.broker(BROKER_URL) if BROKER_URL else ("memory://localhost/", {})
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "mcp"
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
# A broker that is away must not hold up a request: the sweeps find the work in its rows.
_ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1, "socket_connect_timeout": 2}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {**_ONE_TRY, **_MASTER} if REDIS_URL else {"polling_interval": 0.05}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_POOL_LIMIT = REDIS_POOL_SIZE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

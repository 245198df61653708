"""The settings of the site: connections that stay open, one transaction for each request, and no more than SCIM."""

import os

SECRET_KEY = "of the bench"  # noqa: S105 - nothing here is secret.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_site.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Tables come from the models: an app without migrations cannot refer to one that has them.
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
AUTH_USER_MODEL = "django_site.User"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_scim", "django_site"]
MIDDLEWARE = ["django_site.tokens.BearerMiddleware"]
LOGGING_CONFIG = None
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DATABASE_HOST"],
        "USER": os.environ["DATABASE_USER"],
        "NAME": os.environ["DATABASE_NAME"],
        "CONN_MAX_AGE": None,
        # Else a create is committed twice: once with the person, once with the id that SCIM shows.
        "ATOMIC_REQUESTS": True,
    }
}
SCIM_SERVICE_PROVIDER = {
    "NETLOC": "127.0.0.1",
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Bearer", "description": "A token."}],
    "GROUP_MODEL": "django_site.models.Group",
}

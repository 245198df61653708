"""The WSGI entry point that gunicorn loads."""

import os

from services.directory.portal import app
from shared import logs, settings

_settings = settings.load_complete(os.environ)
logs.configure(_settings.log_level, "portal")
application = app.create(_settings)

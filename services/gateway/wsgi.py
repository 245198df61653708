"""The WSGI entry point that gunicorn loads in each of its processes."""

import os

from services.gateway import app
from shared import logs, settings

_settings = settings.load_complete(os.environ)
logs.configure(_settings.log_level, "gateway")
application = app.create(_settings)

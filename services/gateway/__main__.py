"""`python -m services.gateway`: run the service."""

import os
import sys

from libs.kernel.settings import SettingsError, load
from libs.observability import logging
from libs.web.serve import serve
from services.gateway.app import build
from services.gateway.settings import Settings

if __name__ == "__main__":
    try:
        settings = load(Settings, os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    logging.configure(service="gateway", level=settings.log_level)
    serve(
        build(settings),
        host=settings.http_host,
        port=settings.http_port,
        metrics_port=settings.metrics_port,
    )

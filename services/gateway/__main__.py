"""`python -m services.gateway`: run the service."""

import os

from libs.web.serve import main
from services.gateway.app import build
from services.gateway.settings import Settings

if __name__ == "__main__":
    main("gateway", Settings, build, os.environ)

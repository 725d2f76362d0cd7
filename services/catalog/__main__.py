"""`python -m services.catalog`: run the service."""

import os

from libs.web.serve import main
from services.catalog.app import build
from services.catalog.settings import Settings

if __name__ == "__main__":
    main("catalog", Settings, build, os.environ)

"""`python -m services.dashboard`: run the service."""

import os

from libs.web.serve import main
from services.dashboard.app import build
from services.dashboard.settings import Settings

if __name__ == "__main__":
    main("dashboard", Settings, build, os.environ)

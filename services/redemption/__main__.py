"""`python -m services.redemption`: run the service."""

import os

from libs.web.serve import main
from services.redemption.app import build
from services.redemption.settings import Settings

if __name__ == "__main__":
    main("redemption", Settings, build, os.environ)

"""`python -m services.earning`: run the service."""

import os

from libs.web.serve import main
from services.earning.app import build
from services.earning.settings import Settings

if __name__ == "__main__":
    main("earning", Settings, build, os.environ)

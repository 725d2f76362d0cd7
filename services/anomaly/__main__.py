"""`python -m services.anomaly`: run the service."""

import os

from libs.web.serve import main
from services.anomaly.app import build
from services.anomaly.settings import Settings

if __name__ == "__main__":
    main("anomaly", Settings, build, os.environ)

"""The Python client of Whale Loyalty: `WhaleClient`, and `AsyncWhaleClient` for async code.

Response models are in `whale_loyalty.models`, exceptions in `whale_loyalty.errors`, the values of text fields
in `whale_loyalty.values`.
"""

from msgspec import UNSET

from whale_loyalty import errors, models, values
from whale_loyalty._client import AsyncWhaleClient, WhaleClient
from whale_loyalty._pages import AsyncPages, Pages
from whale_loyalty._version import __version__
from whale_loyalty.errors import ApiError, WhaleError

__all__ = [
    "UNSET",
    "ApiError",
    "AsyncPages",
    "AsyncWhaleClient",
    "Pages",
    "WhaleClient",
    "WhaleError",
    "__version__",
    "errors",
    "models",
    "values",
]

"""The Python client of Whale Loyalty: `WhaleClient`, and `AsyncWhaleClient` for async code.

Response models are in `whale_loyalty.models`, exceptions in `whale_loyalty.errors`.
"""

from msgspec import UNSET

from whale_loyalty import errors, models
from whale_loyalty._client import AsyncWhaleClient, WhaleClient
from whale_loyalty._pages import AsyncPages, Pages
from whale_loyalty.errors import ApiError, WhaleError

__all__ = [
    "UNSET",
    "ApiError",
    "AsyncPages",
    "AsyncWhaleClient",
    "Pages",
    "WhaleClient",
    "WhaleError",
    "errors",
    "models",
]

"""The client of Whale Loyalty: `WhaleClient`, and `AsyncWhaleClient` for async code.

What the API answers is in `whale_loyalty.models`, what can go wrong in `whale_loyalty.errors`.
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

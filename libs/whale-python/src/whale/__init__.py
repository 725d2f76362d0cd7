"""The client of Whale Loyalty: `WhaleClient`, and `AsyncWhaleClient` for async code.

What the API answers is in `whale.models`, what can go wrong in `whale.errors`.
"""

from msgspec import UNSET

from whale import errors, models
from whale._client import AsyncWhaleClient, WhaleClient
from whale._pages import AsyncPages, Pages
from whale.errors import ApiError, WhaleError

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

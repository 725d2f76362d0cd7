"""The bounds of what callers send: all faults together, each with its place.

Source of the bounds: the API's documentation, "Bounds".
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeGuard, TypeVar
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from libs.contracts import api
from libs.contracts.numbers import MAX_TOTAL, fits
from libs.contracts.rewards import (
    MAX_COST,
    MAX_DESCRIPTION,
    MAX_METADATA,
    MAX_METADATA_KEY,
    MAX_METADATA_VALUE,
    MAX_PER_CUSTOMER,
    MAX_STOCK,
    MAX_URL,
    RewardCreate,
    RewardPatch,
    RewardValueInput,
)
from libs.kernel.clock import parse_time
from libs.web import checks as shared
from libs.web.body import Faults
from libs.web.inspection import pointer_step
from services.catalog.domain import REWARD_ID
from services.catalog.handlers.reward_changes import PERIOD_RULE

_REWARD_ID_RULE: Final = (
    "must be `rwd_` followed by 1 to 64 letters, digits, underscores or hyphens"
)
_URL_RULE: Final = f"must be an http or https URL with up to {MAX_URL:,} characters"
_VALUE_RULE: Final = "must have either `amount` and `currency`, or `percent`"
_MAX_PERCENT: Final = 100
_POSITIVE: Final = "must be greater than 0, have up to six decimal places, and be at most"

# Line breaks and tabs may stand in text of several lines, other control characters may not.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_IN_URLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029<>\"\\^`{|}]")

T = TypeVar("T")


def reward_create(request: RewardCreate, faults: Faults) -> None:
    """A new reward: every value it has."""
    if request.id is not None and not REWARD_ID.fullmatch(request.id):
        faults.at("#/id", _REWARD_ID_RULE)
    _reward(request, faults)


def reward_patch(request: RewardPatch, faults: Faults) -> None:
    """A change: the values it has. Whether they fit the stored values is checked when it is carried out."""
    _reward(request, faults)
    if request.version is not UNSET:
        shared.version(request.version, faults)


def _reward(request: RewardCreate | RewardPatch, faults: Faults) -> None:
    if request.name is not UNSET:
        shared.text(request.name, faults, at="#/name", longest=api.MAX_NAME)
    if request.points_cost is not UNSET:
        shared.whole(request.points_cost, faults, at="#/points_cost", low=1, high=MAX_COST)
    if given(request.description):
        _lines(request.description, faults, at="#/description", longest=MAX_DESCRIPTION)
    if given(request.value):
        _value(request.value, faults)
    if given(request.stock):
        shared.whole(request.stock, faults, at="#/stock", low=0, high=MAX_STOCK)
    if given(request.per_customer_limit):
        limit = request.per_customer_limit
        shared.whole(limit, faults, at="#/per_customer_limit", low=1, high=MAX_PER_CUSTOMER)
    _period(request, faults)
    if given(request.min_tier):
        shared.text(request.min_tier, faults, at="#/min_tier", longest=api.MAX_NAME)
    if given(request.image_url) and not is_url(request.image_url):
        faults.at("#/image_url", _URL_RULE)
    if given(request.metadata):
        _metadata(request.metadata, faults)


def given(value: T | UnsetType | None) -> TypeGuard[T]:
    """Whether an optional field has a value."""
    return value is not UNSET and value is not None


def _lines(value: str, faults: Faults, *, at: str, longest: int) -> None:
    if len(value) > longest:
        faults.at(at, f"must have up to {longest:,} characters")
    elif _CONTROL.search(value):
        faults.at(at, "must not have control characters other than tabs and line breaks")


def _value(value: RewardValueInput, faults: Faults) -> None:
    """Either money or a percentage."""
    if value.percent is not None and (value.amount is not None or value.currency is not None):
        faults.at("#/value", _VALUE_RULE)
    elif value.percent is not None:
        if not fits(value.percent, low=0, high=_MAX_PERCENT) or value.percent == 0:
            faults.at("#/value/percent", f"{_POSITIVE} {_MAX_PERCENT}")
    elif value.amount is None and value.currency is None:
        faults.at("#/value", _VALUE_RULE)
    else:
        _money(value.amount, value.currency, faults)


def _money(amount: Decimal | None, currency: str | None, faults: Faults) -> None:
    if amount is None:
        faults.at("#/value/amount", "is required with `currency`")
    elif not fits(amount, low=0, high=MAX_TOTAL) or amount == 0:
        faults.at("#/value/amount", f"{_POSITIVE} {MAX_TOTAL:,}")
    if currency is None:
        faults.at("#/value/currency", "is required with `amount`")
    else:
        shared.currency(currency, faults, at="#/value/currency")


def _period(request: RewardCreate | RewardPatch, faults: Faults) -> None:
    starts = _time(request.starts_at, faults, at="#/starts_at")
    ends = _time(request.ends_at, faults, at="#/ends_at")
    if starts is not None and ends is not None and starts >= ends:
        faults.at("#/ends_at", PERIOD_RULE)


def _time(text: str | UnsetType | None, faults: Faults, *, at: str) -> datetime | None:
    if not given(text):
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        faults.at(at, str(error))
        return None


def is_url(text: str) -> bool:
    """Whether `text` is an http or https URL."""
    if len(text) > MAX_URL or _NOT_IN_URLS.search(text):
        return False
    try:
        url = urlsplit(text)
        port_is_one = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and port_is_one


def _metadata_key(key: str, faults: Faults, *, at: str) -> None:
    """Check a key. Its faults name it in their text, because their pointer is that of the value."""
    key_faults = Faults()
    shared.text(key, key_faults, at=at, longest=MAX_METADATA_KEY)
    for fault in key_faults.all:
        faults.at(at, f"the key {fault.detail}")


def _metadata(metadata: dict[str, str], faults: Faults) -> None:
    if len(metadata) > MAX_METADATA:
        faults.at("#/metadata", f"must have up to {MAX_METADATA} keys")
        return
    for key, value in metadata.items():
        at = f"#/metadata/{pointer_step(key)}"
        _metadata_key(key, faults, at=at)
        _lines(value, faults, at=at, longest=MAX_METADATA_VALUE)

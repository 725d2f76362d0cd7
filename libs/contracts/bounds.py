"""The bounds of the values that callers send, as JSON Schema for the reference documentation.

These schemas only document. The checks of each service enforce the bounds and report all invalid
values together. A test requires bounds for every field of a request, and generated requests verify
that the schemas and the checks agree.
"""

from collections.abc import Mapping
from typing import Any, Final

from libs.contracts import (
    anomalies,
    api,
    events,
    intake,
    lifecycle,
    order_api,
    program_api,
    rewards,
)
from libs.contracts.numbers import MAX_TOTAL

Schema = Mapping[str, Any]

# Readable on one line: no control characters, and not only blanks.
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"

_TOTAL: Final = int(MAX_TOTAL)


def text(longest: int) -> Schema:
    """Readable text of up to `longest` characters."""
    return {
        "minLength": 1,
        "maxLength": longest,
        "pattern": f"^[^{_CONTROL}]*[^{_CONTROL}\\s][^{_CONTROL}]*$",
    }


def lines(longest: int) -> Schema:
    """Text of any number of lines; it may be empty."""
    return {
        "maxLength": longest,
        "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$",
    }


def integer(low: int, high: int) -> Schema:
    return {"minimum": low, "maximum": high}


def decimal(high: int, *, above: int | None = None) -> Schema:
    """A number, or a string of digits, with up to six decimal places: greater than `above`, or from
    0, and up to `high`, a power of ten."""
    start = {"minimum": 0} if above is None else {"exclusiveMinimum": above}
    number = {"type": "number", **start, "maximum": high, "multipleOf": 0.000001}
    return any_of(number, _digits(high, zero=above is None))


def money(*, zero: bool) -> Schema:
    """An amount up to MAX_TOTAL, greater than 0 unless `zero`: a number, which is rounded half-even
    to six decimal places, or a string with at most six."""
    # A number that rounds to 0 counts as 0.
    start = {"minimum": 0} if zero else {"exclusiveMinimum": 0.0000005}
    number = {
        "type": "number",
        **start,
        "maximum": _TOTAL,
        "description": "Rounded half-even to six decimal places. An exponent, if present, must be within ±30.",
    }
    return any_of(number, _digits(_TOTAL, zero=zero))


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _digits(high: int, *, zero: bool) -> Schema:
    """A string of digits up to `high` with up to six decimal places; 0 only if `zero`."""
    places = len(str(high)) - 1
    whole_part = rf"[1-9][0-9]{{0,{places - 1}}}(\.[0-9]{{1,6}})?"
    below_one = "|".join(rf"0{{{zeros}}}[1-9][0-9]{{0,{5 - zeros}}}" for zeros in range(6))
    highest = rf"{high}(\.0{{1,6}})?"
    alternatives = [whole_part, rf"0\.({below_one})", highest, *([r"0(\.0{1,6})?"] if zero else [])]
    return {"type": "string", "pattern": f"^0*({'|'.join(alternatives)})$"}


_CUSTOMER_ID_PATTERN: Final = r"^[\p{L}\p{M}\p{Nd}_.:@+|=~'!$&*-]{1,128}$"
_NORMALIZED: Final = "Normalized to Unicode form C before its length is checked."
CUSTOMER_ID_PREFIX: Final[Schema] = {
    "type": "string",
    "pattern": _CUSTOMER_ID_PATTERN,
    "description": _NORMALIZED,
}
CUSTOMER_ID: Final[Schema] = {**CUSTOMER_ID_PREFIX, "not": {"enum": [".", ".."]}}
STORE_ID: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
OTHER_ID: Final[Schema] = {"type": "string", "pattern": f"^[^{_CONTROL}]{{1,128}}$"}

_CURRENCY: Final[Schema] = {"pattern": "^[A-Z]{3}$"}
_NAME: Final = text(api.MAX_NAME)
_REASON: Final = text(api.MAX_REASON)
_RATE: Final = decimal(api.MAX_RATE, above=0)
_MULTIPLIER: Final = decimal(api.MAX_MULTIPLIER, above=0)
_WORTH: Final = money(zero=False)
_PERCENT: Final = decimal(100, above=0)
_TIERS: Final[Schema] = {"maxItems": api.MAX_TIERS}
_COST: Final = integer(1, rewards.MAX_COST)
_VERSION: Final = integer(1, api.MAX_VERSION)
_MOMENT: Final[Schema] = {"format": "date-time"}
_DAY: Final[Schema] = {"format": "date"}
_METADATA: Final[Schema] = {
    "maxProperties": rewards.MAX_METADATA,
    "propertyNames": text(rewards.MAX_METADATA_KEY),
    "additionalProperties": {"type": "string", **lines(rewards.MAX_METADATA_VALUE)},
}
_PROGRAM: Final[dict[str, Schema]] = {
    "name": _NAME,
    "points_per_dollar": _RATE,
    "tiers": _TIERS,
    "currency": _CURRENCY,
    "time_zone": {"format": "time-zone"},
    "remind_days": {
        "minItems": 1,
        "maxItems": lifecycle.MAX_REMINDERS,
        "uniqueItems": True,
        "items": {"type": "integer", **integer(1, lifecycle.MAX_REMIND_DAYS)},
    },
}
# A month and a day that some year has.
_YEARLY_DATE: Final = (
    "^((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|[12][0-9]))$"
)
_REWARD: Final[dict[str, Schema]] = {
    "name": _NAME,
    "points_cost": _COST,
    "description": lines(rewards.MAX_DESCRIPTION),
    "stock": integer(0, rewards.MAX_STOCK),
    "per_customer_limit": integer(1, rewards.MAX_PER_CUSTOMER),
    "starts_at": _MOMENT,
    "ends_at": _MOMENT,
    "min_tier": _NAME,
    "image_url": {"format": "uri", "maxLength": rewards.MAX_URL},
    "metadata": _METADATA,
}
_LINE: Final[Schema] = {
    "type": "object",
    "properties": {
        "sku": {"type": "string"},
        "quantity": {"type": "integer"},
        "unit_price": {"type": ["number", "string"]},
    },
}
NULL: Final[Schema] = {"type": "null"}
# How far ahead it may be depends on the store's clock and zone.
_LAST_DAY: Final = any_of({"type": "string", "format": "date"}, NULL)


def _long_integer(digits: int) -> Schema:
    """An integer of up to `digits` characters, including its sign."""
    # Floats, since readers of the document may not support integers of this size.
    least, most = -(10.0 ** (digits - 1)), 10.0**digits
    return {"type": "integer", "exclusiveMinimum": least, "exclusiveMaximum": most}


# Ids as shops send them: many shops use numbers.
_SHOP_ID: Final = any_of(OTHER_ID, _long_integer(128))
_OPTIONAL_SHOP_ID: Final = any_of(OTHER_ID, _long_integer(128), NULL)
_GUEST: Final[Schema] = {
    "enum": ["", 0, None],
    "description": "No customer: an event of a guest, which is ignored.",
}
_SHOP_EVENT: Final[dict[str, Schema]] = {
    "store_id": any_of(STORE_ID, _long_integer(64)),
    "customer_id": any_of(CUSTOMER_ID, _long_integer(128), _GUEST),
    "order_id": _SHOP_ID,
}


def _parameter(bound: anomalies.ParameterBound) -> Schema:
    """A parameter of a detector."""
    if isinstance(bound, anomalies.Decimals):
        return decimal(bound.high, above=bound.above)
    return integer(bound.low, bound.high)


_IDS: Final[Schema] = {"minItems": 1, "maxItems": api.MAX_BATCH_ITEMS, "items": OTHER_ID}

# By struct and field: the bounds that are not part of the type.
BOUNDS: Final[dict[type, dict[str, Schema]]] = {
    program_api.TierInput: {
        "name": _NAME,
        "min_points": integer(0, api.MAX_BALANCE),
        "multiplier": _MULTIPLIER,
        "perks": {
            "maxItems": api.MAX_PERKS,
            "items": {"type": "string", **_REASON},
        },
    },
    program_api.ProgramCreate: _PROGRAM,
    program_api.ProgramPatch: {**_PROGRAM, "version": integer(1, api.MAX_VERSION)},
    lifecycle.Expiry: {
        "months": integer(1, lifecycle.MAX_MONTHS),
        "days": integer(1, lifecycle.MAX_DAYS),
        "dates": {
            "minItems": 1,
            "maxItems": lifecycle.MAX_YEARLY_DATES,
            "uniqueItems": True,
            "items": {"type": "string", "pattern": _YEARLY_DATE},
        },
        "at_least_days": integer(0, lifecycle.MAX_AT_LEAST_DAYS),
        "returned_days": integer(0, lifecycle.MAX_RETURNED_DAYS),
    },
    lifecycle.Pending: {
        "days": integer(0, lifecycle.MAX_PENDING_DAYS),
        "give_up_days": integer(1, lifecycle.MAX_GIVE_UP_DAYS),
    },
    api.EarnRequest: {
        "customer_id": CUSTOMER_ID,
        "points": integer(1, api.MAX_MANUAL_POINTS),
        "reason": _REASON,
        "expires_on": _LAST_DAY,
    },
    api.EarnBatchRequest: {"items": {"minItems": 1, "maxItems": api.MAX_BATCH_ITEMS}},
    order_api.DeadLetterReplay: {"ids": _IDS},
    order_api.OrderRecheck: {"order_ids": _IDS},
    order_api.OrderRelease: {"order_id": OTHER_ID},
    api.AdjustRequest: {
        "customer_id": CUSTOMER_ID,
        "points": {
            "minimum": -api.MAX_MANUAL_POINTS,
            "maximum": api.MAX_MANUAL_POINTS,
            "not": {"const": 0},
        },
        "reason": _REASON,
        "expires_on": _LAST_DAY,
    },
    api.ClockRequest: {"now": _MOMENT},
    api.CustomerPatch: {"note": _REASON},
    rewards.RewardValueInput: {"amount": _WORTH, "currency": _CURRENCY, "percent": _PERCENT},
    rewards.RewardCreate: {"id": {"pattern": "^rwd_[A-Za-z0-9_-]{1,64}$"}, **_REWARD},
    rewards.RewardPatch: {**_REWARD, "version": _VERSION},
    rewards.RedeemRequest: {
        "customer_id": CUSTOMER_ID,
        "reward_id": OTHER_ID,
        "points_cost": _COST,
    },
    rewards.UseRequest: {"code": text(rewards.MAX_CODE)},
    anomalies.AnomalyPatch: {"note": _REASON, "reviewer": _NAME, "version": _VERSION},
    anomalies.AnomalySettingsInput: {"version": _VERSION},
    **{
        detector: {name: _parameter(bound) for name, bound in bounds.items()}
        for detector, bounds in anomalies.PARAMETER_BOUNDS.items()
    },
    anomalies.BacktestRequest: {"from_": _DAY, "to": _DAY},
    intake.EventEnvelope: {
        "id": OTHER_ID,
        "source": _REASON,
        "time": _MOMENT,
        "datacontenttype": {"pattern": intake.JSON_MEDIA_TYPE},
        "dataschema": {"pattern": "/v1$"},
        "data_base64": {"contentEncoding": "base64", "contentMediaType": "application/json"},
    },
    events.OrderCompleted: {
        **_SHOP_EVENT,
        "total": money(zero=True),
        "currency": _CURRENCY,
        "order_number": _OPTIONAL_SHOP_ID,
        "program_id": _OPTIONAL_SHOP_ID,
        "items": {"type": "array", "items": _LINE},
    },
    events.OrderFulfilled: _SHOP_EVENT,
    events.OrderRefunded: {
        **_SHOP_EVENT,
        "refund_id": _SHOP_ID,
        "amount": any_of(*money(zero=True)["anyOf"], NULL),
    },
}

_NOT_NULL: Final[Schema] = {"not": NULL}

_ABSENT: Final[Schema] = {"not": {}}
_ONE_PERIOD: Final = [{"required": ["months"]}, {"required": ["days"]}]


def _of_kind(kind: lifecycle.ExpiryKind, *absent: str, **rules: Any) -> Schema:
    return {"properties": {"kind": {"const": kind}, **dict.fromkeys(absent, _ABSENT)}, **rules}


# By struct: which of its fields must or must not occur together.
TOGETHER: Final[dict[type, Schema]] = {
    intake.EventEnvelope: {"oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}]},
    lifecycle.Expiry: {
        "oneOf": [
            _of_kind("after", "dates", "at_least_days", oneOf=_ONE_PERIOD),
            _of_kind("yearly", "months", "days", "round", required=["dates"]),
            _of_kind("inactivity", "round", "dates", "at_least_days", oneOf=_ONE_PERIOD),
        ]
    },
    # Without a fulfillment to wait for, 0 days are no setting.
    lifecycle.Pending: {
        "anyOf": [
            {"properties": {"days": {"minimum": 1}}},
            {"properties": {"from": {"const": "fulfilled"}}, "required": ["from"]},
        ]
    },
    rewards.RewardValueInput: {
        "oneOf": [
            {
                "required": ["amount", "currency"],
                "properties": {"amount": _NOT_NULL, "currency": _NOT_NULL, "percent": NULL},
            },
            {
                "required": ["percent"],
                "properties": {"percent": _NOT_NULL, "amount": NULL, "currency": NULL},
            },
        ]
    },
}

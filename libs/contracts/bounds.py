"""The bounds of what callers send, as JSON Schema: what the reference shows beside each field.

They document; what is enforced is written in each service's checks, which tell all faults at once.
A test holds every field of a request to having bounds, and generated requests hold both to agree.
"""

from collections.abc import Mapping
from typing import Any, Final

from libs.contracts import anomalies, api, events, intake, rewards
from libs.contracts.numbers import MAX_TOTAL

Schema = Mapping[str, Any]

# Readable on one line: no control characters, and something beside blanks.
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
    """Text of several lines, or none."""
    return {
        "maxLength": longest,
        "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$",
    }


def whole(low: int, high: int) -> Schema:
    return {"minimum": low, "maximum": high}


def exact(high: int, *, above: int | None = None) -> Schema:
    """A decimal with up to six decimals, as a number or as text: over `above`, or from 0. `high` is
    a power of ten."""
    start = {"minimum": 0} if above is None else {"exclusiveMinimum": above}
    number = {"type": "number", **start, "maximum": high, "multipleOf": 0.000001}
    return either(number, _digits(high, zero=above is None))


def money(*, zero: bool) -> Schema:
    """An amount up to MAX_TOTAL, from 0 or over it: a number, which is rounded half-even to six
    decimals, or text with at most six."""
    # What rounds to 0 is 0.
    start = {"minimum": 0} if zero else {"exclusiveMinimum": 0.0000005}
    number = {
        "type": "number",
        **start,
        "maximum": _TOTAL,
        "description": "Rounded half-even to six decimals; no written exponent beyond ±30.",
    }
    return either(number, _digits(_TOTAL, zero=zero))


def either(*schemas: Schema) -> Schema:
    """One of these."""
    return {"anyOf": list(schemas)}


def _digits(high: int, *, zero: bool) -> Schema:
    """Such a decimal as text: plain digits, with or without 0."""
    places = len(str(high)) - 1
    whole_part = rf"[1-9][0-9]{{0,{places - 1}}}(\.[0-9]{{1,6}})?"
    below_one = "|".join(rf"0{{{zeros}}}[1-9][0-9]{{0,{5 - zeros}}}" for zeros in range(6))
    highest = rf"{high}(\.0{{1,6}})?"
    alternatives = [whole_part, rf"0\.({below_one})", highest, *([r"0(\.0{1,6})?"] if zero else [])]
    return {"type": "string", "pattern": f"^0*({'|'.join(alternatives)})$"}


_CUSTOMER_START: Final = r"^[\p{L}\p{M}\p{Nd}_.:@+|=~'!$&*-]{1,128}$"
_IN_FORM_C: Final = "Read, and counted, in Unicode normal form C."
CUSTOMER_ID_START: Final[Schema] = {
    "type": "string",
    "pattern": _CUSTOMER_START,
    "description": _IN_FORM_C,
}
CUSTOMER_ID: Final[Schema] = {**CUSTOMER_ID_START, "not": {"enum": [".", ".."]}}
STORE_ID: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
OTHER_ID: Final[Schema] = {"type": "string", "pattern": f"^[^{_CONTROL}]{{1,128}}$"}

_CURRENCY: Final[Schema] = {"pattern": "^[A-Z]{3}$"}
_NAME: Final = text(api.MAX_NAME)
_REASON: Final = text(api.MAX_REASON)
_RATE: Final = exact(api.MAX_RATE, above=0)
_MULTIPLIER: Final = exact(api.MAX_MULTIPLIER, above=0)
_WORTH: Final = money(zero=False)
_PERCENT: Final = exact(100, above=0)
_TIERS: Final[Schema] = {"maxItems": api.MAX_TIERS}
_COST: Final = whole(1, rewards.MAX_COST)
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
}
_REWARD: Final[dict[str, Schema]] = {
    "name": _NAME,
    "points_cost": _COST,
    "description": lines(rewards.MAX_DESCRIPTION),
    "stock": whole(0, rewards.MAX_STOCK),
    "per_customer_limit": whole(1, rewards.MAX_PER_CUSTOMER),
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


def _whole_number(digits: int) -> Schema:
    """A whole number that has up to `digits` characters as text."""
    # Floats, since no reader of the document would take integers of that size.
    least, most = -(10.0 ** (digits - 1)), 10.0**digits
    return {"type": "integer", "exclusiveMinimum": least, "exclusiveMaximum": most}


# As shops send them: many of them number what they name.
_SHOP_ID: Final = either(OTHER_ID, _whole_number(128))
_OPTIONAL_SHOP_ID: Final = either(OTHER_ID, _whole_number(128), NULL)
_GUEST: Final[Schema] = {"enum": ["", 0, None], "description": "A guest's: passed over."}
_SHOP_EVENT: Final[dict[str, Schema]] = {
    "store_id": either(STORE_ID, _whole_number(64)),
    "customer_id": either(CUSTOMER_ID, _whole_number(128), _GUEST),
    "order_id": _SHOP_ID,
}


def _parameter(bound: anomalies.ParameterBound) -> Schema:
    """A parameter of a detector."""
    if isinstance(bound, anomalies.Decimals):
        return exact(bound.high, above=bound.above)
    return whole(bound.low, bound.high)


# By struct and field, what its type does not say.
BOUNDS: Final[dict[type, dict[str, Schema]]] = {
    api.TierInput: {
        "name": _NAME,
        "min_points": whole(0, api.MAX_BALANCE),
        "multiplier": _MULTIPLIER,
        "perks": {
            "maxItems": api.MAX_PERKS,
            "items": {"type": "string", **_REASON},
        },
    },
    api.ProgramCreate: _PROGRAM,
    api.ProgramPatch: _PROGRAM,
    api.EarnRequest: {
        "customer_id": CUSTOMER_ID,
        "points": whole(1, api.MAX_MANUAL_POINTS),
        "reason": _REASON,
    },
    api.EarnBatchRequest: {"items": {"minItems": 1, "maxItems": api.MAX_BATCH_ITEMS}},
    api.AdjustRequest: {
        "customer_id": CUSTOMER_ID,
        "points": {
            "minimum": -api.MAX_MANUAL_POINTS,
            "maximum": api.MAX_MANUAL_POINTS,
            "not": {"const": 0},
        },
        "reason": _REASON,
    },
    api.CustomerPatch: {"note": _REASON},
    rewards.RewardValueInput: {"amount": _WORTH, "currency": _CURRENCY, "percent": _PERCENT},
    rewards.RewardCreate: {"id": {"pattern": "^rwd_[A-Za-z0-9_-]{1,64}$"}, **_REWARD},
    rewards.RewardPatch: _REWARD,
    rewards.RedeemRequest: {
        "customer_id": CUSTOMER_ID,
        "reward_id": OTHER_ID,
        "points_cost": _COST,
    },
    anomalies.AnomalyPatch: {"note": _REASON},
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
    events.OrderRefunded: {
        **_SHOP_EVENT,
        "refund_id": _SHOP_ID,
        "amount": either(*money(zero=True)["anyOf"], NULL),
    },
}

_SET: Final[Schema] = {"not": NULL}

# By struct, which of its fields go together.
TOGETHER: Final[dict[type, Schema]] = {
    intake.EventEnvelope: {"oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}]},
    rewards.RewardValueInput: {
        "oneOf": [
            {
                "required": ["amount", "currency"],
                "properties": {"amount": _SET, "currency": _SET, "percent": NULL},
            },
            {
                "required": ["percent"],
                "properties": {"percent": _SET, "amount": NULL, "currency": NULL},
            },
        ]
    },
}

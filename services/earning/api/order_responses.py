"""Responses in the shapes of /v1: orders, refunds and dead letters."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET

from libs.contracts import api, order_api
from libs.contracts.numbers import money, with_decimal
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from services.earning.domain.accounts import transaction_id
from services.earning.domain.orders import zero_reason
from services.earning.domain.programs import Tier, program_id
from services.earning.handlers import refunds
from services.earning.handlers.orders import Order

_NUMBERED: Final = "Order #"
_decode_headers: Final = msgspec.json.Decoder(dict[str, str]).decode
_decode_tiers: Final = msgspec.json.Decoder(tuple[Tier, ...]).decode


def order(value: Order) -> api.Order:
    """An order, recorded or refused."""
    letters = [_order_letter(row) for row in value.letters]
    if value.refused is not None:
        return api.Order(
            order_id=value.refused.order_id,
            customer_id=value.refused.customer_id or UNSET,
            state="refused",
            dead_letters=letters,
            award=0,
            pending=0,
            clawed_back=0,
            refunded="0",
            recorded_at=_time(value.refused.recorded_at),
        )
    row = value.row
    is_zero = row["state"] == "counted" and row["award"] == 0
    return api.Order(
        order_id=row["order_id"],
        order_number=_order_number(row) or UNSET,
        customer_id=row["customer_id"],
        state=row["state"],
        skip_reason=(row["skip_reason"] or UNSET) if row["state"] == "skipped" else UNSET,
        skip_detail=value.skip_detail or UNSET,
        zero_reason=zero_reason(row["total"]) if is_zero else UNSET,
        dead_letters=letters or UNSET,
        total=money(row["total"]),
        currency=row["currency"],
        program_id=UNSET if row["program_id"] is None else program_id(row["program_id"]),
        tier=row["tier"] or UNSET,
        multiplier=UNSET if row["entry_id"] is None else with_decimal(_multiplier(row)),
        award=row["award"],
        pending=row["pending"],
        given_up=row["given_up"] or UNSET,
        clawed_back=row["clawed_back"],
        refunded=money(row["refunded"]) if row["refunded"] else "0",
        transaction_id=UNSET if row["entry_id"] is None else transaction_id(row["transaction_id"]),
        completed_at=_time(row["occurred_at"]),
        recorded_at=_recorded_at(row),
        available_at=UNSET if value.available_at is None else format_time(value.available_at),
        expires_on=UNSET if value.expires_on is None else value.expires_on.isoformat(),
    )


def refund(row: Any) -> order_api.Refund:
    """A refund, counted or not."""
    is_counted = row["state"] == "counted"
    return order_api.Refund(
        id=refunds.list_id(row["arrival"]),
        refund_id=row["refund_id"],
        order_id=row["order_id"],
        customer_id=row["customer_id"],
        state=row["state"],
        detail=row["detail"] or UNSET,
        amount=UNSET if row["amount"] is None else money(row["amount"]),
        clawed_back=row["points"] if is_counted else UNSET,
        transaction_id=UNSET if row["entry_id"] is None else transaction_id(row["entry_id"]),
        refunded_at=_time(row["occurred_at"]),
        recorded_at=_time(row["recorded_at"]),
    )


def _order_number(row: Any) -> str | None:
    """The number that people see, as the entry's reason has it; None if the shop sent none."""
    reason: str = row["reason"]
    if not reason.startswith(_NUMBERED) or reason == f"Order {row['order_id']}":
        return None
    return reason.removeprefix(_NUMBERED)


def _multiplier(row: Any) -> Decimal:
    """The multiplier of the order's tier in the version of the program that priced it; 1 without a
    tier."""
    tiers = _decode_tiers(row["tiers"])
    return next((tier.multiplier for tier in tiers if tier.name == row["tier"]), Decimal(1))


def _recorded_at(row: Any) -> str:
    """When the order got its state: for one that earned points, the time of its entry."""
    if row["entry_id"] is not None:
        return format_time(time_of(str(row["entry_id"])))
    return _time(row["recorded_at"])


def _order_letter(row: Any) -> api.OrderLetter:
    return api.OrderLetter(
        id=_letter_id(row), code=row["code"], detail=row["detail"], dead_at=_time(row["dead_at"])
    )


def dead_letter(row: Any) -> api.DeadLetter:
    """A letter without the record itself."""
    return api.DeadLetter(
        id=_letter_id(row),
        topic=row["topic"],
        code=row["code"],
        detail=row["detail"],
        service=row["service"],
        customer_id=row["customer_id"] or UNSET,
        order_id=row["order_id"] or UNSET,
        truncated=row["truncated"],
        dead_at=_time(row["dead_at"]),
        replayed_at=_time(row["handled_at"]) if row.get("outcome") == "replayed" else UNSET,
    )


def dead_letter_with_record(row: Any) -> api.DeadLetter:
    """A letter with the record's headers and value."""
    value: bytes = row["value"]
    try:
        text, encoding = value.decode(), "text"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(value).decode(), "base64"
    return msgspec.structs.replace(
        dead_letter(row),
        headers=_decode_headers(row["headers"]),
        value=text,
        value_encoding=encoding,
    )


def _letter_id(row: Any) -> str:
    return f"dl_{row['id']}"


def _time(time: datetime) -> str:
    return format_time(time.astimezone(UTC))

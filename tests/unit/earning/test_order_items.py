"""The lines of orders: kept as the shop sent them, by programs that are set to keep them."""

import msgspec
import pytest
from msgspec import Raw

from libs.kernel.errors import Conflict
from services.earning.domain.order_items import MAX_BYTES, OrderItems
from services.earning.domain.order_records import Order, OrderRecord
from services.earning.domain.programs import StorePrograms
from tests.unit.earning.builders import STORE, Ledger, books, order
from tests.unit.earning.test_programs import program

LINES = b'[{"sku": "mug", "quantity": 2, "unit_price": "12.50"}]'
KEEPER = msgspec.structs.replace(program(), keep_items=True)


def with_items(order_id: str, items: bytes = LINES, customer_id: str = "cust_1") -> Order:
    return msgspec.structs.replace(order(order_id, customer_id=customer_id), items=Raw(items))


def saved(ledger: Ledger) -> dict[str, bytes]:
    """The lines that the batch keeps, by the order's id."""
    return {one.order_id: one.items for one in ledger.changed(OrderItems).values()}


def keeper(*, is_active: bool = True) -> Ledger:
    """Books with a program that keeps lines."""
    return books(msgspec.structs.replace(KEEPER, is_active=is_active))


def test_the_lines_of_an_order_are_kept_if_its_program_keeps_them() -> None:
    ledger = keeper()
    ledger.post(with_items("1"))
    ledger.post(order("2"))
    assert saved(ledger) == {"1": LINES}
    assert ledger.changed(OrderItems)[STORE, "1"].key == (STORE, "1")


def test_the_lines_of_an_order_of_another_program_are_dropped() -> None:
    ledger = books(program(), KEEPER)
    ledger.post(with_items("1"))
    assert saved(ledger) == {}


@pytest.mark.parametrize("state", ["held", "skipped"])
def test_the_lines_of_an_order_that_is_not_counted_are_kept_if_any_program_keeps_them(
    state: str,
) -> None:
    ledger = keeper(is_active=state == "held")
    ledger.account(STORE, "cust_1").suspended = state == "held"
    record = ledger.post(with_items("1"))
    assert isinstance(record, OrderRecord)
    assert record.state == state
    assert saved(ledger) == {"1": LINES}


def test_a_redelivered_or_refused_order_keeps_nothing() -> None:
    ledger = books()
    ledger.post(order("1"))
    ledger.use_programs({STORE: StorePrograms((KEEPER,))})
    ledger.post(with_items("1"))
    with pytest.raises(Conflict):
        ledger.post(with_items("1", customer_id="cust_2"))
    assert saved(ledger) == {}


def test_a_skipped_order_that_is_delivered_again_replaces_its_lines() -> None:
    ledger = keeper(is_active=False)
    ledger.post(with_items("1"))
    ledger.post(with_items("1", b'[{"sku": "cup"}]'))
    ledger.post(order("1"))
    assert saved(ledger) == {"1": b'[{"sku": "cup"}]'}


@pytest.mark.parametrize(
    ("items", "is_saved"),
    [
        pytest.param(b'[{"sku":"%s"}]' % (b"x" * (MAX_BYTES - 12)), True, id="at the limit"),
        pytest.param(b'[{"sku":"%s"}]' % (b"x" * (MAX_BYTES - 11)), False, id="too large"),
        pytest.param(b"null", False, id="null"),
        pytest.param(b"[]", False, id="no lines"),
        pytest.param(b'{"sku":"x"}', False, id="no array"),
        pytest.param(b"[1]", False, id="no objects"),
        pytest.param(b'[{"sku":"\xff"}]', False, id="no UTF-8"),
        pytest.param(b'[{"sku":%s}]' % (b"[" * 20_000 + b"]" * 20_000), False, id="too deep"),
        pytest.param(b'[{"anything":{"of":["the",1,"shop"]}}]', True, id="fields of the shop"),
    ],
)
def test_lines_that_cannot_be_kept_do_not_keep_the_order_from_counting(
    items: bytes, is_saved: bool
) -> None:
    ledger = keeper()
    ledger.post(with_items("1", items))
    assert len(ledger.entries) == 1
    assert saved(ledger) == ({"1": items} if is_saved else {})

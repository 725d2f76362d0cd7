"""What the page of a customer says of points that wait or expire, and which lists it offers."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from libs.web.templates import Components
from services.dashboard.api.customer_release import Form
from services.dashboard.api.resources import create_assets, create_templates
from services.dashboard.domain import formatting
from services.dashboard.handlers.customer import TABS, Customer, Tab
from services.dashboard.handlers.customer_writes import UnknownOutcome
from services.dashboard.handlers.panels import Failed
from whale_loyalty.models import CustomerStatus, ExpiringPoints, Order, Page, PendingPoints

NEW_YORK = formatting.zone_of("America/New_York")
MIDNIGHT = datetime(2027, 3, 16, 4, tzinfo=UTC)
BEFORE = ["ledger", "orders", "redemptions", "anomalies"]


def waiting(points: int, available_at: datetime | None = MIDNIGHT) -> PendingPoints:
    """Points that wait, of an order."""
    return PendingPoints(
        transaction_id="txn_1", order_id="order_1", points=points, available_at=available_at
    )


def customer(
    *,
    pending: int = 0,
    first: PendingPoints | None = None,
    expiring: int = 0,
    tab: Tab = "ledger",
    rows: Page[Any] | None = None,
) -> Customer:
    """The page of a customer with these points that wait and expire."""
    next_expiration = ExpiringPoints(
        points=expiring, expires_on=date(2027, 3, 31), expires_at=datetime(2027, 4, 1, tzinfo=UTC)
    )
    status = CustomerStatus(
        customer_id="cust_1",
        points_balance=0,
        lifetime_points=0,
        tier=None,
        member_since=MIDNIGHT,
        points_pending=pending,
        next_expiration=next_expiration if expiring else None,
    )
    return Customer(
        status=status,
        first_pending=first,
        tab=tab,
        rows=rows or Page(data=[], total=0),
        open_anomalies=0,
        held_orders=0,
    )


def sentences(view: Customer) -> list[str]:
    """What the summary says of the points' dates, to a reader in New York."""
    visit = SimpleNamespace(
        moment=lambda value: formatting.moment(value, NEW_YORK),
        start=lambda value: formatting.start(value, NEW_YORK),
    )
    return text_of(components(visit=visit).customer_dates(view))


def components(**variables: Any) -> Components:
    """The components, as a template with these variables has them."""
    ui = Components(create_templates(create_assets()).environment, variables)
    variables["ui"] = ui
    return ui


def text_of(html: object) -> list[str]:
    """The lines with text."""
    text = re.sub(r"<[^>]*>", "", str(html))
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(customer(), [], id="neither"),
        pytest.param(
            customer(pending=500, first=waiting(500)),
            ["500 points pending, available from Mar 16, 2027"],
            id="one order waits",
        ),
        pytest.param(
            customer(pending=800, first=waiting(500)),
            ["800 points pending, the first 500 available from Mar 16, 2027"],
            id="several orders wait",
        ),
        pytest.param(
            customer(pending=500, first=waiting(500, MIDNIGHT.replace(hour=7))),
            ["500 points pending, available from Mar 16, 2027, 3:00 AM"],
            id="the day begins later in the store's zone",
        ),
        pytest.param(
            customer(pending=500, first=waiting(500, None)),
            ["500 points pending until the order is fulfilled"],
            id="for the fulfillment",
        ),
        pytest.param(
            customer(pending=800, first=waiting(500, None)),
            ["800 points pending until their orders are fulfilled"],
            id="for the fulfillment of several",
        ),
        pytest.param(
            customer(pending=1), ["1 point pending"], id="it is not known what they wait for"
        ),
        pytest.param(
            customer(pending=5, first=waiting(5), expiring=300),
            [
                "5 points pending, available from Mar 16, 2027",
                "300 points expire after Mar 31, 2027",
            ],
            id="both",
        ),
        pytest.param(customer(expiring=1), ["1 point expires after Mar 31, 2027"], id="one point"),
    ],
)
def test_the_summary_says_what_waits_and_what_expires_next(
    view: Customer, expected: list[str]
) -> None:
    assert sentences(view) == expected


def order(**changes: Any) -> Order:
    """An order that earned 500 points, except for the changes."""
    fields: dict[str, Any] = {
        "order_id": "order_1",
        "state": "counted",
        "award": 500,
        "clawed_back": 0,
        "refunded": Decimal(0),
        "recorded_at": MIDNIGHT,
    }
    return Order(**fields | changes)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(order(), ["Counted"], id="earned"),
        pytest.param(
            order(pending=400), ["Pending", "400 points wait for the fulfillment"], id="waits"
        ),
        pytest.param(
            order(given_up=500),
            [
                "Given up",
                "500 points were never available, since the order was not fulfilled in time",
            ],
            id="given up",
        ),
    ],
)
def test_the_list_of_orders_says_what_became_of_their_points(
    row: Order, expected: list[str]
) -> None:
    visit = SimpleNamespace(
        moment=lambda value: formatting.moment(value, NEW_YORK), can=lambda _scope: False
    )
    html = str(components(visit=visit).customer_orders([row], "", customer().status))
    cell = html.split("<td", 2)[2].split("</td>", maxsplit=1)[0]
    assert text_of(cell.partition(">")[2]) == expected


def test_lists_of_dates_are_offered_where_there_are_any() -> None:
    assert customer().tabs == BEFORE
    assert customer(pending=5).tabs == ["ledger", "pending", *BEFORE[1:]]
    assert customer(expiring=5).tabs == ["ledger", "expirations", *BEFORE[1:]]
    assert customer(pending=5, expiring=5).tabs == list(TABS)
    # The last points were released while the reader looked at them.
    assert customer(tab="pending").tabs == ["ledger", "pending", *BEFORE[1:]]


def test_the_next_page_of_each_list_begins_after_its_last_row() -> None:
    expiring = customer(expiring=5).status.next_expiration
    rows: list[tuple[Tab, object, str]] = [
        ("pending", waiting(5), "txn_1"),
        ("expirations", expiring, "2027-03-31"),
        ("orders", order(), "order_1"),
        ("ledger", SimpleNamespace(id="txn_2"), "txn_2"),
    ]
    for tab, row, cursor in rows:
        assert customer(tab=tab, rows=Page(data=[row], total=2, has_more=True)).last_id == cursor
        assert customer(tab=tab, rows=Page(data=[row], total=1)).last_id == ""


def test_a_release_with_an_unknown_outcome_is_sent_again_with_its_key() -> None:
    failed = Failed("It does not respond.", "timed_out", None)
    form = Form(
        customer_id="cust_1",
        order_id="<order>",
        idempotency_key="key_1",
        order=failed,
        status=failed,
        effect=None,
        errors={},
        unknown=UnknownOutcome("timed_out", "It does not respond.", "req_1"),
    )
    assert not form.is_done_already
    html = create_templates(create_assets()).render_block(
        "pages/customer_release.html", "content", {"form": form, "csrf_token": "token"}
    )
    assert "know yet whether" in html
    assert "Try again" in html
    assert 'name="idempotency_key" value="key_1"' in html
    assert "<order>" not in html

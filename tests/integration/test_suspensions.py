"""What became available while an account was suspended, once it is active again."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain.dates import to_date, to_day
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import clock, engine, open_account
from tests.integration.stored_account import faults

__all__ = ["clock", "engine"]


@pytest.mark.parametrize(
    ("later_setting", "last_day"),
    [
        pytest.param(Expiry(kind="after", days=5), "2027-03-21", id="another period"),
        pytest.param(Expiry(kind="yearly", dates=("12-31",)), "2027-12-31", id="another kind"),
        pytest.param(
            Expiry(kind="yearly", dates=("02-01",)), "2027-03-21", id="another kind, sooner"
        ),
        pytest.param(None, "", id="no setting"),
        pytest.param(Expiry(kind="inactivity", days=90), "2027-04-25", id="inactivity"),
    ],
)
async def test_a_release_that_waited_has_the_date_of_its_instant(
    engine: AsyncEngine, clock: TestClock, later_setting: Expiry | None, last_day: str
) -> None:
    """As if it had not waited: by the setting in force then, and moved by the changes since."""
    account = await open_account(
        engine, clock, pending=Pending(days=14), expiry=Expiry(kind="after", days=60)
    )
    await account.order("o1", Decimal(100))
    await account.suspend()
    await account.next_day(20)
    await account.set_expiry(later_setting)
    await account.next_day(20)
    await account.reinstate()
    earn = (await account.entries())[-1]
    assert to_day(earn["available_at"].date()) == to_day(date(2027, 1, 20))
    cycle = await account.cycle()
    assert cycle is not None
    days = {
        to_date(day).isoformat(): points
        for day, points in cycle.expirations(await account.epoch()).items()
    }
    assert days == ({last_day: 100} if last_day else {})
    assert await faults(account) == []


async def test_a_held_order_whose_date_passed_before_the_suspension_has_not_expired(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, expiry=Expiry(kind="after", days=10))
    completed_at = clock.now
    await account.order("expired", Decimal(100))
    await account.next_day(12)
    await account.touch()
    await account.suspend()
    await account.order("held", Decimal(50), occurred_at=completed_at)
    await account.next_day(1)
    await account.reinstate()
    assert await account.visible_lots() == {await account.today() + 30: 50}
    await account.refund("held", 50)
    refund = (await account.entries())[-1]
    assert (refund["points"], refund["covered"]) == (-50, None)
    await account.refund("expired", 100)
    refund = (await account.entries())[-1]
    assert (refund["points"], refund["covered"]) == (0, 100)
    assert await faults(account) == []

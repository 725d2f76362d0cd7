"""Reservations that a read or a step meets: what is asked of the ledger, and what follows from it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import internal
from libs.http_client.connections import ServiceResponse
from libs.http_client.service_client import ServiceClient
from libs.kernel.caller import Caller
from libs.kernel.clock import utc_now
from libs.kernel.errors import Unavailable
from libs.kernel.ids import uuid7
from libs.persistence.engine import create_batch_engine, transaction
from libs.persistence.group_commit import GroupCommit
from libs.persistence.pages import Page
from libs.persistence.slow_reads import SlowReads
from services.redemption.clients import Catalog, Ledger
from services.redemption.domain import codes
from services.redemption.domain.redemptions import Redemption, Reserve
from services.redemption.handlers import redemptions, reservations
from services.redemption.handlers.desk import ActionRequest, apply
from services.redemption.handlers.resources import Resources
from services.redemption.store import rewards
from services.redemption.store.redemptions import RedemptionFilter
from tests.integration.conftest import empty_database
from tests.integration.test_redemption_races import reward_changed
from tests.support import Stack

STORE = "store_1"
CALLER = Caller(key_id="k", key_name="k", request_id="req_1")


class LedgerService:
    """The debit checks of a ledger that has debited `debited`; or one that does what `behavior` says."""

    def __init__(self) -> None:
        self.debited: set[str] = set()
        self.behavior = "responds"
        self.questions: list[list[str]] = []

    async def send(
        self, method: str, target: str, _headers: dict[str, str], body: bytes, **_: Any
    ) -> ServiceResponse:
        assert (method, target) == ("POST", f"/internal/stores/{STORE}/debit-checks")
        if self.behavior == "hangs":
            await asyncio.sleep(60)
        if self.behavior == "is down":
            raise Unavailable("down")
        if self.behavior == "does not know the question":
            return ServiceResponse(404, [], b'{"code": "not_found", "detail": "no such path"}')
        question = msgspec.json.decode(body, type=internal.DebitCheck)
        self.questions.append(question.redemption_ids)
        debits = [
            internal.RecordedDebit(
                redemption_id=one,
                transaction_id=f"txn_of_{one}",
                balance_after=7,
                created_at="2026-03-10T12:00:00.000Z",
            )
            for one in question.redemption_ids
            if one in self.debited
        ]
        return ServiceResponse(
            200, [], msgspec.json.encode(internal.DebitCheckResult(debits=debits))
        )


@pytest.fixture
def ledger() -> LedgerService:
    return LedgerService()


@pytest.fixture
async def engine(stack: Stack, unique: str) -> AsyncIterator[AsyncEngine]:
    database = await empty_database(stack, "redemption", unique)
    engine = create_batch_engine(database.url, name="test", connections=4)
    async with transaction(engine) as connection:
        await rewards.write(connection, [reward_changed(stock=1_000)])
    yield engine
    await engine.dispose()


@pytest.fixture
def resources(engine: AsyncEngine, ledger: LedgerService) -> Resources:
    service = cast("ServiceClient", ledger)
    return Resources(
        engine,
        engine,
        SlowReads(engine),
        GroupCommit(partial(apply, engine)),
        Ledger(service),
        Catalog(service),
    )


async def reserve(engine: AsyncEngine, customer: str = "cust_1") -> Redemption:
    action = Reserve(
        id=uuid7(),
        store_id=STORE,
        customer_id=customer,
        reward_id="rwd_1",
        points_cost=None,
        code=codes.make_code(secrets.randbits(codes.RANDOM_BITS)),
        claim_key=None,
        now=utc_now(),
    )
    (result,) = await apply(engine, [ActionRequest(action)])
    assert not isinstance(result, Exception)
    return reservations.redemption_in(result)


async def listed(resources: Resources, **criteria: Any) -> list[tuple[str, str]]:
    """The id and the status of what is listed; the total agrees with it."""
    page = await redemptions.list_page(
        resources,
        RedemptionFilter(store_id=STORE, **criteria),
        Page(limit=100, starting_after=None),
        CALLER,
    )
    assert page.counted == len(page.items)
    return [(one.public_id, one.status) for one in page.items]


async def test_a_list_confirms_all_debited_reservations_that_it_shows_and_no_others(
    resources: Resources,
    engine: AsyncEngine,
    ledger: LedgerService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reservations, "_BATCH", 2)
    mine = [await reserve(engine) for _ in range(5)]
    theirs = await reserve(engine, "cust_2")
    ledger.debited = {one.public_id for one in (*mine[1:], theirs)}
    assert await listed(resources, customer_id="cust_1", status="confirmed") == [
        (one.public_id, "confirmed") for one in reversed(mine[1:])
    ]
    assert [len(question) for question in ledger.questions] == [2, 2, 1]
    assert await listed(resources, customer_id="cust_1", status="reserved") == [
        (mine[0].public_id, "reserved")
    ]
    ledger.behavior = "is down"
    assert await listed(resources, status="reserved") == [
        (theirs.public_id, "reserved"),
        (mine[0].public_id, "reserved"),
    ]


@pytest.mark.parametrize("behavior", ["is down", "hangs", "does not know the question"])
async def test_without_a_response_a_read_shows_what_is_stored_and_a_step_waits(
    resources: Resources,
    engine: AsyncEngine,
    ledger: LedgerService,
    monkeypatch: pytest.MonkeyPatch,
    behavior: str,
) -> None:
    monkeypatch.setattr(reservations, "_READ_SECONDS", 0.1)
    redemption = await reserve(engine)
    ledger.debited = {redemption.public_id}
    ledger.behavior = behavior
    current = await redemptions.get(resources, STORE, redemption.public_id, CALLER)
    assert (current.status, current.debit) == ("reserved", None)
    assert await listed(resources) == [(redemption.public_id, "reserved")]
    concluding = reservations.conclude_reservation(resources, redemption, CALLER)
    # The ledger's client limits its own time.
    hangs = behavior == "hangs"
    with pytest.raises(TimeoutError if hangs else Unavailable):
        await asyncio.wait_for(concluding, 0.1 if hangs else 60)
    ledger.behavior = "responds"
    current = await redemptions.get(resources, STORE, redemption.public_id, CALLER)
    assert current.status == "confirmed"
    assert current.debit is not None
    assert current.debit.transaction_id == f"txn_of_{redemption.public_id}"


async def test_the_ledger_is_asked_about_reservations_alone(
    resources: Resources, engine: AsyncEngine, ledger: LedgerService
) -> None:
    redemption = await reserve(engine)
    ledger.debited = {redemption.public_id}
    for _ in range(3):
        current = await redemptions.get(resources, STORE, redemption.public_id, CALLER)
        concluded = await reservations.conclude_reservation(resources, current, CALLER)
        assert concluded == current
        await listed(resources)
    assert ledger.questions == [[redemption.public_id]]


async def test_a_list_with_more_reservations_than_it_may_ask_about_is_refused(
    resources: Resources,
    engine: AsyncEngine,
    ledger: LedgerService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redemptions, "MAX_RESERVATIONS", 3)
    ids = [(await reserve(engine)).public_id for _ in range(2)]
    assert len(await listed(resources)) == 2
    ids.append((await reserve(engine, "cust_2")).public_id)
    with pytest.raises(Unavailable):
        await listed(resources)
    assert len(await listed(resources, customer_id="cust_1")) == 2


async def test_a_read_that_cannot_record_a_debit_does_not_show_the_reservation(
    resources: Resources, engine: AsyncEngine, ledger: LedgerService
) -> None:
    """Only the ledger may be unavailable: what it said is shown, or nothing is."""
    redemption = await reserve(engine)
    ledger.debited = {redemption.public_id}
    resources.group_commit._max_queued = 0
    with pytest.raises(Unavailable):
        await redemptions.get(resources, STORE, redemption.public_id, CALLER)
    with pytest.raises(Unavailable):
        await listed(resources)

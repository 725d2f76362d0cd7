"""Lists: the plain page, and a walk through all pages."""

from tests.clients.drivers import Driver, Settings
from tests.clients.misbehaving import Misbehaving, cut_before, pages, raw, transaction

FIVE = [transaction(f"txn_{number}") for number in range(5)]


def names(found: list[dict[str, object]]) -> list[object]:
    return [one["id"] for one in found]


async def test_a_page_is_what_the_api_answers(client: Driver, server: Misbehaving) -> None:
    server.always(pages(FIVE[:2], FIVE[2:]))
    outcome = await client.call(Settings(server.url), "loyalty.transactions.list", limit=2)
    assert names(outcome.value["data"]) == ["txn_0", "txn_1"]
    assert (outcome.value["total"], outcome.value["has_more"]) == (5, True)
    assert [one.path.partition("?")[2] for one in server.seen] == ["limit=2"]


async def test_iterating_goes_through_all_pages_and_keeps_the_question(
    client: Driver, server: Misbehaving
) -> None:
    server.always(pages(FIVE[:2], FIVE[2:4], FIVE[4:]))
    server.will(pages(FIVE[:2], FIVE[2:4], FIVE[4:]), cut_before)
    outcome = await client.walk(Settings(server.url), "loyalty.transactions.list", type="earn")
    assert names(outcome.value) == [f"txn_{number}" for number in range(5)]
    questions = [one.path.partition("?")[2] for one in server.seen]
    assert questions == [
        "type=earn",
        "type=earn&starting_after=txn_1",
        "type=earn&starting_after=txn_1",
        "type=earn&starting_after=txn_3",
    ]


async def test_a_server_that_promises_more_and_has_none_is_not_asked_for_ever(
    client: Driver, server: Misbehaving
) -> None:
    empty = raw(200, b'{"data": [], "total": 6, "has_more": true}')
    server.always(empty)
    server.will(pages(FIVE, FIVE))
    outcome = await client.walk(Settings(server.url), "loyalty.transactions.list")
    assert len(outcome.value) == 5
    assert len(server.seen) == 2

"""Lists: the requested page, and iteration over all pages."""

from tests.clients.drivers import Driver, Settings
from tests.clients.fault_server import (
    FaultServer,
    disconnect_before_effect,
    paginated,
    raw_response,
    transaction,
)

FIVE = [transaction(f"txn_{number}") for number in range(5)]


def ids(items: list[dict[str, object]]) -> list[object]:
    return [item["id"] for item in items]


async def test_a_list_call_returns_the_requested_page(client: Driver, server: FaultServer) -> None:
    server.set_default(paginated(FIVE[:2], FIVE[2:]))
    outcome = await client.call(Settings(server.url), "loyalty.transactions.list", limit=2)
    assert ids(outcome.value["data"]) == ["txn_0", "txn_1"]
    assert (outcome.value["total"], outcome.value["has_more"]) == (5, True)
    assert [request.path.partition("?")[2] for request in server.requests] == ["limit=2"]


async def test_iteration_covers_all_pages_with_the_same_query(
    client: Driver, server: FaultServer
) -> None:
    server.set_default(paginated(FIVE[:2], FIVE[2:4], FIVE[4:]))
    server.enqueue(paginated(FIVE[:2], FIVE[2:4], FIVE[4:]), disconnect_before_effect)
    outcome = await client.walk(Settings(server.url), "loyalty.transactions.list", type="earn")
    assert ids(outcome.value) == [f"txn_{number}" for number in range(5)]
    queries = [request.path.partition("?")[2] for request in server.requests]
    assert queries == [
        "type=earn",
        "type=earn&starting_after=txn_1",
        "type=earn&starting_after=txn_1",
        "type=earn&starting_after=txn_3",
    ]


async def test_an_empty_page_ends_the_iteration_even_if_it_has_more(
    client: Driver, server: FaultServer
) -> None:
    empty = raw_response(200, b'{"data": [], "total": 6, "has_more": true}')
    server.set_default(empty)
    server.enqueue(paginated(FIVE, FIVE))
    outcome = await client.walk(Settings(server.url), "loyalty.transactions.list")
    assert len(outcome.value) == 5
    assert len(server.requests) == 2

"""The service graph in the spans of a running system: each declared edge, and no other."""

from libs.contracts.access import ACCESS
from libs.contracts.graph import edges
from libs.testing.eventually import eventually
from tests.chaos.traced import running_traced
from tests.spans import draw, edges_in
from tests.support import Stack


async def test_real_spans_show_each_edge_of_the_service_graph_and_no_other(
    bare_stack: Stack,
) -> None:
    async with running_traced(bare_stack) as (receiver, traced):
        order = await traced.order()
        redemption = await traced.redemption()
        await traced.adjustment()
        await traced.review()
        await traced.events()
        await traced.fulfillments()
        await traced.dead_letters()
        await traced.dashboard()

        async def agree() -> None:
            real, declared = edges_in(receiver.spans()), edges()
            missing = "\n".join(map(str, sorted(declared - real)))
            undeclared = "\n".join(map(str, sorted(real - declared)))
            assert (missing, undeclared) == ("", "")

        await eventually(agree)
        spans = receiver.spans()

    # `pytest -s` prints the drawings of docs/architecture.md.
    print(f"\n{draw(spans, order)}\n\n{draw(spans, redemption)}")
    assert {"gateway", "redemption", "earning", "anomaly"} <= {
        span.service for span in spans if redemption in span.traces
    }
    published = {
        (span.service, each) for span in spans for each in span.topics if span.kind == "producer"
    }
    assert published <= {(access.principal, topic) for access in ACCESS for topic in access.writes}

"""Traces: passed on without an endpoint; with one, a span for each request and one for each batch."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from libs.messaging import spans as messaging
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from libs.persistence.group_commit import GroupCommit
from tests.spans import Receiver, SeenSpan, receiving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Records the spans of this process."""
    with receiving() as receiver:
        tracing.configure(service="tested", endpoint=receiver.endpoint)
        yield receiver
        tracing.stop()
        tracing._process.recorder = None


def recorded(receiver: Receiver) -> list[SeenSpan]:
    """The spans so far, in the order of their starts."""
    tracing.stop()
    return sorted(receiver.spans(), key=lambda span: span.start)


def numbered(number: int) -> str:
    return f"00-{number:032x}-00f067aa0ba902b7-01"


def record(traceparent: str | None, topic: str = "order.completed") -> Any:
    headers = [("ce_id", b"1")]
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return SimpleNamespace(topic=topic, headers=headers)


# -- without an endpoint


def test_without_an_endpoint_the_callers_trace_is_passed_on_unchanged() -> None:
    with tracing.request_span("GET", TRACEPARENT):
        with tracing.span("GET earning", "client"):
            assert tracing.current() == TRACEPARENT
        assert tracing.current_trace_id() == TRACE
    assert tracing.current() == ""


def test_without_an_endpoint_a_batch_is_not_looked_at() -> None:
    unread: Any = None
    with messaging.consuming(unread, group="earning"), messaging.publishing(unread):
        pass
    with tracing.use_trace(TRACEPARENT), tracing.batch_span("a batch", "internal", unread):
        assert tracing.current() == ""


# -- with one


def test_a_request_continues_its_callers_trace_and_its_calls_are_below_it(
    receiver: Receiver,
) -> None:
    with tracing.request_span("GET", TRACEPARENT) as span:
        span.rename("GET /x")
        with tracing.span("GET earning", "client") as call:
            passed_on = tracing.current()
            call.set_http_status(200)
    server, client = recorded(receiver)
    assert (server.name, server.kind, server.trace) == ("GET /x", "server", TRACE)
    assert server.parent == "00f067aa0ba902b7"
    assert (client.trace, client.parent) == (TRACE, server.id)
    assert passed_on == f"00-{TRACE}-{client.id}-01"
    assert client.attributes["http.response.status_code"] == "200"


def test_an_invalid_trace_of_a_caller_begins_another_one(receiver: Receiver) -> None:
    with tracing.request_span("GET", TRACEPARENT + "x"):
        pass
    (span,) = recorded(receiver)
    assert span.parent == ""
    assert span.trace != TRACE


def test_the_text_of_an_exception_is_not_recorded(receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="cust_1"), tracing.span("work", "internal"):
        raise ValueError("cust_1 has no points")
    recorded(receiver)
    sent = b"".join(receiver.requests)
    assert b"ValueError" in sent
    assert b"cust_1" not in sent


def test_a_batch_of_one_trace_belongs_to_it(receiver: Receiver) -> None:
    with messaging.consuming([record(TRACEPARENT)] * 3, group="earning"):
        assert tracing.current_trace_id() == TRACE
    (span,) = recorded(receiver)
    assert (span.name, span.kind) == ("process order.completed", "consumer")
    assert (span.trace, span.parent, span.links) == (TRACE, "00f067aa0ba902b7", ())
    assert span.attributes["messaging.batch.message_count"] == "3"


@pytest.mark.parametrize(
    "other",
    [pytest.param(None, id="none"), pytest.param("00-x", id="invalid")],
)
def test_a_batch_in_which_some_records_have_no_trace_belongs_to_none(
    receiver: Receiver, other: str | None
) -> None:
    with messaging.consuming([record(TRACEPARENT), record(other)], group="earning"):
        pass
    (span,) = recorded(receiver)
    assert span.parent == ""
    assert span.links == ((TRACE, "00f067aa0ba902b7"),)


def test_a_batch_of_2000_orders_is_one_span_with_a_bounded_number_of_links(
    receiver: Receiver,
) -> None:
    records = [record(numbered(number)) for number in range(1, 2_001)]
    with messaging.consuming(records, group="earning"):
        batch = tracing.current()
    (span,) = recorded(receiver)
    assert span.parent == ""
    assert [int(trace, 16) for trace, _ in span.links] == list(range(1, tracing.MAX_LINKS + 1))
    assert tracing.MAX_LINKS <= 128
    assert span.trace in batch


def test_what_is_published_names_its_topics_and_belongs_to_the_traces_of_its_events(
    receiver: Receiver,
) -> None:
    event = EncodedEvent("points.earned", b"k", b"{}", "1", "/earning", "", TRACEPARENT)
    # Published again as it is, with the headers that it had.
    repeated = EncodedEvent(
        "order.completed", b"k", b"{}", "", "", "", headers=[("traceparent", TRACEPARENT.encode())]
    )
    with messaging.publishing([event, repeated]):
        pass
    (span,) = recorded(receiver)
    assert (span.kind, sorted(span.topics)) == ("producer", ["order.completed", "points.earned"])
    assert (span.trace, span.links) == (TRACE, ())


async def test_requests_that_share_a_transaction_have_one_span_linked_to_each(
    receiver: Receiver,
) -> None:
    async def run(requests: Any) -> Any:
        return requests

    group_commit = GroupCommit[int, int](run)

    async def request(number: int) -> None:
        with tracing.use_trace(numbered(number)):
            await group_commit.submit(number)

    await asyncio.gather(request(1), request(2))
    await request(3)
    both, alone = recorded(receiver)
    assert (both.name, both.parent) == ("group commit", "")
    assert [int(trace, 16) for trace, _ in both.links] == [1, 2]
    assert (int(alone.trace, 16), alone.links) == (3, ())

"""What is refused does not keep the batch that refused it."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from libs.kernel.errors import Conflict
from libs.persistence import batch as batches
from libs.persistence.batch import BatchRequest
from libs.persistence.stored_responses import StoredResponses
from services.earning.handlers import posting
from services.earning.handlers.posting import PostingRequest


class Batch:
    """A batch that refuses everything."""

    def trace(self, _traceparent: str) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def refuse(_batch: Batch, *_of_the_request: Any) -> Sequence[Any]:
    raise Conflict("no")


def test_a_refused_request_frees_its_batch() -> None:
    batch = Batch()
    remaining = weakref.ref(batch)
    refusal = batches._apply(batch, BatchRequest(commands=[1]), StoredResponses({}), refuse)
    assert isinstance(refusal, Conflict)
    del batch
    assert remaining() is None


def test_a_refused_posting_frees_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "post", refuse)
    batch: Any = Batch()
    remaining = weakref.ref(batch)
    (refusal,) = posting._apply(batch, PostingRequest([1]), None)  # type: ignore[list-item]
    assert isinstance(refusal, Conflict)
    del batch
    assert remaining() is None

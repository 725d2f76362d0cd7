"""The anomaly service's tables in memory, so that its handlers run without a server."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.contracts.anomalies import AnomalySettings
from libs.messaging import outbox
from services.anomaly.domain.anomalies import Anomaly
from services.anomaly.domain.baselines import Baseline, median
from services.anomaly.domain.digests import Digest
from services.anomaly.domain.earnings import HISTORY_LIMIT, Earning, Position, RecordedEarning
from services.anomaly.handlers import detection
from services.anomaly.store import anomalies, digests, earnings, stores
from services.anomaly.store.digests import StoredDigest
from services.anomaly.store.earnings import Customer, EarningEvent
from services.anomaly.store.stores import StoreSettings

AFFECTED_FOR_MS = timedelta(hours=2) // timedelta(milliseconds=1)


class MemoryStore:
    """One transaction at a time, so that locks and lost races have no part in it. Each method does what
    the function of its name does in the module of the store that `install` replaces."""

    def __init__(self) -> None:
        self.settings: dict[str, StoreSettings] = {}
        self.recorded: dict[Customer, dict[str, RecordedEarning]] = {}
        self.by_store: dict[str, tuple[Customer, Position]] = {}
        self.anomalies: dict[UUID, Anomaly] = {}
        self.digests: dict[Customer, Digest | None] = {}

    def install(self, patch: pytest.MonkeyPatch) -> None:
        replaced: dict[ModuleType, dict[str, Any]] = {
            detection: {"transaction": _transaction},
            outbox: {"append": _nothing},
            stores: {"read": self.read_settings, "next_epoch": _nothing},
            digests: {"read": self.read_digests, "write": self.write_digests},
            anomalies: {
                "find_by_customer": self.find_by_customer,
                "find": self.find,
                "put": self.put,
                "add_review": _nothing,
            },
            earnings: {
                "add_new": self.add,
                "add": self.add,
                "lock": _nothing,
                "histories": self.histories,
                "store_baselines": self.store_baselines,
                "update_baselines": self.update_baselines,
                "mark_judged_by_store_baseline": self.mark_judged_by_store_baseline,
                "affected_by_store_baseline": self.affected_by_store_baseline,
            },
        }
        for module, functions in replaced.items():
            for name, function in functions.items():
                patch.setattr(module, name, function)

    # -- stores and digests

    def change_settings(self, store_id: str, settings: AnomalySettings) -> None:
        revision = self.settings.get(store_id, StoreSettings()).revision
        self.settings[store_id] = StoreSettings(settings, revision + 1)

    async def read_settings(self, _: object, ids: Collection[str]) -> dict[str, StoreSettings]:
        return {store_id: self.settings.get(store_id, StoreSettings()) for store_id in ids}

    async def read_digests(
        self, _: object, customers: Sequence[Customer]
    ) -> dict[Customer, StoredDigest]:
        return {
            customer: StoredDigest("", "", _copied(self.digests[customer]))
            for customer in customers
            if customer in self.digests
        }

    async def write_digests(
        self, _: object, changed: Mapping[Customer, Digest | None], __: object
    ) -> None:
        self.digests |= changed

    # -- earnings

    async def add(
        self, _: object, events: Sequence[EarningEvent], *, settings_revisions: Sequence[int]
    ) -> list[EarningEvent]:
        new = []
        for event, revision in zip(events, settings_revisions, strict=True):
            recorded = self.recorded.setdefault(event.customer, {})
            if event.transaction_id not in recorded:
                recorded[event.transaction_id] = RecordedEarning(event.earning, revision, True)
                new.append(event)
        return new

    def history(self, customer: Customer) -> list[RecordedEarning]:
        recorded = self.recorded.get(customer, {}).values()
        return sorted(recorded, key=lambda one: one.earning.position)[-HISTORY_LIMIT:]

    async def histories(
        self, _: object, customers: Sequence[Customer]
    ) -> dict[Customer, list[RecordedEarning]]:
        return {customer: self.history(customer) for customer in customers}

    async def store_baselines(
        self,
        _: object,
        compared: Mapping[Customer, Sequence[Earning]],
        excluded: Collection[str] = (),
    ) -> dict[Customer, dict[str, Baseline]]:
        return {
            customer: {one.id: self._store_baseline(customer[0], one, excluded) for one in several}
            for customer, several in compared.items()
        }

    def _store_baseline(
        self, store_id: str, before: Earning, excluded: Collection[str]
    ) -> Baseline:
        points = sorted(
            one.earning.points
            for customer, recorded in self.recorded.items()
            if customer[0] == store_id
            for one in recorded.values()
            if one.in_baselines and one.earning.at < before.at and one.earning.id not in excluded
        )
        return Baseline(median(points) if points else Decimal(0), len(points))

    async def update_baselines(
        self, _: object, changes: Mapping[Customer, Mapping[Earning, bool]]
    ) -> None:
        for customer, changed in changes.items():
            recorded = self.recorded[customer]
            for one, in_baselines in changed.items():
                recorded[one.id] = replace(recorded[one.id], in_baselines=in_baselines)
            if changed:
                self.digests[customer] = None

    async def mark_judged_by_store_baseline(
        self, _: object, compared: Mapping[Customer, Sequence[Earning]]
    ) -> None:
        for customer, several in compared.items():
            self.by_store |= {one.id: (customer, one.position) for one in several}

    async def affected_by_store_baseline(
        self, _: object, new: Mapping[str, tuple[int, int]]
    ) -> dict[Customer, Position]:
        affected: dict[Customer, Position] = {}
        for customer, position in self.by_store.values():
            first, last = new.get(customer[0], (0, -AFFECTED_FOR_MS))
            if first < position[0] <= last + AFFECTED_FOR_MS:
                affected[customer] = min(position, affected.get(customer, position))
        return affected

    # -- anomalies

    async def find_by_customer(
        self, _: object, customers: Sequence[Customer], since: Sequence[int]
    ) -> dict[Customer, list[Anomaly]]:
        return {
            customer: [
                one
                for one in self.anomalies.values()
                if (one.store_id, one.customer_id) == customer
                and one.last_at >= first
                and one.status != "withdrawn"
            ]
            for customer, first in zip(customers, since, strict=True)
        }

    async def find(self, _: object, store_id: str, id_: UUID) -> Anomaly | None:
        del store_id
        return self.anomalies.get(id_)

    async def put(self, _: object, changed: Sequence[Anomaly]) -> None:
        self.anomalies |= {one.id: one for one in changed}


async def _nothing(*_: object) -> None: ...


@asynccontextmanager
async def _transaction(_: object) -> AsyncIterator[None]:
    yield


def _copied(digest: Digest | None) -> Digest | None:
    """As one that is decoded again: adding an earning changes a digest."""
    if digest is None:
        return None
    return replace(digest, recent=list(digest.recent), earlier_days=list(digest.earlier_days))

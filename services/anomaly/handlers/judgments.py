"""Judging customers' histories, with the store baselines that the judgment needs looked up."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from libs.contracts.anomalies import AnomalySettings
from libs.persistence.engine import Connection
from services.anomaly.domain.baselines import Baseline
from services.anomaly.domain.detectors import Judgment, judge
from services.anomaly.domain.earnings import Earning
from services.anomaly.domain.findings import Finding
from services.anomaly.store import earnings
from services.anomaly.store.earnings import Customer


class CustomerJudgment(Struct, frozen=True):
    """A customer's findings, and the earnings that were compared with the store's baseline."""

    findings: Sequence[Finding]
    judged_by_store_baseline: Sequence[Earning]


async def judge_customers(
    connection: Connection,
    histories: Mapping[Customer, Sequence[Earning]],
    settings: Mapping[Customer, AnomalySettings],
    *,
    exclude_flagged: bool,
) -> dict[Customer, CustomerJudgment]:
    """Judge each customer's history by the store's settings.

    The store baselines that the judgments need are looked up for all customers together, and the
    judgments repeated with them. With `exclude_flagged`, earnings that are flagged leave the store's
    baselines, and judgments by a baseline that changes are repeated: the result is that of customers
    who are judged one after the other.
    """
    judgments: dict[Customer, Judgment] = {}
    baselines: dict[Customer, dict[str, Baseline]] = {customer: {} for customer in histories}
    excluded: set[str] = set()
    # Each exclusion flags another customer, or is the last one unless flags alternate.
    exclusions_left = len(histories)
    pending: Collection[Customer] = histories
    while pending:
        for customer in pending:
            judgments[customer] = judge(
                histories[customer], settings[customer], baselines[customer]
            )
        missing = {
            customer: judgments[customer].missing
            for customer in pending
            if judgments[customer].missing
        }
        for customer, additional in (
            await earnings.store_baselines(connection, missing, excluded)
        ).items():
            baselines[customer] |= additional
        pending = missing
        if not pending and exclude_flagged and exclusions_left and any(baselines.values()):
            exclusions_left -= 1
            flagged = {id_ for judgment in judgments.values() for id_ in judgment.suspicious}
            if flagged != excluded:
                excluded = flagged
                compared = _judged_by_store(histories, baselines)
                current = await earnings.store_baselines(connection, compared, excluded)
                pending = [one for one in current if current[one] != baselines[one]]
                baselines |= current
    compared = _judged_by_store(histories, baselines)
    return {
        customer: CustomerJudgment(judgment.findings, compared.get(customer, []))
        for customer, judgment in judgments.items()
    }


def _judged_by_store(
    histories: Mapping[Customer, Sequence[Earning]],
    baselines: Mapping[Customer, Mapping[str, Baseline]],
) -> dict[Customer, list[Earning]]:
    return {
        customer: [earning for earning in histories[customer] if earning.id in known]
        for customer, known in baselines.items()
        if known
    }

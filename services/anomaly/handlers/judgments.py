"""Judging customers' histories, with the store baselines that the judgment needs looked up."""

from collections.abc import Mapping, Sequence

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
    judged_by_store: Sequence[Earning]


async def judge_customers(
    connection: Connection,
    histories: Mapping[Customer, Sequence[Earning]],
    settings: Mapping[Customer, AnomalySettings],
) -> dict[Customer, CustomerJudgment]:
    """Judge each customer's history by the store's settings. A judgment that needs the store's
    baselines is repeated with them; each round looks up those of all customers together."""
    judgments: dict[Customer, Judgment] = {}
    baselines: dict[Customer, dict[str, Baseline]] = {customer: {} for customer in histories}
    missing: dict[Customer, Sequence[Earning]] = dict.fromkeys(histories, ())
    while missing:
        for customer, additional in (await earnings.store_baselines(connection, missing)).items():
            baselines[customer] |= additional
        for customer in missing:
            judgments[customer] = judge(
                histories[customer], settings[customer], baselines[customer]
            )
        missing = {
            customer: judgments[customer].missing
            for customer in missing
            if judgments[customer].missing
        }
    return {
        customer: CustomerJudgment(
            judgment.findings,
            [one for one in histories[customer] if one.id in baselines[customer]],
        )
        for customer, judgment in judgments.items()
    }

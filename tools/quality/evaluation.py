"""Precision and recall of scores against known labels."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tools.quality.simulator import KINDS, Earning


class Evaluation(Struct, frozen=True):
    """Average precision in total and for each kind of abuse; precision and recall of the most
    suspicious earnings, as many as are flagged, and the recall of each kind among them."""

    average_precision: float
    average_precision_by_kind: Mapping[str, float]
    precision: float
    recall: float
    recall_by_kind: Mapping[str, float]


def evaluate(earnings: Sequence[Earning], scores: Sequence[float], *, flags: int) -> Evaluation:
    """How well `scores`, one per earning, separate abuse from honest shopping; the `flags` highest
    count as flagged."""
    pairs = sorted(zip(scores, earnings, strict=True), key=_most_suspicious_first)
    ranked = [earning for _, earning in pairs]
    abuse = sum(earning.label is not None for earning in ranked)
    flagged = ranked[:flags]
    hits = sum(earning.label is not None for earning in flagged)
    return Evaluation(
        average_precision=average_precision([earning.label is not None for earning in ranked]),
        average_precision_by_kind={
            kind: average_precision(
                [earning.label == kind for earning in ranked if earning.label in {None, kind}]
            )
            for kind in KINDS
        },
        precision=hits / len(flagged) if flagged else 0.0,
        recall=hits / abuse if abuse else 0.0,
        recall_by_kind={
            kind: sum(earning.label == kind for earning in flagged)
            / max(sum(earning.label == kind for earning in ranked), 1)
            for kind in KINDS
        },
    )


def average_precision(hits: Sequence[bool]) -> float:
    """The mean, over the hits, of the precision at each hit's rank: 1 where all hits come first."""
    count, total = 0, 0.0
    for rank, hit in enumerate(hits, start=1):
        if hit:
            count += 1
            total += count / rank
    return total / count if count else 0.0


def _most_suspicious_first(pair: tuple[float, Earning]) -> tuple[float, int, str]:
    """The sort key. Equal scores are sorted by points, the same for every scorer."""
    score, earning = pair
    return -score, -earning.points, earning.id

"""Precision and recall of scores against known labels."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tools.quality.simulator import KINDS, Earning


class Verdict(Struct, frozen=True):
    """Average precision in all and of each kind of abuse; precision and recall of the `flags` most
    suspicious earnings, and the recall of each kind among them."""

    average: float
    average_of: Mapping[str, float]
    precision: float
    recall: float
    recall_of: Mapping[str, float]


def verdict(earnings: Sequence[Earning], scores: Sequence[float], *, flags: int) -> Verdict:
    """How well `scores`, one an earning, tell abuse from honest shopping."""
    ranked = [one for _, one in sorted(zip(scores, earnings, strict=True), key=_most_suspicious)]
    abuse = sum(one.label is not None for one in ranked)
    flagged = ranked[:flags]
    hits = sum(one.label is not None for one in flagged)
    return Verdict(
        average=average_precision([one.label is not None for one in ranked]),
        average_of={
            kind: average_precision(
                [one.label == kind for one in ranked if one.label in {None, kind}]
            )
            for kind in KINDS
        },
        precision=hits / len(flagged) if flagged else 0.0,
        recall=hits / abuse if abuse else 0.0,
        recall_of={
            kind: sum(one.label == kind for one in flagged)
            / max(sum(one.label == kind for one in ranked), 1)
            for kind in KINDS
        },
    )


def average_precision(hits: Sequence[bool]) -> float:
    """The mean, over the hits, of the precision down to each: 1 where all hits come first."""
    found, total = 0, 0.0
    for place, hit in enumerate(hits, start=1):
        if hit:
            found += 1
            total += found / place
    return total / found if found else 0.0


def _most_suspicious(pair: tuple[float, Earning]) -> tuple[float, int, str]:
    """Of equal scores the larger award first, whoever scored."""
    score, earning = pair
    return -score, -earning.points, earning.id

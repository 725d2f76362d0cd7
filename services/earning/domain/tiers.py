"""Tiers: which one a customer holds, and which comes next."""

from msgspec import Struct

from services.earning.domain.programs import Program, Tier


class TierSpan(Struct, frozen=True):
    """The lifetime points that hold `tier`: `lowest` or more, and less than `below`, which is None
    for the top tier."""

    tier: Tier
    lowest: int
    below: int | None


def tier_of(program: Program | None, lifetime: int) -> Tier | None:
    """The tier that `lifetime` points hold in `program`; None below the lowest tier, and without a
    program."""
    return None if program is None else program.tier_at(lifetime)


def next_tier(program: Program, lifetime: int) -> Tier | None:
    """The tier after the one held; None at the top."""
    held = tier_of(program, lifetime)
    after = 0 if held is None else program.tiers.index(held) + 1
    return program.tiers[after] if after < len(program.tiers) else None


def holds_tier(program: Program | None, lifetime: int, name: str) -> bool:
    """Whether `lifetime` points hold the tier `name` or a higher one; False for an unknown name."""
    held = tier_of(program, lifetime)
    if program is None or held is None:
        return False
    return any(tier.name == name for tier in program.tiers[: program.tiers.index(held) + 1])


def tier_spans(program: Program | None) -> list[TierSpan]:
    """`tier_of` as ranges of lifetime points, for queries that select or count customers by tier."""
    tiers = () if program is None else program.tiers
    ends = [*(tier.min_points for tier in tiers[1:]), None]
    return [
        TierSpan(tier, tier.min_points, below) for tier, below in zip(tiers, ends, strict=False)
    ]

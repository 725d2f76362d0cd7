"""How two versions of something differ, field by field."""

from typing import Literal

from msgspec import Struct

# How the values of a change are written.
Kind = Literal[
    "text",
    "lines",
    "points",
    "number",
    "factor",
    "time",
    "active",
    "kept",
    "type",
    "tier",
    "worth",
    "pairs",
    "expiry",
    "reminders",
    "pending",
    "zone",
]


class Change(Struct, frozen=True, kw_only=True):
    """A field with its values before and after; None where it has none. `subject` is what the field
    belongs to, such as a tier."""

    field: str
    before: object
    after: object
    kind: Kind = "text"
    subject: str | None = None

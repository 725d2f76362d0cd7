"""What all models share: their base, the pages of a list, and warnings."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all response models."""


class Page(Model, Generic[T], frozen=True, kw_only=True):
    """One page of a list. `total` counts the whole list; with `total_more` it is a lower bound.
    `without_date` has a customer's points that never expire, in the list of those that do."""

    data: list[T]
    total: int
    has_more: bool = False
    total_more: bool = False
    without_date: int | None = None


class SettingWarning(Model, frozen=True, kw_only=True):
    """What was probably not meant, at a place in the body of the request; it was carried out."""

    pointer: str
    detail: str

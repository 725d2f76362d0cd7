"""What nobody can mean with a program, although the bounds allow it."""

from collections.abc import Iterator

from libs.contracts.api import SettingWarning
from libs.contracts.program_api import ProgramCreate, ProgramPatch
from services.earning.domain.programs import Program, StorePrograms, program_id


def find_warnings(
    request: ProgramCreate | ProgramPatch, program: Program, programs: StorePrograms
) -> list[SettingWarning]:
    """The warnings about what the request set in `program`, one of `programs`."""
    return [*_second_active(request, program, programs), *_low_multipliers(request)]


def _second_active(
    request: ProgramCreate | ProgramPatch, program: Program, programs: StorePrograms
) -> Iterator[SettingWarning]:
    default = programs.default
    if request.is_active is True and default is not None:
        others = [other for other in programs.all if other.is_active and other.id != program.id]
        if others:
            yield SettingWarning(
                pointer="#/is_active",
                detail=f"The store has another active program. The default is {default.name!r}, "
                f"{program_id(default.id)}, because it is the oldest; orders earn in another one only "
                "if they name it as `program_id`.",
            )


def _low_multipliers(request: ProgramCreate | ProgramPatch) -> Iterator[SettingWarning]:
    for place, tier in enumerate(request.tiers or ()):
        if tier.multiplier < 1:
            yield SettingWarning(
                pointer=f"#/tiers/{place}/multiplier",
                detail=f"In {tier.name!r} an order earns fewer points than without a tier: the "
                "multiplier is less than 1.",
            )

"""Programs, their versions, and previews of a change."""

from typing import Final

from libs.contracts import program_api
from libs.contracts.operations.operation import PAGE, VERSION_PAGE, Operation, subject

_PROGRAM: Final = subject("The id of a program, `loy_…`.")

PROGRAMS: Final[tuple[Operation, ...]] = (
    Operation(
        id="listPrograms",
        method="GET",
        path="loyalty-programs",
        owner="earning",
        scope="read",
        summary="List all loyalty programs of the store, oldest first.",
        query=PAGE,
        response=program_api.Program,
        listed=True,
    ),
    Operation(
        id="createProgram",
        method="POST",
        path="loyalty-programs",
        owner="earning",
        scope="manage",
        summary="Create a loyalty program.",
        request=program_api.ProgramCreate,
        response=program_api.Program,
        status=201,
    ),
    Operation(
        id="previewNewProgram",
        method="POST",
        path="loyalty-programs/preview",
        owner="earning",
        scope="read",
        summary="Show what a new program would mean for orders and customers, without creating it.",
        request=program_api.ProgramCreate,
        response=program_api.ProgramPreview,
    ),
    Operation(
        id="getProgram",
        method="GET",
        path="loyalty-programs/{id}",
        owner="earning",
        scope="read",
        summary="Get a loyalty program.",
        subject=_PROGRAM,
        response=program_api.Program,
    ),
    Operation(
        id="updateProgram",
        method="PATCH",
        path="loyalty-programs/{id}",
        owner="earning",
        scope="manage",
        summary="Change the fields in the body; they apply to everything that is posted afterwards.",
        subject=_PROGRAM,
        request=program_api.ProgramPatch,
        response=program_api.Program,
        errors=("conflict",),
    ),
    Operation(
        id="listProgramVersions",
        method="GET",
        path="loyalty-programs/{id}/versions",
        owner="earning",
        scope="read",
        summary="List all versions of a loyalty program, newest first.",
        subject=_PROGRAM,
        query=VERSION_PAGE,
        response=program_api.ProgramVersion,
        listed=True,
    ),
    Operation(
        id="previewProgram",
        method="POST",
        path="loyalty-programs/{id}/preview",
        owner="earning",
        scope="read",
        summary="Show what a change of a program would mean for orders and customers, without changing anything.",
        subject=_PROGRAM,
        request=program_api.ProgramPatch,
        response=program_api.ProgramPreview,
        errors=("conflict",),
    ),
)

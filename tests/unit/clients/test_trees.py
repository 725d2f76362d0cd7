"""Both Python clients have the same tree, and it covers every route that there is."""

import inspect

from tests.clients.drivers import KEY
from whale import AsyncWhaleClient, WhaleClient
from whale._method import AsyncResource, Resource


def tree(branch: object, prefix: str = "") -> dict[str, str]:
    """The calls under a client by their path, each with its parameters."""
    found: dict[str, str] = {}
    for name in dir(branch):
        member = None if name.startswith("_") else getattr(branch, name)
        if isinstance(member, (Resource, AsyncResource)):
            found |= tree(member, f"{prefix}{name}.")
        elif prefix and callable(member):
            found[prefix + name] = str(inspect.signature(member).replace(return_annotation=""))
    return found


async def test_both_clients_have_the_same_calls_with_the_same_parameters() -> None:
    async with AsyncWhaleClient(KEY) as second:
        with WhaleClient(KEY) as first:
            assert tree(first) == tree(second)
            assert len(tree(first)) == 34

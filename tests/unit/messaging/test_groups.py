"""The table of consumer groups lists exactly what the services consume: `make status` reads it."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin

import msgspec
import pytest

from libs.contracts.groups import EARNING_DEAD_LETTERS, GROUPS, Group
from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from libs.messaging.consumer import BatchConsumer

SERVICES = Path(__file__).parents[3] / "services"
# The modules of each service that declare consumers: one, or those of a folder.
MODULES = {
    service.name: sorted([*service.glob("consumers.py"), *service.glob("consumers/*.py")])
    for service in SERVICES.iterdir()
}
SERVICES_THAT_CONSUME = sorted(name for name, modules in MODULES.items() if modules)


@pytest.mark.parametrize("service", SERVICES_THAT_CONSUME)
def test_each_consumer_of_a_service_is_in_the_table_with_its_topics(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared: list[Group] = []

    def record(*, topics: Any, group: str, service: str, **_: object) -> None:
        declared.append(Group(name=group, service=service, topics=tuple(topics)))

    for path in MODULES[service]:
        name = ".".join(path.relative_to(SERVICES.parent).with_suffix("").parts)
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "BatchConsumer", record, raising=False)
        _create_consumers(module)
    expected = [
        msgspec.structs.replace(group, step=None) for group in GROUPS if group.service == service
    ]
    assert sorted(declared, key=lambda group: group.name) == sorted(
        expected, key=lambda group: group.name
    )


def _create_consumers(module: ModuleType) -> None:
    """Call each function of the module that returns a consumer."""
    for create in list(vars(module).values()):
        if inspect.isfunction(create) and not create.__name__.startswith("_"):
            signature = inspect.signature(create)
            if get_origin(signature.return_annotation) is BatchConsumer:
                create(
                    *(
                        None
                        for parameter in signature.parameters.values()
                        if parameter.kind is not parameter.KEYWORD_ONLY
                    )
                )


def test_the_groups_consume_exactly_the_topics_with_dead_letters_and_letters_of_shop_events() -> (
    None
):
    consumed = {topic for group in GROUPS for topic in group.topics}
    letters = set(EARNING_DEAD_LETTERS.topics)
    assert consumed - letters == {topic.name for topic in CONSUMED}
    assert letters == {
        *("order.completed.dlq", "order.refunded.dlq", "order.fulfilled.dlq"),
        DEAD_LETTERS_HANDLED,
    }
    assert {group.service for group in GROUPS} == set(SERVICES_THAT_CONSUME)

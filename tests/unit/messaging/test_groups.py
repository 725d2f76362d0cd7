"""The table of consumer groups is what the services really consume, so `make status` misses none."""

import importlib
import inspect
from pathlib import Path
from typing import Any, get_origin

import pytest

from libs.contracts.groups import GROUPS, Group
from libs.contracts.topics import CONSUMED
from libs.messaging.consumer import BatchConsumer

SERVICES_THAT_CONSUME = sorted(
    module.parent.name for module in (Path(__file__).parents[3] / "services").glob("*/consumers.py")
)


@pytest.mark.parametrize("service", SERVICES_THAT_CONSUME)
def test_each_consumer_of_a_service_is_in_the_table_with_its_topics(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"services.{service}.consumers")
    declared: list[Group] = []

    def record(*, topics: Any, group: str, service: str, **_: object) -> None:
        declared.append(Group(name=group, service=service, topics=tuple(topics)))

    monkeypatch.setattr(module, "BatchConsumer", record)
    for create in vars(module).values():
        if inspect.isfunction(create) and not create.__name__.startswith("_"):
            signature = inspect.signature(create)
            if get_origin(signature.return_annotation) is BatchConsumer:
                create(
                    *(
                        None
                        for one in signature.parameters.values()
                        if one.kind is not one.KEYWORD_ONLY
                    )
                )
    expected = [group for group in GROUPS if group.service == service]
    assert sorted(declared, key=lambda each: each.name) == sorted(
        expected, key=lambda each: each.name
    )


def test_what_the_groups_read_are_the_topics_that_have_dead_letters() -> None:
    read = {topic for group in GROUPS for topic in group.topics}
    assert read == {topic.name for topic in CONSUMED}
    assert {group.service for group in GROUPS} == set(SERVICES_THAT_CONSUME)

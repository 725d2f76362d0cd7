"""Ports that are drawn for services before these listen."""

import pytest

from tools.stack import config


def test_no_port_is_drawn_twice_nor_one_that_is_spoken_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_FREE_COUNT", 200)
    spoken_for = range(config._FREE_FROM, config._FREE_FROM + 100)
    drawn = config.free_ports(40, apart_from=spoken_for)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn).isdisjoint(spoken_for)

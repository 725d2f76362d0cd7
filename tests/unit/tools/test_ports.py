"""Ports are chosen for services before the services listen on them."""

import pytest

from tools.stack import config


def test_no_port_is_chosen_twice_and_none_that_is_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_FREE_COUNT", 200)
    excluded = range(config._FREE_FROM, config._FREE_FROM + 100)
    ports = config.free_ports(40, apart_from=excluded)
    assert len(set(ports)) == len(ports)
    assert set(ports).isdisjoint(excluded)

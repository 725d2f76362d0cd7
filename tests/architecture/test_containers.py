"""The images and the compose files keep the rules of the house, as far as that shows without an engine."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.kernel.settings import ENV_FILE, FILE_SUFFIX
from libs.web import shutdown
from tools.stack.config import SERVICES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
FILES = ("docker-compose.yml", "deploy/compose/production.yml")
PROJECT = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS = [
    pytest.param(file, name, definition, id=f"{Path(file).stem}-{name}")
    for file in FILES
    for name, definition in yaml.safe_load((ROOT / file).read_text())["services"].items()
]
SERVICE_CONTAINERS = [one for one in CONTAINERS if one.values[1] in SERVICES]
_SECOND = {"s": 1, "m": 60}


@pytest.mark.parametrize("file", FILES)
def test_every_service_has_a_container(file: str) -> None:
    defined = {one.values[1] for one in CONTAINERS if one.values[0] == file}
    assert set(SERVICES) <= defined


@pytest.mark.parametrize(("file", "name", "definition"), CONTAINERS)
def test_a_container_has_limits_and_no_rights(file: str, name: str, definition: Any) -> None:
    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in definition
    assert definition["pids_limit"] > 0
    assert definition["restart"] in {"unless-stopped", "no"}
    assert not {"privileged", "network_mode", "pid"} & definition.keys()
    # The entry point of PostgreSQL's image has to become another user.
    assert "cap_add" not in definition or name == "postgres"


@pytest.mark.parametrize(("file", "name", "definition"), SERVICE_CONTAINERS)
def test_a_service_restarts_and_may_finish_its_work(file: str, name: str, definition: Any) -> None:
    assert definition["restart"] == "unless-stopped"
    assert definition["init"] is True
    grace = definition["stop_grace_period"]
    assert int(grace[:-1]) * _SECOND[grace[-1]] > shutdown._STOP_SECONDS
    assert f"/{name}:" in definition["image"]


@pytest.mark.parametrize(
    ("name", "definition"),
    [one.values[1:] for one in SERVICE_CONTAINERS if one.values[0] == "docker-compose.yml"],
)
def test_a_service_starts_after_the_migrations_with_its_own_settings(
    name: str, definition: Any
) -> None:
    migrated = definition["depends_on"]["migrate"]
    assert migrated == {"condition": "service_completed_successfully"}
    assert definition["volumes"] == [f"{name}-settings:/run/whale:ro"]
    assert definition["build"]["args"] == {"SERVICE": name}


# What a container of docker-compose.yml writes, and what has to be there after `down` and `up`.
KEPT = {
    "postgres": {"postgres-data:/var/lib/postgresql/data", "postgres-backups:/var/backups/whale"},
    "kafka": {"kafka-data:/var/lib/kafka/data"},
    **{
        name: {"stack:/var/lib/whale"}
        for name in ("passwords", "provision", "migrate", "demo-store", "tools")
    },
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_in_a_volume_with_a_name(name: str) -> None:
    mounted = set(PROJECT["services"][name]["volumes"])
    assert KEPT[name] <= mounted
    assert {volume.partition(":")[0] for volume in KEPT[name]} <= PROJECT["volumes"].keys()


def test_the_data_of_postgresql_can_be_put_aside_in_its_volume() -> None:
    """A volume itself cannot be renamed, which a restore does with the folder of the data."""
    folder = Path(PROJECT["services"]["postgres"]["environment"]["PGDATA"])
    assert Path("/var/lib/postgresql/data") in folder.parents


def test_kafka_may_run_the_code_that_it_unpacks() -> None:
    assert "/tmp:exec" in PROJECT["services"]["kafka"]["tmpfs"]


@pytest.mark.parametrize("file", FILES)
def test_whatever_starts_with_the_others_runs_on_or_is_waited_for(file: str) -> None:
    """`up --wait` takes a job that ends for a failure, unless another container waits for its end."""
    containers = yaml.safe_load((ROOT / file).read_text())["services"]
    awaited = {
        name
        for definition in containers.values()
        for name, condition in definition.get("depends_on", {}).items()
        if condition == {"condition": "service_completed_successfully"}
    }
    jobs = {
        name
        for name, definition in containers.items()
        if definition["restart"] == "no" and "profiles" not in definition
    }
    assert jobs <= awaited


@pytest.mark.parametrize(("file", "name", "definition"), CONTAINERS)
def test_ports_are_published_on_loopback_only(file: str, name: str, definition: Any) -> None:
    assert all(port.startswith("127.0.0.1:") for port in definition.get("ports", ()))
    assert ("ports" in definition) == (name in {"gateway", "kafka"})


@pytest.mark.parametrize("file", [*FILES, "deploy/docker/Dockerfile"])
def test_no_file_contains_a_secret(file: str) -> None:
    text = (ROOT / file).read_text()
    assert re.findall(r"://[^/\s@:]*:[^/\s@$]+@", text) == []
    named = re.findall(r"(\w*(?:PASSWORD|SECRET|TOKEN)\w*)[=:] *(\S+)", text)
    literals = [(name, value) for name, value in named if not _refers_to_a_file(name, value)]
    assert literals == []


def _refers_to_a_file(name: str, value: str) -> bool:
    return name.endswith(FILE_SUFFIX) or value.startswith(('"$$(cat', "${"))


@pytest.mark.parametrize("file", [*FILES, "deploy/docker/Dockerfile"])
def test_every_setting_is_documented(file: str) -> None:
    documented = (ROOT / "docs/generated/settings.md").read_text()
    # Compose's own variables are in braces.
    used = set(re.findall(r"(?<!\{)\b(WHALE_[A-Z_]+)(?=[:=])", (ROOT / file).read_text()))
    settings = {name if name == ENV_FILE else name.removesuffix(FILE_SUFFIX) for name in used}
    missing = {
        name
        for name in settings
        if f"`{name}`" not in documented and f"`{name}{FILE_SUFFIX}`" not in documented
    }
    assert missing == set()


# -- the Dockerfile


def test_the_final_images_run_as_a_user_without_rights_and_check_their_health() -> None:
    stages = {
        stage.split()[3]: stage
        for stage in re.findall(r"^FROM .*?(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    }
    for name in ("tools", "service"):
        assert stages[name].startswith("FROM base")
        assert re.findall(r"^USER (\S+)", stages[name], re.MULTILINE) == ["whale"]
        assert "pip" not in stages[name]
    assert "HEALTHCHECK" in stages["service"]
    assert list(stages)[-1] == "service"


def test_the_images_build_from_any_base_with_any_builder() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == {"${PYTHON_IMAGE}", "base", "packages"}
    assert "syntax=" not in DOCKERFILE
    assert "--mount" not in DOCKERFILE


# -- the packages of an image

# Imports a service where only the packages of its image exist.
_IMPORT = """
import importlib.metadata, re, sys
service, allowed = sys.argv[1], set(sys.argv[2:])
absent = {
    module
    for module, packages in importlib.metadata.packages_distributions().items()
    if not {re.sub(r"[-_.]+", "-", package).lower() for package in packages} & allowed
}
from importlib.machinery import PathFinder
class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        is_absent = name.partition(".")[0] in absent
        return None if is_absent else super().find_spec(name, path, target)
sys.meta_path = [Present if finder is PathFinder else finder for finder in sys.meta_path]
import importlib
importlib.import_module(f"services.{service}.app")
importlib.import_module(f"services.{service}.__main__")
import uvloop, httptools
"""


def pins(path: str) -> dict[str, str]:
    """The pinned version of each package in a requirements file."""
    text = (ROOT / "requirements" / path).read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_the_packages_of_its_service_in_the_tested_versions(service: str) -> None:
    packages = pins(f"services/{service}.txt")
    assert packages.items() <= pins("tools.txt").items()
    assets = f"assets/{service}.txt"
    files_only = pins(assets) if (ROOT / "requirements" / assets).exists() else {}
    command = [sys.executable, "-c", _IMPORT, service, *packages, *files_only]
    # As in the image.
    environment = {**os.environ, "PYTHONPATH": "libs/whale-python/src"}
    outcome = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_no_package_that_its_service_does_not_use(service: str) -> None:
    fields = import_module(f"services.{service}.settings").Settings.__struct_fields__
    packages = pins(f"services/{service}.txt")
    assert ("aiokafka" in packages) == ("kafka_url" in fields)
    assert ("redis" in packages) == ("redis_url" in fields)
    for driver in ("asyncpg", "greenlet", "sqlalchemy"):
        assert (driver in packages) == ("database_url" in fields)
    # The Python client, which calls the gateway, needs httpx.
    assert ("httpx" in packages) == ("gateway_url" in fields)
    assert not {"aiohttp", "alembic", "psutil", "polyfactory", "faker"} & packages.keys()

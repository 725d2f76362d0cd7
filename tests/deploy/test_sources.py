"""What the files in deploy/k8s must agree on with the code: read as they are, without kustomize."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from libs.contracts.graph import CALLS, OUTSIDE
from libs.contracts.groups import GROUPS
from libs.contracts.topics import TOPICS
from tests.deploy.manifests import FOLDER, Resource, name_of, of_kind, selects
from tools.stack.config import SERVICES

PRODUCTION = FOLDER / "overlays" / "production"
LOCAL = FOLDER / "overlays" / "local"
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
# What an image sets itself.
IMAGE_SETTINGS = {"http_port", "http_host", "metrics_port"}
PORTS = {"postgres": {5432}, "kafka": {9092, 9093}, "redis": {6379}}
SERVICE_PORT, METRICS_PORT = 8080, 9090


def read(path: Path) -> list[Resource]:
    return list(yaml.safe_load_all(path.read_text()))


def fields_of(service: str) -> dict[str, Any]:
    settings: Any = import_module(f"services.{service}.settings").Settings
    return {field.name: field for field in msgspec.structs.fields(settings)}


# -- kustomizations


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.name))
def test_a_kustomization_names_every_file_of_its_folder_and_no_other(path: Path) -> None:
    (content,) = read(path)
    named = [*content.get("resources", ()), *content.get("components", ())]
    named += [patch["path"] for patch in content.get("patches", ()) if "path" in patch]
    for generator in (*content.get("configMapGenerator", ()), *content.get("secretGenerator", ())):
        named += generator.get("envs", ())
        named += [file.rpartition("=")[2] for file in generator.get("files", ())]
    assert [name for name in named if not (path.parent / name).exists()] == []
    files = {file.name for file in path.parent.iterdir() if file.is_file()}
    assert files - {"kustomization.yaml", "README.md"} == {
        name for name in named if (path.parent / name).is_file()
    }


def test_every_service_is_deployed_with_all_of_its_roles() -> None:
    deployed: dict[str, set[str]] = {}
    for path in (FOLDER / "services").glob("*/kustomization.yaml"):
        (content,) = read(path)
        service = content["labels"][0]["pairs"]["app.kubernetes.io/name"]
        patches = [
            each for patch in content["patches"] for each in _operations(patch.get("patch", ""))
        ]
        roles = [each["value"]["value"] for each in patches if each["path"].endswith("/env/-")]
        deployed.setdefault(service, set()).update(*(each.split(",") for each in roles))
    listed = read(FOLDER / "services" / "kustomization.yaml")[0]["resources"]
    assert set(listed) == {path.parent.name for path in KUSTOMIZATIONS if _is_service(path)}
    for service in SERVICES:
        field = fields_of(service).get("roles")
        assert deployed[service] == (set() if field is None else set(field.default))


def _operations(patch: str) -> list[Any]:
    content = yaml.safe_load(patch)
    return content if isinstance(content, list) else []


def _is_service(path: Path) -> bool:
    return path.parent.parent == FOLDER / "services"


# -- settings


@pytest.mark.parametrize("service", SERVICES)
def test_production_gives_a_service_its_settings_and_no_secret_of_another(service: str) -> None:
    (secret,) = (
        each
        for each in read(PRODUCTION / "servers" / "external-secrets.yaml")
        if name_of(each) == f"{service}-settings"
    )
    secrets = _names(secret["spec"]["target"]["template"]["data"]["settings.env"])
    addresses = _names((PRODUCTION / "addresses.env").read_text())
    fields = fields_of(service)
    assert secrets <= fields.keys()
    required = {name for name, field in fields.items() if field.required}
    assert required <= secrets | addresses | IMAGE_SETTINGS
    called = {name for name in fields if name.endswith("_url")}
    assert called <= secrets | addresses


@pytest.mark.parametrize("service", SERVICES)
def test_the_local_overlay_gives_a_service_its_settings(service: str) -> None:
    names = _names((LOCAL / "settings" / f"{service}.env").read_text())
    required = {name for name, field in fields_of(service).items() if field.required}
    assert required <= names | IMAGE_SETTINGS


def _names(lines: str) -> set[str]:
    """The fields that the variables in a file set."""
    return {
        line.partition("=")[0].removeprefix("WHALE_").lower()
        for line in lines.splitlines()
        if not line.startswith("#")
    }


# -- who may talk to whom


@cache
def policies() -> list[Resource]:
    folder = FOLDER / "components" / "network-policies"
    (content,) = read(folder / "kustomization.yaml")
    return [policy for name in content["resources"] for policy in read(folder / name)]


def pods() -> Iterator[tuple[str, dict[str, str]]]:
    """The labels of every kind of pod, by the name of its part."""
    ours = {"app.kubernetes.io/part-of": "whale-loyalty"}
    for service, component in product(SERVICES, ("api", "consumers")):
        labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/component": component}
        yield service, ours | labels
    for name in ("migrations", "operator", "unknown"):
        yield name, ours | {"app.kubernetes.io/name": name}
    for server in PORTS:
        yield server, {"whale-loyalty/server": server}


def allows(direction: str, pod: dict[str, str], peer: dict[str, str], port: int) -> bool:
    """Whether the policies allow a connection, as far as one of its two ends decides."""
    deciding = [
        policy["spec"]
        for policy in policies()
        if direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], pod)
    ]
    end = "from" if direction == "Ingress" else "to"
    return not deciding or any(
        port in {each["port"] for each in rule["ports"]}
        and any(
            "namespaceSelector" not in source and selects(source["podSelector"], peer)
            for source in rule[end]
        )
        for spec in deciding
        for rule in spec.get(direction.lower(), ())
    )


def allowed(port_of: Any) -> set[tuple[str, str]]:
    """Every pair of a caller and a callee that may connect."""
    return {
        (caller, callee)
        for (caller, source), (callee, target) in product(pods(), pods())
        for port in port_of(callee)
        if allows("Egress", source, target, port) and allows("Ingress", target, source, port)
    } - {(server, other) for server in PORTS for other in (*PORTS, *SERVICES)}


def declared() -> set[tuple[str, str]]:
    """The calls that the settings of the services declare, and those of operators and migrations."""
    calls = {
        (service, "postgres" if name == "database_url" else name.removesuffix("_url"))
        for service in SERVICES
        for name in fields_of(service)
        if name.endswith("_url")
    }
    calls |= {("operator", callee) for callee in (*SERVICES, *PORTS)}
    return calls | {("migrations", "postgres")}


def test_the_network_policies_allow_the_declared_calls_and_no_others() -> None:
    assert allowed(lambda callee: PORTS.get(callee, {SERVICE_PORT})) == declared()


def test_the_calls_between_services_are_those_of_the_service_graph() -> None:
    between = {(caller, callee) for caller, callee in declared() if {caller, callee} <= {*SERVICES}}
    assert between == {(caller, callee) for caller, callee in CALLS if caller != OUTSIDE}


def test_no_service_reads_the_metrics_of_another() -> None:
    assert allowed(lambda _: {METRICS_PORT}) == set()


def test_the_collector_of_spans_may_be_reached_where_the_services_send_them() -> None:
    (component,) = read(FOLDER / "components" / "observability" / "kustomization.yaml")
    (operation,) = _operations(component["patches"][0]["patch"])
    address = urlsplit(operation["value"]["value"])
    (policy,) = (each["spec"] for each in policies() if name_of(each) == "to-collector")
    (rule,) = policy["egress"]
    (namespace,) = rule["to"][0]["namespaceSelector"]["matchLabels"].values()
    assert (address.hostname or "").partition(".")[2] == namespace
    assert rule["ports"] == [{"port": address.port}]
    assert operation["value"]["name"].removeprefix("WHALE_").lower() in fields_of("earning")
    labels = (labels for name, labels in pods() if name in SERVICES)
    assert all(selects(policy["podSelector"], each) for each in labels)


def test_the_listener_of_kafka_admits_the_clients_that_the_policies_admit() -> None:
    (kafka,) = of_kind(read(PRODUCTION / "servers" / "kafka.yaml"), "Kafka")
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    (rule,) = (
        policy["spec"]["ingress"][0] for policy in policies() if name_of(policy) == "to-kafka"
    )
    assert listener["networkPolicyPeers"][0] == rule["from"][0]


# -- servers


def test_each_group_scales_by_the_lag_of_its_own_topic_to_a_process_per_partition() -> None:
    partitions = {topic.name: topic.partitions for topic in TOPICS}
    groups = {(group.service, group.name): group.topics for group in GROUPS}
    scaled = [
        each["spec"]
        for path in (FOLDER / "components" / "autoscaling").glob("*.yaml")
        for each in read(path)
        if each["kind"] == "ScaledObject"
    ]
    assert len(scaled) == 2
    for spec in scaled:
        (trigger,) = spec["triggers"]
        service = spec["scaleTargetRef"]["name"].removesuffix("-consumers")
        topic = trigger["metadata"]["topic"]
        assert topic in groups[service, trigger["metadata"]["consumerGroup"]]
        assert spec["maxReplicaCount"] == partitions[topic]
        assert spec["minReplicaCount"] >= 2


def test_postgresql_has_the_roles_of_every_service_and_admits_each_to_its_own_database() -> None:
    (cluster,) = of_kind(read(PRODUCTION / "servers" / "postgres.yaml"), "Cluster")
    services = [name for name in SERVICES if "database_url" in fields_of(name)]
    roles = [role["name"] for role in cluster["spec"]["managed"]["roles"]]
    assert sorted(roles) == sorted([*services, *(f"{service}_owner" for service in services)])
    *rules, last = cluster["spec"]["postgresql"]["pg_hba"]
    assert sorted(rules) == sorted(
        f"hostssl {service} {service},{service}_owner all scram-sha-256" for service in services
    )
    assert last == "host all all all reject"
    (databases,) = [read(PRODUCTION / "servers" / "databases.yaml")]
    assert [name_of(each) for each in databases] == services


def test_the_migrations_are_those_of_every_database() -> None:
    (job,) = read(FOLDER / "migrations" / "migrate.yaml")
    containers = job["spec"]["template"]["spec"]["containers"]
    commands = {container["name"]: container["command"][-1] for container in containers}
    assert commands == {
        name: f"services.{name}" for name in SERVICES if "database_url" in fields_of(name)
    }

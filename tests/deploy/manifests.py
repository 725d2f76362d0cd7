"""What must hold between the resources of an overlay, which no schema says: each check lists its faults."""

import copy
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "k8s"

# The steps of each overlay; together they are what runs in the cluster.
OVERLAYS = {
    "local": ("local/servers", "local/migrations", "local", "local/demo-store"),
    "production": ("production/servers", "production/migrations", "production"),
}
# Secrets that operators create, with their keys.
OPERATORS_SECRETS = {
    "kafka-cluster-ca-cert": {"ca.crt"},
    "postgres-ca": {"ca.crt"},
}

Resource = dict[str, Any]


def find_kubectl() -> str | None:
    """The kubectl on the PATH, else the one among the installed packages."""
    installed = str(Path(sys.executable).parent)
    return shutil.which("kubectl") or shutil.which("kubectl", path=installed)


def whole(overlay: str) -> list[Resource]:
    """Everything that an overlay puts into the cluster."""
    return [resource for step in OVERLAYS[overlay] for resource in render(step)]


def render(path: str) -> list[Resource]:
    """The resources of a step, as kustomize renders it; skips the test where there is no kustomize."""
    return copy.deepcopy(_render(path))


@cache
def _render(path: str) -> list[Resource]:
    folder = str(FOLDER / "overlays" / path)
    if kubectl := find_kubectl():
        command = [kubectl, "kustomize", folder]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build", folder]
    else:
        pytest.skip("kubectl and kustomize are missing: the overlays were not rendered")
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return list(yaml.safe_load_all(outcome.stdout))


def of_kind(resources: Iterable[Resource], *kinds: str) -> Iterator[Resource]:
    return (each for each in resources if each["kind"] in kinds)


def name_of(resource: Resource) -> str:
    name: str = resource["metadata"]["name"]
    return name


def workloads(resources: Iterable[Resource]) -> Iterator[Resource]:
    return of_kind(resources, "Deployment", "StatefulSet", "Job")


def pod_of(workload: Resource) -> Any:
    return workload["spec"]["template"]["spec"]


def labels_of(workload: Resource) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers_of(workload: Resource) -> list[Any]:
    pod = pod_of(workload)
    return [*pod.get("initContainers", ()), *pod["containers"]]


def selects(selector: Any, labels: dict[str, str]) -> bool:
    """Whether a selector, of labels or of expressions, selects pods with these labels."""
    expressions = selector.get("matchExpressions", ())
    required = selector.get("matchLabels", {})
    assert all(each["operator"] == "In" for each in expressions)
    return all(labels.get(key) == value for key, value in required.items()) and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


# -- checks


def services_without_pods(resources: Sequence[Resource]) -> list[str]:
    pods = [labels_of(each) for each in workloads(resources)]
    return [
        f"Service {name_of(service)}"
        for service in of_kind(resources, "Service")
        if not any(selects({"matchLabels": service["spec"]["selector"]}, labels) for labels in pods)
    ]


def disruption_budgets_without_pods(resources: Sequence[Resource]) -> list[str]:
    pods = [labels_of(each) for each in workloads(resources)]
    return [
        f"PodDisruptionBudget {name_of(budget)}"
        for budget in of_kind(resources, "PodDisruptionBudget")
        if sum(selects(budget["spec"]["selector"], labels) for labels in pods) != 1
    ]


def unknown_ports(resources: Sequence[Resource]) -> list[str]:
    """Names of ports that no container has: of Services, probes, the Ingress and the PodMonitor."""
    faults = []
    every_port = set()
    for workload in workloads(resources):
        for container in containers_of(workload):
            names = {port["name"] for port in container.get("ports", ())}
            every_port |= names
            faults += [
                f"{name_of(workload)}: the {probe} of {port}"
                for probe, port in _probe_ports(container)
                if port not in names
            ]
    for service in of_kind(resources, "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        names = {
            port["name"]
            for workload in workloads(resources)
            if selects(selector, labels_of(workload))
            for container in containers_of(workload)
            for port in container.get("ports", ())
        }
        faults += [
            f"Service {name_of(service)}: {port['targetPort']}"
            for port in service["spec"]["ports"]
            if port["targetPort"] not in names
        ]
    for monitor in of_kind(resources, "PodMonitor"):
        endpoints = {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]}
        faults += [f"PodMonitor {name_of(monitor)}: {port}" for port in endpoints - every_port]
    return faults + _unknown_backends(resources)


def _probe_ports(container: Any) -> Iterator[tuple[str, str]]:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for action in ("httpGet", "tcpSocket"):
            if action in container.get(probe, {}):
                yield probe, container[probe][action]["port"]


def _unknown_backends(resources: Sequence[Resource]) -> list[str]:
    served = {
        (name_of(service), port["name"])
        for service in of_kind(resources, "Service")
        for port in service["spec"]["ports"]
    }
    backends = [
        path["backend"]["service"]
        for ingress in of_kind(resources, "Ingress")
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    return [
        f"Ingress: {backend['name']}:{backend['port']['name']}"
        for backend in backends
        if (backend["name"], backend["port"]["name"]) not in served
    ]


def missing_secret_keys(resources: Sequence[Resource]) -> list[str]:
    """Keys of Secrets that are read, and that nothing declares."""
    declared = declared_secrets(resources)
    return sorted(
        {
            f"{reader}: {secret}/{key}"
            for reader, secret, key in _secret_keys(resources)
            if not {key, "*"} & declared.get(secret, set())
        }
    )


def declared_secrets(resources: Sequence[Resource]) -> dict[str, set[str]]:
    """The keys of each Secret; `*` where a store of secrets decides."""
    declared = dict(OPERATORS_SECRETS)
    for secret in of_kind(resources, "Secret"):
        declared[name_of(secret)] = {*secret.get("data", {}), *secret.get("stringData", {})}
    for external in of_kind(resources, "ExternalSecret"):
        template = external["spec"].get("target", {}).get("template", {}).get("data")
        declared[name_of(external)] = set(template or {"*"})
    return declared


def _secret_keys(resources: Sequence[Resource]) -> Iterator[tuple[str, str, str]]:
    """Each key of a Secret that is read: the reader, the Secret, the key."""
    for workload in workloads(resources):
        for secret, key in _pod_secret_keys(workload):
            yield name_of(workload), secret, key
    for trigger in of_kind(resources, "TriggerAuthentication"):
        for each in trigger["spec"]["secretTargetRef"]:
            yield name_of(trigger), each["name"], each["key"]
    yield from _operators_secret_keys(resources)


def _operators_secret_keys(resources: Sequence[Resource]) -> Iterator[tuple[str, str, str]]:
    """The keys that the operators of Kafka and PostgreSQL read."""
    for user in of_kind(resources, "KafkaUser"):
        reference = user["spec"]["authentication"]["password"]["valueFrom"]["secretKeyRef"]
        yield name_of(user), reference["name"], reference["key"]
    for cluster in of_kind(resources, "Cluster"):
        for role in cluster["spec"]["managed"]["roles"]:
            for key in ("username", "password"):
                yield name_of(cluster), role["passwordSecret"]["name"], key
    for store in of_kind(resources, "ObjectStore"):
        for reference in store["spec"]["configuration"]["s3Credentials"].values():
            yield name_of(store), reference["name"], reference["key"]


def _pod_secret_keys(workload: Resource) -> Iterator[tuple[str, str]]:
    """What a pod mounts, and the files below the mounts that its variables and commands name."""
    volumes = {volume["name"]: volume for volume in pod_of(workload)["volumes"]}
    for volume in volumes.values():
        sources = [volume.get("secret"), *_projected(volume)]
        for source in filter(None, sources):
            for item in source.get("items", ()):
                yield source.get("secretName") or source["name"], item["key"]
    for container in containers_of(workload):
        mounts = {
            mount["mountPath"]: volumes[mount["name"]]["secret"]
            for mount in container.get("volumeMounts", ())
            if "secret" in volumes.get(mount["name"], {})
        }
        for word in _words_of(container):
            folder, _, file = word.rpartition("/")
            if folder in mounts:
                yield mounts[folder]["secretName"], file


def _projected(volume: Any) -> Iterator[Any]:
    return (
        source["secret"]
        for source in volume.get("projected", {}).get("sources", ())
        if "secret" in source
    )


def _words_of(container: Any) -> Iterator[str]:
    yield from (variable["value"] for variable in container.get("env", ()))
    for argument in (*container.get("command", ()), *container.get("args", ())):
        yield from argument.split()


def wrong_scale_targets(resources: Sequence[Resource]) -> list[str]:
    deployments = {name_of(each) for each in of_kind(resources, "Deployment")}
    return [
        f"ScaledObject {name_of(scaled)}: {scaled['spec']['scaleTargetRef']['name']}"
        for scaled in of_kind(resources, "ScaledObject")
        if scaled["spec"]["scaleTargetRef"]["name"] not in deployments
    ]


def insecure_pods(resources: Sequence[Resource]) -> list[str]:
    """Containers with more rights than the standard `restricted` allows, or than ours need."""
    faults = []
    for workload in workloads(resources):
        pod = pod_of(workload)
        context = pod.get("securityContext", {})
        sound = {
            "runs as root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
            "has no seccomp profile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
            "has a token": pod.get("automountServiceAccountToken") is False,
            "uses the host": not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
        }
        faults += [f"{name_of(workload)} {fault}" for fault, holds in sound.items() if not holds]
        faults += [
            f"{name_of(workload)}/{container['name']}"
            for container in containers_of(workload)
            if container.get("securityContext")
            != {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            or "memory" not in container["resources"]["limits"]
            or not {"cpu", "memory"} <= container["resources"]["requests"].keys()
        ]
    return faults


CHECKS = (
    services_without_pods,
    disruption_budgets_without_pods,
    unknown_ports,
    missing_secret_keys,
    wrong_scale_targets,
    insecure_pods,
)

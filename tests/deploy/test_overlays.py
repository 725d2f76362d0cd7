"""The rendered overlays are consistent; and each planted fault is found by the check that is made for it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy import manifests
from tests.deploy.manifests import CHECKS, OVERLAYS, Resource, name_of, of_kind, pod_of, whole


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_consistent(overlay: str, check: Callable[[Any], list[str]]) -> None:
    assert check(whole(overlay)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_is_in_the_namespace_and_exists_once(overlay: str) -> None:
    resources = [each for each in whole(overlay) if each["kind"] != "Namespace"]
    assert {each["metadata"].get("namespace") for each in resources} == {"whale-loyalty"}
    names = [(each["kind"], name_of(each)) for each in resources]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_admits_restricted_pods_only(overlay: str) -> None:
    (namespace,) = of_kind(whole(overlay), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_pod_of_production_prefers_another_zone_and_another_machine() -> None:
    for deployment in of_kind(manifests.render("production"), "Deployment"):
        spread = {each["topologyKey"] for each in pod_of(deployment)["topologySpreadConstraints"]}
        assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_applying_an_overlay_leaves_the_number_of_pods_to_the_autoscaler() -> None:
    resources = manifests.render("production")
    targets = {
        scaled["spec"]["scaleTargetRef"]["name"] for scaled in of_kind(resources, "ScaledObject")
    }
    unset = {
        name_of(deployment)
        for deployment in of_kind(resources, "Deployment")
        if "replicas" not in deployment["spec"]
    }
    assert unset == targets


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_images_have_a_tag_other_than_latest(overlay: str) -> None:
    images = {
        container["image"]
        for workload in manifests.workloads(whole(overlay))
        for container in manifests.containers_of(workload)
    }
    assert [image for image in images if not re.search(r":[\w.]+$", image)] == []
    assert "latest" not in " ".join(images)


# -- planted faults


def _find(resources: list[Resource], kind: str, name: str) -> Resource:
    (resource,) = (each for each in of_kind(resources, kind) if name_of(each) == name)
    return resource


def privilege(resources: list[Resource]) -> None:
    container = pod_of(_find(resources, "Deployment", "gateway"))["containers"][0]
    container["securityContext"]["privileged"] = True


def lose_secret_key(resources: list[Resource]) -> None:
    secret = _find(resources, "ExternalSecret", "database-owners")
    del secret["spec"]["target"]["template"]["data"]["catalog"]


def lose_kafka_password(resources: list[Resource]) -> None:
    secret = _find(resources, "ExternalSecret", "anomaly-settings")
    del secret["spec"]["target"]["template"]["data"]["kafka-password"]


def rename_port(resources: list[Resource]) -> None:
    _find(resources, "Service", "earning")["spec"]["ports"][0]["targetPort"] = "web"


def rename_probe(resources: list[Resource]) -> None:
    container = pod_of(_find(resources, "Deployment", "catalog"))["containers"][0]
    container["readinessProbe"]["httpGet"]["port"] = "web"


def rename_backend(resources: list[Resource]) -> None:
    ingress = _find(resources, "Ingress", "gateway")
    ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"] = "web"


def scale_another(resources: list[Resource]) -> None:
    scaled = _find(resources, "ScaledObject", "earning-consumers")
    scaled["spec"]["scaleTargetRef"]["name"] = "earning-consumer"


def select_nothing(resources: list[Resource]) -> None:
    _find(resources, "Service", "gateway")["spec"]["selector"]["app.kubernetes.io/name"] = "edge"


def protect_nothing(resources: list[Resource]) -> None:
    budget = _find(resources, "PodDisruptionBudget", "gateway")
    budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "edge"


@pytest.mark.parametrize(
    ("plant", "finder"),
    [
        (privilege, manifests.insecure_pods),
        (lose_secret_key, manifests.missing_secret_keys),
        (lose_kafka_password, manifests.missing_secret_keys),
        (rename_port, manifests.unknown_ports),
        (rename_probe, manifests.unknown_ports),
        (rename_backend, manifests.unknown_ports),
        (scale_another, manifests.wrong_scale_targets),
        (select_nothing, manifests.services_without_pods),
        (protect_nothing, manifests.disruption_budgets_without_pods),
    ],
    ids=lambda function: function.__name__,
)
def test_a_planted_fault_is_found_by_its_check(plant: Any, finder: Any) -> None:
    resources = whole("production")
    plant(resources)
    finders = {check for check in CHECKS if check(resources)}
    # A Service without pods has no ports either.
    assert finder in finders
    assert finders <= {finder, manifests.unknown_ports}

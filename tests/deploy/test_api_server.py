"""An API server accepts every overlay, with strict validation: `WHALE_TEST_KUBECONFIG=…` names one.

Nothing but the namespace is created. Kinds whose definitions the server does not have are not checked,
and listed.
"""

import os
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy import manifests
from tests.deploy.manifests import OVERLAYS, Resource, name_of, of_kind, pod_of

KUBECTL = manifests.find_kubectl()
pytestmark = pytest.mark.skipif(
    "WHALE_TEST_KUBECONFIG" not in os.environ or KUBECTL is None,
    reason="WHALE_TEST_KUBECONFIG or kubectl is missing: no API server checked the overlays",
)
STEPS = [step for steps in OVERLAYS.values() for step in steps]


def kubectl(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": os.environ["WHALE_TEST_KUBECONFIG"]}
    command = [str(KUBECTL), *arguments]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False
    )


def apply(resources: list[Resource]) -> str:
    """What the server says that is no acceptance; warnings too."""
    outcome = kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--filename=-"),
        stdin=yaml.safe_dump_all(resources),
    )
    accepted = "(server dry run)"
    lines = (outcome.stdout + outcome.stderr).splitlines()
    return "\n".join(line for line in lines if not line.endswith(accepted))


@pytest.fixture(scope="module")
def known() -> set[tuple[str, str]]:
    """The kinds that the server knows, each in a version."""
    namespace = manifests.FOLDER / "overlays" / "local" / "servers" / "namespace.yaml"
    assert kubectl("apply", f"--filename={namespace}").returncode == 0
    lines = kubectl("api-resources", "--no-headers").stdout.splitlines()
    return {(version, kind) for *_, version, _, kind in map(str.split, lines)}


def type_of(resource: Resource) -> tuple[str, str]:
    return resource["apiVersion"], resource["kind"]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_accepted(step: str, known: set[tuple[str, str]]) -> None:
    resources = manifests.render(step)
    unchecked = set(map(type_of, resources)) - known
    print("not checked:", sorted(unchecked))
    assert apply([each for each in resources if type_of(each) not in unchecked]) == ""


def add_field(deployment: Any) -> None:
    pod_of(deployment)["containers"][0]["readinesProbe"] = {"httpGet": {"port": 1}}


def change_type(deployment: Any) -> None:
    deployment["spec"]["replicas"] = "two"


def privilege(deployment: Any) -> None:
    pod_of(deployment)["containers"][0]["securityContext"]["privileged"] = True


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        pytest.param(add_field, 'unknown field "spec.template.spec.containers[0].readinesProbe"'),
        pytest.param(change_type, "cannot unmarshal"),
        # With a warning, since the namespace refuses pods alone.
        pytest.param(privilege, "cannot set `allowPrivilegeEscalation` to false"),
    ],
)
def test_a_planted_fault_is_refused(plant: Any, message: str, known: set[tuple[str, str]]) -> None:
    (gateway,) = (
        each
        for each in of_kind(manifests.render("production"), "Deployment")
        if name_of(each) == "gateway"
    )
    plant(gateway)
    assert message in apply([gateway])

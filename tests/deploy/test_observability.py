"""Alerts, runbooks and dashboards: each alert is tried in both directions, and every metric exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from libs.observability import metrics
from tests.architecture.test_docs import missing
from tools.docs import dashboards
from tools.stack.config import SERVICES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
COMPOSE = ROOT / "deploy" / "compose" / "observability.yml"
CASES = ROOT / "tests" / "deploy" / "alerts.test.yml"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
DASHBOARDS = {path.name: json.loads(path.read_text()) for path in dashboards.documents()}
COMPOSED = yaml.safe_load(COMPOSE.read_text())["services"]
# Those that the file adds to the ones in docker-compose.yml.
CONTAINERS = {name: each for name, each in COMPOSED.items() if name not in SERVICES}

# The metrics of others, and what exports them.
OTHERS = {
    "up": "Prometheus",
    "kubelet_volume_stats_available_bytes": "the kubelet",
    "kubelet_volume_stats_capacity_bytes": "the kubelet",
    "node_filesystem_avail_bytes": "node-exporter",
    "node_filesystem_size_bytes": "node-exporter",
}
# Set by Prometheus when it scrapes.
TARGET_LABELS = {"service", "instance", "job"}


def expressions() -> Iterator[Any]:
    for rule in RULES:
        yield pytest.param(rule["expr"], id=rule.get("alert") or rule["record"])
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target["expr"], id=f"{name}-{panel['title']}-{target['refId']}")


def declared() -> dict[str, set[str]]:
    """The labels of each series that our processes export, by its name."""
    series = {name: set[str]() for name in OTHERS}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            labels = set(metric._labelnames)
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            for suffix in suffixes.get(family.type, ("",)):
                series[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    process = {each.name for each in REGISTRY.collect() if each.name.startswith("process_")}
    series |= {name: set() for name in process} | {"process_cpu_seconds_total": set()}
    return series | {rule["record"]: set() for rule in RULES if "record" in rule}


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_and_label_of_an_expression_exists(expression: str) -> None:
    known = declared()
    names = set(re.findall(r"\b(?:whale|process|kubelet|node)[_:][a-z0-9_:]+|\bup\b", expression))
    assert names
    assert names <= known.keys()
    if not names <= OTHERS.keys():
        labels = set(re.findall(r"(\w+)\s*(?:!=|=~|!~|=)\s*\"", expression))
        for group in re.findall(r"by \(([^)]*)\)", expression):
            labels |= {label.strip() for label in group.split(",")}
        assert labels <= TARGET_LABELS.union(*(known[name] for name in names))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_happened_and_has_a_runbook(alert: Any) -> None:
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert alert["annotations"]["summary"].endswith((".", "left."))
    runbook = alert["annotations"]["runbook"]
    assert runbook.startswith("docs/runbooks/")
    assert list(missing(f"[runbook]({runbook})", Path("README.md"))) == []
    page = (ROOT / runbook.partition("#")[0]).read_text()
    assert f"`{alert['alert']}`" in page, "the runbook does not name the alert"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_tried_where_it_fires_and_where_it_is_silent(alert: Any) -> None:
    tried = [
        bool(each["exp_alerts"])
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for each in case["alert_rule_test"]
        if each["alertname"] == alert["alert"]
    ]
    assert set(tried) == {True, False}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["check", "config", str(FOLDER / "prometheus.yml")], id="configuration"),
        pytest.param(["test", "rules", str(CASES)], id="alerts"),
    ],
)
def test_prometheus_accepts(arguments: list[str]) -> None:
    outcome = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


# -- deploy/compose/observability.yml


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_limits_and_no_rights(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in container
    assert re.fullmatch(r"\$\{\w+:-[\w/.-]+:v?\d[\d.]+\}", container["image"])
    assert all(port.startswith("127.0.0.1:") for port in container.get("ports", ()))


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_file_that_a_container_mounts_exists(name: str) -> None:
    mounted = [volume.split(":")[0] for volume in CONTAINERS[name].get("volumes", ())]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == []


def test_every_service_sends_its_spans_to_the_collector() -> None:
    receivers = yaml.safe_load((FOLDER / "collector.yml").read_text())["receivers"]
    port = receivers["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    settings = {"WHALE_OTLP_ENDPOINT": f"http://otel-collector:{port}"}
    assert {name: COMPOSED.get(name) for name in SERVICES} == {
        name: {"environment": settings} for name in SERVICES
    }


def test_prometheus_scrapes_every_service() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (whale,) = (job for job in jobs if job["job_name"] == "whale")
    targets = {each["labels"]["service"]: each["targets"] for each in whale["static_configs"]}
    assert set(SERVICES) <= targets.keys()
    assert all(target == [f"{service}:9090"] for service, target in targets.items())

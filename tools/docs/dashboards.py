"""The Grafana dashboards in deploy/observability: panels in a table, from which their JSON is generated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tools.stack.config import ROOT

FOLDER: Final = ROOT / "deploy" / "observability" / "dashboards"
_DATASOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
# Grafana's grid is 24 wide: two panels a row.
_WIDTH, _HEIGHT = 12, 8


class Panel(Struct, frozen=True, kw_only=True):
    """A chart over time: `queries` by the legend of their lines; `unit` is Grafana's name of a unit."""

    title: str
    queries: Mapping[str, str]
    unit: str = "short"


class Dashboard(Struct, frozen=True, kw_only=True):
    """`uid` is its address in Grafana, and stays."""

    uid: str
    title: str
    panels: Sequence[Panel]


def _rate(metric: str, *, by: str = "", where: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum"
    selector = f"{{{where}}}" if where else ""
    return f"{grouped}(rate({metric}{selector}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, *, by: str = "", where: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', by=labels, where=where)})"


_CALLERS: Final = 'route="/v1"'

DASHBOARDS: Final = (
    Dashboard(
        uid="whale-callers",
        title="Whale Loyalty: what callers and shops see",
        panels=(
            Panel(
                title="Requests by status",
                queries={
                    "{{status}}": _rate(
                        "whale_http_request_seconds_count", by="status", where=_CALLERS
                    )
                },
                unit="reqps",
            ),
            Panel(
                title="Failed requests; the goal is at most 0.1 %",
                queries={
                    "1 hour": "whale:request_errors:ratio1h",
                    "6 hours": "whale:request_errors:ratio6h",
                },
                unit="percentunit",
            ),
            Panel(
                title="Response time",
                queries={
                    f"p{round(100 * quantile)}": _quantile(
                        quantile, "whale_http_request_seconds", where=_CALLERS
                    )
                    for quantile in (0.5, 0.95, 0.99)
                },
                unit="s",
            ),
            Panel(
                title="Response time of the services, p95",
                queries={
                    "{{service}}": _quantile(
                        0.95, "whale_http_request_seconds", by="service", where='route!="/v1"'
                    )
                },
                unit="s",
            ),
            Panel(
                title="Orders by outcome",
                queries={
                    "{{outcome}} {{reason}}": _rate("whale_orders_total", by="outcome, reason")
                },
                unit="ops",
            ),
            Panel(
                title="Orders and refunds of guests, which are ignored",
                queries={"{{topic}}": _rate("whale_guest_events_total", by="topic")},
                unit="ops",
            ),
            Panel(
                title="Refused before routing",
                queries={
                    "{{code}}": _rate("whale_http_refused_total", by="code"),
                    "over the rate limit": _rate("whale_rate_limited_total"),
                    "allowed without a limit": _rate("whale_rate_limits_unenforced_total"),
                    "not logged": _rate("whale_responses_not_logged_total"),
                },
                unit="reqps",
            ),
            Panel(
                title="Services that did not respond",
                queries={"{{service}}": _rate("whale_upstream_failures_total", by="service")},
                unit="reqps",
            ),
        ),
    ),
    Dashboard(
        uid="whale-delivery",
        title="Whale Loyalty: events and delivery",
        panels=(
            Panel(
                title="Lag",
                queries={
                    "{{group}} {{topic}}": "sum by (group, topic) (whale_consumer_lag_records)"
                },
            ),
            Panel(
                title="Consumers that work (1) or do not (0)",
                queries={"{{group}}": "min by (group) (whale_consumer_ready)"},
            ),
            Panel(
                title="Records processed",
                queries={"{{group}}": _rate("whale_consumer_batch_records_sum", by="group")},
                unit="ops",
            ),
            Panel(
                title="Time per batch, p95",
                queries={"{{group}}": _quantile(0.95, "whale_consumer_batch_seconds", by="group")},
                unit="s",
            ),
            Panel(
                title="Dead letters",
                queries={
                    "{{topic}} {{code}}": "sum by (topic, code) (increase(whale_dead_letters_total[1h]))"
                },
            ),
            Panel(
                title="Failed attempts",
                queries={
                    "{{group}} {{cause}}": _rate("whale_consumer_retries_total", by="group, cause")
                },
                unit="ops",
            ),
            Panel(
                title="Age of the outbox",
                queries={"{{service}}": "max by (service) (whale_outbox_age_seconds)"},
                unit="s",
            ),
            Panel(
                title="Events published",
                queries={"{{topic}}": _rate("whale_relay_published_total", by="topic")},
                unit="ops",
            ),
            Panel(
                title="Rows in the last read of the outbox",
                queries={"{{service}}": "max by (service) (whale_outbox_rows)"},
            ),
            Panel(
                title="Handled ahead of another store's backlog",
                queries={"{{group}}": _rate("whale_consumer_looked_ahead_total", by="group")},
                unit="ops",
            ),
        ),
    ),
    Dashboard(
        uid="whale-processes",
        title="Whale Loyalty: processes, the ledger, detection",
        panels=(
            Panel(
                title="Processor time",
                queries={
                    "{{service}} {{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"
                },
                unit="percentunit",
            ),
            Panel(
                title="Memory",
                queries={"{{service}} {{instance}}": "process_resident_memory_bytes"},
                unit="bytes",
            ),
            Panel(
                title="Processes that respond",
                queries={"{{service}}": 'sum by (service) (up{job="whale"})'},
            ),
            Panel(
                title="Open files and connections",
                queries={"{{service}} {{instance}}": "process_open_fds"},
            ),
            Panel(
                title="Requests per transaction, p50",
                queries={
                    "{{service}}": _quantile(0.5, "whale_group_commit_requests", by="service")
                },
            ),
            Panel(
                title="Since every account was proven",
                queries={
                    "the books check": "time() - (max(whale_ledger_proven_timestamp_seconds) > 0)"
                },
                unit="s",
            ),
            Panel(
                title="Since everything due was posted",
                queries={"the sweeper": "time() - (max(whale_swept_timestamp_seconds) > 0)"},
                unit="s",
            ),
            Panel(
                title="Rows that do not follow from the entries",
                queries={"faults": "max(whale_ledger_faults)"},
            ),
            Panel(
                title="Anomalies flagged",
                queries={
                    "{{type}} {{mode}}": _rate("whale_anomalies_flagged_total", by="type, mode")
                },
                unit="ops",
            ),
        ),
    ),
)


def documents() -> Mapping[Path, Any]:
    """The JSON of each dashboard, by its file."""
    return {FOLDER / f"{each.uid}.json": _dashboard(each) for each in DASHBOARDS}


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["whale-loyalty"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _DATASOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
            }
            for place, (legend, expression) in enumerate(panel.queries.items())
        ],
    }

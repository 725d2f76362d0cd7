"""The generated files: their paths and contents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tools.docs import asyncapi, dashboards, events, kubernetes, openapi, packages, tables
from tools.docs.events import EVENTS, VERSION
from tools.docs.openapi import Examples
from tools.stack.config import ROOT

FOLDER: Final = ROOT / "docs" / "generated"
# Not generated: recorded from the running system, and frozen permanently.
EXAMPLES: Final = FOLDER / "examples.json"
SAMPLES: Final = FOLDER / "events" / "samples"


def generated() -> Mapping[Path, str]:
    """The content of each generated file, by path."""
    samples = {event.topic: events.read_sample(SAMPLES, event) for event in EVENTS}
    examples = msgspec.json.decode(EXAMPLES.read_bytes(), type=Examples)
    return {
        FOLDER / "openapi.json": pretty(openapi.document(examples)),
        FOLDER / "asyncapi.json": pretty(asyncapi.document(samples)),
        FOLDER / "metrics.md": tables.metrics(),
        FOLDER / "settings.md": tables.settings(),
        FOLDER / "kafka-access.md": tables.kafka_access(),
        **{
            FOLDER / "events" / f"{event.topic}.{VERSION}.json": pretty(events.schema_of(event))
            for event in EVENTS
        },
        **packages.copies(),
        **kubernetes.manifests(),
        **{path: pretty(value) for path, value in dashboards.documents().items()},
    }


def pretty(value: Any) -> str:
    """Indented JSON, the same for the same value."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def write(path: Path, content: str) -> bool:
    """Write the file if its content differs; returns whether it did."""
    if path.exists() and path.read_text() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return True

"""Structured logs: one JSON object per line, with the request and the trace that it belongs to."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from libs.observability import tracing


def configure(*, service: str, level: str) -> None:
    """Write every log of the process, including those of libraries, to standard output as JSON lines.

    `level` is the name of the lowest level that is written, such as "info".
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Without the local variables of each frame: they contain keys and customer data.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _logger, _method, event: {"service": service, **event},
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Their info logs repeat what the project's own logs and metrics report.
    for verbose in ("aiokafka", "uvicorn.access", "uvicorn.error", "alembic"):
        logging.getLogger(verbose).setLevel(max(logging.WARNING, root.level))
    # A batch of spans that cannot be sent is one line, its attempts are none.
    logging.getLogger("opentelemetry").setLevel(max(logging.ERROR, root.level))


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the id of the current trace: the id by which a store of traces finds it."""
    trace_id = tracing.current_trace_id()
    return {"trace_id": trace_id, **event} if trace_id else event


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module, as in `log = logging.get(__name__)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger

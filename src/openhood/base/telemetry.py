"""How the hub speaks to its operators: structured log lines and Prometheus metrics.

Everything is defined here once; what is counted where is the business of the floors above.
"""

from __future__ import annotations

import logging
import sys

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from openhood.base.settings import Log

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS = Counter(
    "openhood_http_requests_total", "Requests answered.", ("method", "route", "status"), registry=REGISTRY
)
LATENCY = Histogram(
    "openhood_http_request_seconds",
    "Seconds from the first byte of a request to the last of its answer.",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("openhood_http_in_flight", "Requests being answered now.", registry=REGISTRY)
SENT_BYTES = Counter("openhood_http_sent_bytes_total", "Bytes of answers' bodies.", registry=REGISTRY)
JOBS = Counter("openhood_jobs_total", "Background jobs ended.", ("kind", "outcome"), registry=REGISTRY)
SCRUBBED_XORBS = Counter(
    "openhood_scrubbed_xorbs_total",
    "Stored xorbs verified again: good, damaged (alert on it), healed.",
    ("outcome",),
    registry=REGISTRY,
)
SCRUBBED_BYTES = Counter(
    "openhood_scrubbed_bytes_total", "Bytes of stored xorbs verified again.", registry=REGISTRY
)


def configure_logging(log: Log) -> None:
    """Send log lines to standard error in the chosen form; once per process."""
    as_text = log.format == "text" or (log.format == "auto" and sys.stderr.isatty())
    level = getattr(logging, log.level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_text:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.WriteLoggerFactory(_TextToStderr()),  # type: ignore[arg-type]  # write and flush
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.BytesLoggerFactory(_BytesToStderr()),  # type: ignore[arg-type]  # write and flush
            cache_logger_on_first_use=True,
        )
    # Libraries speak through the standard module; only what is wrong is worth a line.
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


class _TextToStderr:
    """Standard error as it is when a line is written: loggers outlive a replaced one."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _BytesToStderr:
    """The same, below the text layer, which would only cost time."""

    def write(self, data: bytes) -> None:
        sys.stderr.buffer.write(data)

    def flush(self) -> None:
        sys.stderr.buffer.flush()


def _to_json(line: object, **_options: object) -> bytes:
    return orjson.dumps(line, default=str)

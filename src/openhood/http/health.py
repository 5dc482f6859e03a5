"""Whether this process lives and whether it can serve: for load balancers and supervisors."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from openhood.base.errors import Forbidden, Unavailable
from openhood.base.telemetry import REGISTRY
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route


async def get_health(call: Call) -> Response:
    """Answer 200 as long as the process can answer at all; asks no other part."""
    return json_reply({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def get_ready(call: Call) -> Response:
    """Answer 200 if the database and the object store answer too, else 503 naming the part."""
    problems = await call.run(_problems, call.sv)
    return json_reply(
        {"status": "unavailable" if problems else "ok", "problems": problems},
        status=503 if problems else 200,
        headers={"Cache-Control": "no-store"},
    )


async def get_metrics(call: Call) -> Response:
    """Answer with this process's metrics in Prometheus' text form.

    Raises: Forbidden without the metrics token or, where none is set, from beyond this machine.
    """
    secret = call.sv.settings.metrics_token
    if secret is not None:
        given = call.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), secret.get_secret_value().encode()):
            raise Forbidden("Reading metrics needs 'Authorization: Bearer <OPENHOOD_METRICS_TOKEN>'.")
    elif not _is_local(call):
        raise Forbidden(
            "Metrics are served to this machine only. Set OPENHOOD_METRICS_TOKEN to read them from others."
        )
    return Response(generate_latest(REGISTRY), 200, media_type=CONTENT_TYPE_LATEST)


def _is_local(call: Call) -> bool:
    client = call.request.client
    try:
        return client is None or ip_address(client.host).is_loopback
    except ValueError:  # a Unix socket's peer has no address
        return True


def _problems(sv: Services) -> dict[str, str]:
    problems = {}
    for part, check in (("database", sv.db.check), ("objects", sv.objects.check)):
        try:
            check()
        except Unavailable as error:
            problems[part] = error.message
    return problems


# Without a rate limit: a balancer that meets one would take the hub for dead.
ROUTES = (
    Route(("GET",), "/health", get_health, bucket=""),
    Route(("GET",), "/ready", get_ready, bucket=""),
    Route(("GET",), "/metrics", get_metrics, bucket=""),
)

"""Whether this process lives and whether it can serve: for load balancers and supervisors."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import Unavailable
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


def _problems(sv: Services) -> dict[str, str]:
    problems = {}
    for part, check in (("database", sv.db.check), ("objects", sv.objects.check)):
        try:
            check()
        except Unavailable as error:
            problems[part] = error.message
    return problems


ROUTES = (
    Route(("GET",), "/health", get_health),
    Route(("GET",), "/ready", get_ready),
)

"""Turning templates into answers, with the headers every page of the hub carries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from openhood.http.context import Call
from openhood.http.pages.static import address_of
from openhood.http.replies import moment

# Nothing from elsewhere, no script in the page itself, no frame around it, forms to this hub only.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    # Some addresses are secrets (invitations), so they must not leave with a click on a link.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.globals |= {"static": address_of, "moment": moment}


async def page(call: Call, template: str, *, status: int = 200, **values: object) -> Response:
    """Answer with a page. Every template also knows ``viewer``, ``hub_url``, ``hub_host``, ``sign_up`` and ``now``."""
    viewer = await call.viewer()
    text = _TEMPLATES.get_template(template).render(
        viewer=viewer,
        hub_url=call.base_url,
        hub_host=urlsplit(call.base_url).netloc,
        sign_up=call.sv.settings.sign_up,
        now=datetime.now(UTC),
        **values,
    )
    return Response(text, status, HEADERS, "text/html; charset=utf-8")

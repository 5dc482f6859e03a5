"""The virtual host ``datasets-server.<this hub>``: where clients look that know the original's address.

``datasets`` puts that word before the host of ``HF_ENDPOINT``. A request there is led to the same route below
``/api/datasets/…/viewer/``; nothing else of the hub can be reached by this name.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

from starlette.types import Scope

from openhood.base.errors import MissingRequiredParameter, NotFound

PREFIX = b"datasets-server."


def is_viewer_host(scope: Scope) -> bool:
    """Tell whether a request was sent to the viewer's own name."""
    return any(name == b"host" and value.lower().startswith(PREFIX) for name, value in scope["headers"])


def hub_host(host: str) -> str:
    """Return the hub's own host, given the one that was asked."""
    prefix = PREFIX.decode()
    return host[len(prefix) :] if host.lower().startswith(prefix) else host


def lead(scope: Scope) -> bytes:
    """Return the raw path of the same question on the hub's own host.

    Raises: MissingRequiredParameter without a dataset, NotFound for what is not an endpoint.
    """
    endpoint: bytes = scope["raw_path"].split(b"?")[0].strip(b"/")
    if not endpoint or b"/" in endpoint:
        raise NotFound("The viewer has no such endpoint.")
    if endpoint == b"healthcheck":
        return b"/health"
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    dataset = query.get("dataset", "")
    if not dataset:
        raise MissingRequiredParameter("Parameter 'dataset' is required")
    return b"/api/datasets/" + quote(dataset, safe="/").encode() + b"/viewer/" + endpoint

"""The credentials of the CAS: a token that says what may be done, never the user's own.

Every other door reads credentials in `context`; these belong to a transfer, and only the CAS takes them.
"""

from __future__ import annotations

from openhood.domain.xet import passes
from openhood.domain.xet.types import Pass
from openhood.http.context import Call


def read_pass(call: Call, *, write: bool) -> Pass:
    """Return what the request's token permits. Does not block. Raises Unauthorized, Forbidden."""
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    given = passes.read_token(call.sv, value.strip() if scheme.lower() == "bearer" else None, write=write)
    call.request.scope["openhood.user"] = f"xet:{given.user}"
    return given


def cas_url(call: Call, epoch: str) -> str:
    """Return the address of the CAS as this client reaches it, without a trailing slash."""
    return f"{call.base_url}/cas/{epoch}"

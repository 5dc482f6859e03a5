"""Where a page sends a browser next: paths of this hub only, and the cookie a new session begins with."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from openhood.domain.accounts import sign_in
from openhood.domain.accounts.types import SessionSecret
from openhood.http.context import SESSION_COOKIE, Call


def safe_path(target: str | None) -> str:
    """Return where to go after signing in: a path of this hub, never another site's address."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return "/"
    return target


def go(path: str) -> RedirectResponse:
    """Answer a form: on to a path of this hub."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def to_login(path: str) -> Response:
    """Send somebody to sign in first, and back to ``path`` then."""
    return go(f"/login?next={quote(path, safe='')}")


def with_session(call: Call, answer: Response, session: SessionSecret) -> Response:
    """Add the cookie of a new session to an answer."""
    set_cookie(call, answer, SESSION_COOKIE, session.secret, life_s=int(sign_in.SESSION_LIFE.total_seconds()))
    return answer


def set_cookie(call: Call, answer: Response, name: str, value: str, *, life_s: int, path: str = "/") -> None:
    """Add a cookie that no script reads and that other sites' forms do not bring along."""
    answer.set_cookie(
        name,
        value,
        max_age=life_s,
        path=path,
        secure=call.base_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )

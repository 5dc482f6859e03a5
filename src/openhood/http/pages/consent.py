"""The page on which a person allows a program to sign them in, and the ways to and from it.

Source: RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2. Every decision is `oauth_codes`'.
"""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import BadRequest, Forbidden
from openhood.domain import links
from openhood.domain.accounts import oauth_codes, sign_in
from openhood.domain.accounts.clients import is_shared_redirect
from openhood.domain.accounts.oauth_codes import AuthorizeRefused, AuthorizeRequest, NoReturn, Outcome
from openhood.domain.accounts.oauth_scopes import SCOPE_WORDS
from openhood.http import bodies
from openhood.http.context import SESSION_COOKIE, Call
from openhood.http.pages.policy import POLICY
from openhood.http.pages.render import HEADERS, page
from openhood.http.router import Route

_PURPOSE = "oauth consent"
_FORM_LIFE_S = 3600
_MAX_QUERY = 16_000
# A state or a code in the address is nobody else's business.
_LEAVING = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


async def get_authorize(call: Call) -> Response:
    """Take a program's request: sign the person in, ask, or answer the program at once."""
    return await _authorize(call, call.request.scope["query_string"].decode("latin-1"))


async def post_authorize(call: Call) -> Response:
    """Take the person's answer from the page, or a program's request sent as a form.

    Only our own page knows the token that belongs to this person and this very request.
    """
    form = await bodies.read_form(call)
    given = dict(form)
    if "consent" not in given:
        # OpenID Connect lets programs send people by a form of theirs; nothing is decided by it.
        await call.viewer()
        return RedirectResponse(f"/oauth/authorize?{urlencode(form)}", 303, _LEAVING)
    call.check_origin()
    query = given.get("request", "")
    viewer = await call.viewer()
    if viewer.is_anonymous:
        return _to_login(query)
    _check_form(call, given["consent"], query, viewer.user_id)
    if given.get("answer") not in ("approve", "deny"):
        raise BadRequest("The form must say 'approve' or 'deny'.")
    try:
        request = await call.run(oauth_codes.read_request, call.sv, _pairs(query), issuer=call.base_url)
        location = await call.act(
            oauth_codes.answer,
            request,
            approve=given["answer"] == "approve",
            org_ids=[value for name, value in form if name == "org"],
            session=call.request.cookies.get(SESSION_COOKIE),
        )
    except NoReturn as error:
        return await _stay(call, error)
    except AuthorizeRefused as refusal:
        location = refusal.location
    return RedirectResponse(location, 303, _LEAVING)


async def post_again(call: Call) -> Response:
    """End the session, since a program asks for a fresh one, and lead to the sign-in page."""
    call.check_origin()
    await call.viewer()
    query = dict(await bodies.read_form(call)).get("request", "")
    secret = call.request.cookies.get(SESSION_COOKIE)
    if secret:
        await call.run(sign_in.sign_out, call.sv, secret)
    answer = _to_login(query)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


async def _authorize(call: Call, query: str) -> Response:
    try:
        request = await call.run(oauth_codes.read_request, call.sv, _pairs(query), issuer=call.base_url)
        outcome = await call.act(oauth_codes.begin, request, session=call.request.cookies.get(SESSION_COOKIE))
    except NoReturn as error:
        return await _stay(call, error)
    except AuthorizeRefused as refusal:
        return await _leave(call, refusal.location)
    if outcome.location is not None:
        return await _leave(call, outcome.location)
    if outcome.step == "login":
        return _to_login(query)
    if outcome.step == "again":
        return await page(
            call, "consent.html", step="again", client=request.client, request=query, error=None
        )
    return await _ask(call, request, outcome, query)


async def _ask(call: Call, request: AuthorizeRequest, outcome: Outcome, query: str) -> Response:
    viewer = await call.viewer()
    token = links.make_token(
        call.sv,
        purpose=_PURPOSE,
        facts={"user": viewer.user_id or 0, "request": _digest(query)},
        lifetime_s=_FORM_LIFE_S,
    )
    answer = await page(
        call,
        "consent.html",
        step="consent",
        error=None,
        client=request.client,
        request=query,
        consent=token,
        scopes=[SCOPE_WORDS[each] for each in request.scopes],
        choices=outcome.choices,
        target=_target(request.redirect_uri),
        is_shared=is_shared_redirect(request.redirect_uri),
    )
    # Browsers hold the answer's redirect to the form's policy too.
    answer.headers["Content-Security-Policy"] = POLICY.replace(
        "form-action 'self'", f"form-action 'self' {_origin(request.redirect_uri)}"
    )
    return answer


async def _leave(call: Call, location: str) -> Response:
    """Send the browser back to the program.

    Right after the sign-in form, browsers would hold a redirect to that form's policy, which names this hub only:
    there a page leads on.
    """
    referer = urlsplit(call.request.headers.get("referer", ""))
    if referer.netloc == call.request.headers.get("host") and referer.path.startswith(("/login", "/sso/")):
        answer = await page(
            call,
            "consent.html",
            step="leave",
            error=None,
            client=None,
            location=location,
            target=_target(location),
        )
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer
    return RedirectResponse(location, 302, {**HEADERS, **_LEAVING})


async def _stay(call: Call, error: NoReturn) -> Response:
    return await page(call, "consent.html", status=400, step="error", error=error.message, client=None)


def _check_form(call: Call, token: str, query: str, user_id: int | None) -> None:
    try:
        facts = links.check_token(call.sv, token, purpose=_PURPOSE)
    except links.BadLink as error:
        raise Forbidden("This page is too old. Go back to the program and start again.") from error
    if facts.get("user") != user_id or facts.get("request") != _digest(query):
        raise Forbidden("This page was made for somebody else. Go back to the program and start again.")


def _pairs(query: str) -> list[tuple[str, str]]:
    if len(query) > _MAX_QUERY:
        raise BadRequest("The program's request is too long.")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRequest("The program's request is not valid: too many fields, or not UTF-8.") from error


def _to_login(query: str) -> Response:
    path = f"/oauth/authorize?{query}"
    return RedirectResponse(f"/login?next={quote(path, safe='')}", 303, _LEAVING)


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest()


def _target(uri: str) -> str:
    """Return what people can recognise of an address: its host, or a program's own scheme."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"


ROUTES = (
    Route(("GET",), "/oauth/authorize", get_authorize, dialect="page", bucket="pages"),
    Route(("POST",), "/oauth/authorize", post_authorize, dialect="page", bucket="pages", is_foreign=True),
    Route(("POST",), "/oauth/authorize/again", post_again, dialect="page", bucket="pages"),
)

"""Registered programs: who they are, where they may be sent back to, and registering them.

By a person in the settings, or by the program itself (RFC 7591). What people allow them is in `consents`.
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from openhood.base.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    OauthRefused,
    TooManyRequests,
    Unauthorized,
)
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import client_rows
from openhood.domain.accounts.oauth_scopes import SCOPE_PERMISSIONS, check_scope
from openhood.domain.accounts.rules import check_line, require_writer
from openhood.domain.accounts.types import OauthClient
from openhood.domain.services import Services
from openhood.infra import ids

SECRET_PREFIX = "hf_app_"
MAX_REDIRECT_URIS = 20
MAX_REDIRECT_LENGTH = 2000
MAX_APPS = 100
MAX_REGISTERED = 10_000
CODE_GRANT = "authorization_code"
REFRESH_GRANT = "refresh_token"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_GRANTS = (CODE_GRANT, REFRESH_GRANT, DEVICE_GRANT)
_METHODS = ("none", "client_secret_basic", "client_secret_post")
# A name or address and a port: nothing that a browser, or a policy header, could read as more.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_LOOPBACK_NAMES = ("localhost",)
# Schemes that a browser runs, shows or keeps to itself instead of handing the address to a program.
_BROWSER_SCHEMES = frozenset(
    (
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "ftp",
        "javascript",
        "vbscript",
        "view-source",
        "ws",
    )
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program says of itself at the token endpoint; ``secret`` None where it says nothing."""

    client_id: str | None
    secret: str | None


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client just registered, with its secret, which is stored nowhere; None for a public one."""

    client: OauthClient
    secret: str | None


@dataclass(frozen=True, slots=True)
class AppForm:
    """What a person says of a program of theirs."""

    name: str
    redirect_uris: tuple[str, ...]
    is_public: bool
    scopes: tuple[str, ...] = ()
    uri: str = ""
    device_flow: bool = False


# --- who is asking --------------------------------------------------------------------------------


def find_client(sv: Services, client_id: str) -> OauthClient:
    """Return a registered client. Opens a read unit. Raises: OauthRefused (``invalid_client``)."""
    with sv.db.read() as tx:
        client = client_rows.get_client(tx, client_id)
    if client is None:
        raise OauthRefused("invalid_client", "The client_id is not registered with this hub.")
    return client


def authenticate(sv: Services, credentials: Credentials) -> OauthClient:
    """Return the client that these credentials prove. Opens a read unit.

    A public client only names itself. Raises: OauthRefused (``invalid_client``, ``invalid_request``).
    """
    if not credentials.client_id:
        raise OauthRefused("invalid_request", "The parameter 'client_id' is missing.")
    client = find_client(sv, credentials.client_id)
    if client.is_public:
        if credentials.secret:
            raise OauthRefused("invalid_client", "This client is public and has no secret.")
        return client
    given = ids.hash_secret(credentials.secret or "")
    if client.secret_hash is None or not hmac.compare_digest(given, client.secret_hash):
        raise OauthRefused("invalid_client", "The client's secret is missing or wrong.")
    return client


# --- where it may be sent back to --------------------------------------------------------------------


def matches_redirect(client: OauthClient, uri: str) -> bool:
    """Tell whether a client may be answered at ``uri``.

    Addresses are compared character by character, with two exceptions: the port of a loopback address is free
    (RFC 8252, section 7.3), and an address registered without a query may be asked for with one, since
    huggingface_hub's ``_oauth.py::_generate_redirect_uri`` adds ``_target_url``.
    """
    if not is_safe_redirect(uri):
        return False
    return any(_same(registered, uri) for registered in client.redirect_uris)


def is_safe_redirect(uri: str) -> bool:
    """Tell whether an address can be redirected to at all: absolute, without tricks that browsers read otherwise."""
    if not uri or len(uri) > MAX_REDIRECT_LENGTH or not uri.isascii() or not uri.isprintable():
        return False
    if " " in uri or "\\" in uri or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        _port = parts.port
    except ValueError:
        return False
    if parts.scheme in _BROWSER_SCHEMES or not parts.scheme:
        return False
    if parts.scheme in ("http", "https"):
        return uri.startswith(f"{parts.scheme}://") and _AUTHORITY.fullmatch(parts.netloc) is not None
    # A program's own scheme must be a name somebody owns turned around. Source: RFC 8252, section 7.1.
    return "." in parts.scheme


def is_loopback(uri: str) -> bool:
    """Tell whether an address is on the person's own machine, over plain HTTP."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_shared_redirect(uri: str) -> bool:
    """Tell whether another program could receive what is sent there: a loopback address, a scheme of its own."""
    return is_loopback(uri) or urlsplit(uri).scheme not in ("http", "https")


def check_redirects(uris: Sequence[str], *, insecure: bool) -> tuple[str, ...]:
    """Return the addresses a client may register. Raises BadRequest naming the one at fault.

    Args: ``insecure`` allows plain HTTP to other machines, on hubs that are reached so themselves.
    """
    if len(uris) > MAX_REDIRECT_URIS:
        raise BadRequest(f"At most {MAX_REDIRECT_URIS} redirect addresses can be registered.")
    for uri in uris:
        if not is_safe_redirect(uri) or "*" in uri:
            raise BadRequest(
                f"{uri[:200]!r} cannot be a redirect address: give a whole https:// address without '#', '*' or "
                "user name, http://localhost, or a scheme like com.example.app:/callback."
            )
        if urlsplit(uri).scheme == "http" and not is_loopback(uri) and not insecure:
            raise BadRequest(
                f"{uri[:200]!r} must start with https://: sign-ins would travel in the clear otherwise."
            )
    return tuple(dict.fromkeys(uris))


def _same(registered: str, uri: str) -> bool:
    if registered == uri:
        return True
    one, other = urlsplit(registered), urlsplit(uri)
    same_query = one.query == other.query or (not one.query and not _has_answer(other.query))
    if (one.scheme, one.path) != (other.scheme, other.path) or not same_query:
        return False
    if one.netloc == other.netloc:
        return True
    return is_loopback(registered) and is_loopback(uri) and one.hostname == other.hostname


def _has_answer(query: str) -> bool:
    """Tell whether a query already holds what only this hub may say there."""
    names = {pair.partition("=")[0] for pair in query.replace(";", "&").split("&")}
    return bool(names & {"code", "state", "iss", "error", "error_description"}) or any(
        "%" in name for name in names
    )


# --- registering itself ----------------------------------------------------------------------------------


def register(
    sv: Services, viewer: Viewer, metadata: Mapping[str, object], *, address: str, insecure: bool
) -> NewClient:
    """Register a program that asks for it itself. Opens a write unit.

    Args: ``metadata`` as RFC 7591 has it; ``address`` is where the request came from; ``insecure`` as in
    `check_redirects`.
    Raises: Forbidden where the setting closes it, Unauthorized, TooManyRequests, OauthRefused
    (``invalid_redirect_uri``, ``invalid_client_metadata``).
    """
    policy = sv.settings.oauth
    if policy.registration == "closed":
        raise Forbidden(
            "This hub does not let programs register themselves. Register yours in your settings."
        )
    if policy.registration == "signed_in" and viewer.is_anonymous:
        raise Unauthorized("You must be logged in to register a program. Pass a token.")
    now = sv.clock.now()
    key = f"register client {address}"
    wait_s = sv.attempts.wait_s(key, most=policy.registrations_per_hour, now=now)
    if wait_s:
        raise TooManyRequests(
            f"Too many programs were registered from your address. Try again in {wait_s} seconds.",
            retry_after_s=wait_s,
        )
    sv.attempts.failed(key, window_s=3600, now=now)
    client = _read_metadata(metadata, insecure=insecure, at=now)
    secret = None if client.is_public else ids.new_secret(SECRET_PREFIX)
    if secret is not None:
        client = replace(client, secret_hash=ids.hash_secret(secret))
    with sv.db.write() as tx:
        if client_rows.count_ownerless(tx) >= MAX_REGISTERED:
            raise TooManyRequests(
                "Too many programs are registered. Try again tomorrow.", retry_after_s=86400
            )
        client_rows.insert_client(tx, client)
        audit.record(
            tx,
            at=now,
            actor=viewer.name or "anonymous",
            action="oauth.register",
            subject=client.client_id,
            name=client.name,
        )
    return NewClient(client, secret)


def _read_metadata(metadata: Mapping[str, object], *, insecure: bool, at: datetime) -> OauthClient:
    # Loaded with the first program that registers.
    from authlib.oauth2.rfc7591.claims import ClientMetadataClaims
    from joserfc.errors import JoseError

    try:
        claims = ClientMetadataClaims(dict(metadata), {})
        claims.validate()
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        raise OauthRefused(
            "invalid_client_metadata", f"The client's metadata is not valid: {error}"
        ) from error
    grants = _texts(metadata, "grant_types") or [CODE_GRANT, REFRESH_GRANT]
    kept = [each for each in grants if each in _GRANTS]
    if not kept or kept == [REFRESH_GRANT]:
        raise OauthRefused("invalid_client_metadata", f"'grant_types' must be of: {', '.join(_GRANTS)}.")
    if set(_texts(metadata, "response_types") or ["code"]) != {"code"}:
        raise OauthRefused("invalid_client_metadata", "'response_types' must be ['code'].")
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in _METHODS:
        raise OauthRefused(
            "invalid_client_metadata", f"'token_endpoint_auth_method' must be one of: {', '.join(_METHODS)}."
        )
    uris = _texts(metadata, "redirect_uris")
    if CODE_GRANT in kept and not uris:
        raise OauthRefused("invalid_redirect_uri", "'redirect_uris' is missing.")
    try:
        redirects = check_redirects(uris, insecure=insecure)
    except BadRequest as error:
        raise OauthRefused("invalid_redirect_uri", error.message) from error
    scope = metadata.get("scope", "")
    # What this hub does not know of is left out: a program asks hubs of all kinds for the same.
    scopes = [each for each in scope.split() if each in SCOPE_PERMISSIONS] if isinstance(scope, str) else []
    try:
        name = check_line(_text(metadata, "client_name"), "name", 120) or "Unnamed program"
    except BadRequest as error:
        raise OauthRefused("invalid_client_metadata", error.message) from error
    return OauthClient(
        client_id=str(uuid.uuid4()),
        name=name,
        is_public=method == "none",
        device_flow=DEVICE_GRANT in kept,
        scopes=tuple(sorted(set(scopes))),
        redirect_uris=redirects,
        secret_hash=None,
        owner_id=None,
        details={"uri": _home(_text(metadata, "client_uri")), "method": method, "grants": kept},
        created_at=at,
    )


# --- a person's own programs --------------------------------------------------------------------------------


def list_apps(sv: Services, viewer: Viewer) -> list[OauthClient]:
    """Return the programs that the viewer registered. Opens a read unit. Raises: Unauthorized, Forbidden."""
    with sv.db.read() as tx:
        return client_rows.list_clients_of(tx, _owner(viewer))


def get_app(sv: Services, viewer: Viewer, *, client_id: str) -> OauthClient:
    """Return one program that the viewer registered. Opens a read unit. Raises: NotFound, Unauthorized, Forbidden."""
    owner_id = _owner(viewer)
    with sv.db.read() as tx:
        client = client_rows.get_client(tx, client_id)
    if client is None or client.owner_id != owner_id:
        raise NotFound("You have no such application.")
    return client


def create_app(sv: Services, viewer: Viewer, form: AppForm, *, insecure: bool) -> NewClient:
    """Register a program of the viewer's. Opens a write unit.

    Raises: BadRequest, Conflict for too many, Unauthorized, Forbidden.
    """
    owner_id = _owner(viewer)
    secret = None if form.is_public else ids.new_secret(SECRET_PREFIX)
    now = sv.clock.now()
    client = OauthClient(
        client_id=str(uuid.uuid4()),
        name=_check_name(form.name),
        is_public=form.is_public,
        device_flow=form.device_flow,
        scopes=_check_scopes(form.scopes),
        redirect_uris=check_redirects(form.redirect_uris, insecure=insecure),
        secret_hash=None if secret is None else ids.hash_secret(secret),
        owner_id=owner_id,
        details={"uri": _home(form.uri)},
        created_at=now,
    )
    if not client.redirect_uris and not client.device_flow:
        raise BadRequest("Give at least one redirect address, or allow the device flow.")
    with sv.db.write() as tx:
        if len(client_rows.list_clients_of(tx, owner_id)) >= MAX_APPS:
            raise Conflict(f"You have {MAX_APPS} applications already. Delete one first.")
        client_rows.insert_client(tx, client)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="oauth_app.create",
            subject=client.client_id,
            name=client.name,
        )
    return NewClient(client, secret)


def update_app(sv: Services, viewer: Viewer, form: AppForm, *, client_id: str, insecure: bool) -> OauthClient:
    """Change a program of the viewer's; whether it is public stays. Opens a read, then a write unit.

    Raises: NotFound, BadRequest, Unauthorized, Forbidden.
    """
    before = get_app(sv, viewer, client_id=client_id)
    after = replace(
        before,
        name=_check_name(form.name),
        scopes=_check_scopes(form.scopes),
        redirect_uris=check_redirects(form.redirect_uris, insecure=insecure),
        device_flow=form.device_flow,
        details={**before.details, "uri": _home(form.uri)},
    )
    with sv.db.write() as tx:
        client_rows.update_client(
            tx,
            client_id,
            name=after.name,
            scopes=list(after.scopes),
            redirect_uris=list(after.redirect_uris),
            device_flow=after.device_flow,
            details=dict(after.details),
        )
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="oauth_app.update",
            subject=client_id,
            name=after.name,
        )
    return after


def renew_secret(sv: Services, viewer: Viewer, *, client_id: str) -> NewClient:
    """Give a program of the viewer's a new secret; the old one ends at once. Opens a read, then a write unit.

    Raises: NotFound, BadRequest for a public one, Unauthorized, Forbidden.
    """
    client = get_app(sv, viewer, client_id=client_id)
    if client.is_public:
        raise BadRequest("This application is public and has no secret.")
    secret = ids.new_secret(SECRET_PREFIX)
    with sv.db.write() as tx:
        client_rows.update_client(tx, client_id, secret_hash=ids.hash_secret(secret))
        audit.record(
            tx, at=sv.clock.now(), actor=viewer.name, action="oauth_app.renew_secret", subject=client_id
        )
    return NewClient(client, secret)


def count_people(sv: Services, viewer: Viewer, *, client_id: str) -> int:
    """Return how many people would be signed out with a program of the viewer's. Opens read units.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    client = get_app(sv, viewer, client_id=client_id)
    with sv.db.read() as tx:
        return client_rows.count_people(tx, client.client_id)


def delete_app(sv: Services, viewer: Viewer, *, client_id: str) -> None:
    """Remove a program of the viewer's; everybody it signed in is signed out. Opens a read, then a write unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    client = get_app(sv, viewer, client_id=client_id)
    with sv.db.write() as tx:
        client_rows.delete_client(tx, client_id)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="oauth_app.delete",
            subject=client_id,
            name=client.name,
        )


def _owner(viewer: Viewer) -> int:
    require_writer(viewer)
    if viewer.user_id is None:
        raise Forbidden("Applications belong to people: sign in as one.")
    return viewer.user_id


def _check_name(name: str) -> str:
    line = check_line(name, "name", 120)
    if not line:
        raise BadRequest("The application needs a name.")
    return line


def _check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    try:
        return check_scope(" ".join(scopes))
    except OauthRefused as error:
        raise BadRequest(error.message) from error


def _home(uri: str) -> str:
    """Return a program's home page if it can be linked to, else nothing."""
    return uri if uri.startswith(("https://", "http://")) and is_safe_redirect(uri) else ""


def _text(metadata: Mapping[str, object], name: str) -> str:
    value = metadata.get(name, "")
    return value if isinstance(value, str) else ""


def _texts(metadata: Mapping[str, object], name: str) -> list[str]:
    value = metadata.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise OauthRefused("invalid_client_metadata", f"'{name}' must be a list of texts.")
    return value

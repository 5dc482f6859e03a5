"""Signing in programs by OAuth: the device flow, refreshing with rotation, and who the token belongs to.

Refusals are `OauthRefused` with the words of RFC 6749 and RFC 8628. The authorization-code flow is not here.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from openhood.base.errors import BadRequest, NotFound, OauthRefused, TooManyRequests
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import credential_rows, oauth_rows, rows
from openhood.domain.accounts.rules import require_writer
from openhood.domain.accounts.types import DeviceRequest, DeviceStart, IssuedTokens, OauthClient
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

# What `hf auth login` sends. Source: huggingface_hub ``constants.py::DEVICE_CODE_OAUTH_CLIENT_ID``.
CLIENT_ID_OF_HF = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"

ACCESS_PREFIX = "hf_oauth_"
REFRESH_PREFIX = "hf_refresh_"
DEVICE_LIFE = timedelta(minutes=15)
POLL_INTERVAL_S = 5
# Clients refresh on every call once less than a day is left, so much more than that.
ACCESS_LIFE = timedelta(days=30)
REFRESH_LIFE = timedelta(days=90)
# Several processes may refresh at once with the same token.
REFRESH_GRACE = timedelta(seconds=120)
# And those that read the old access token before keep it in memory for a while.
ACCESS_GRACE = timedelta(hours=24)
MAX_CODE_FAILURES = 20

# No vowels, so no words; no look-alikes.
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

# What a scope lets a token do, in the names of fine-grained permissions. Source: hub-docs `oauth`.
SCOPE_PERMISSIONS = {
    "openid": (),
    "profile": (),
    "email": (),
    "read-billing": (),
    "read-memberships": ("org.read",),
    "read-repos": ("repo.content.read",),
    "gated-repos": (),
    "contribute-repos": ("repo.content.read", "discussion.write"),
    "write-repos": ("repo.content.read", "repo.write"),
    "manage-repos": ("repo.content.read", "repo.write"),
    "read-collections": ("collection.read",),
    "write-collections": ("collection.read", "collection.write"),
    "write-discussions": ("discussion.write",),
    "inference-api": ("inference.serverless.write",),
    "read-endpoints": (),
    "write-endpoints": ("inference.endpoints.write",),
    "jobs": ("job.write",),
    "webhooks": ("user.webhooks.read", "user.webhooks.write"),
}


def ensure_builtin_clients(sv: Services) -> None:
    """Register the client that ``hf auth login`` uses; does nothing the second time. Opens a write unit at first."""
    with sv.db.read() as tx:
        if oauth_rows.get_client(tx, CLIENT_ID_OF_HF) is not None:
            return
    with sv.db.write() as tx:
        oauth_rows.add_client(
            tx, client_id=CLIENT_ID_OF_HF, name="Hugging Face CLI", device_flow=True, at=sv.clock.now()
        )


def start_device_flow(sv: Services, *, client_id: str, scope: str) -> DeviceStart:
    """Begin a device sign-in. Opens a read unit, then a write unit.

    Raises: OauthRefused (``invalid_client``, ``unauthorized_client``, ``invalid_scope``).
    """
    client = _get_client(sv, client_id)
    if not client.device_flow:
        raise OauthRefused("unauthorized_client", "This client may not use the device flow.")
    scopes = check_scope(scope)
    now = sv.clock.now()
    device_code = ids.new_secret("hf_device_")
    with sv.db.write() as tx:
        oauth_rows.delete_expired(tx, now=now)
        for _ in range(5):
            user_code = "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))
            if oauth_rows.insert_grant(
                tx,
                device_hash=ids.hash_secret(device_code),
                user_code=user_code,
                client_id=client.client_id,
                scope=" ".join(scopes),
                interval_s=POLL_INTERVAL_S,
                at=now,
                expires_at=now + DEVICE_LIFE,
            ):
                return DeviceStart(
                    device_code, show_code(user_code), int(DEVICE_LIFE.total_seconds()), POLL_INTERVAL_S
                )
    raise OauthRefused("temporarily_unavailable", "No free code was found. Try again.")


def see_device_request(sv: Services, viewer: Viewer, *, user_code: str) -> DeviceRequest:
    """Return what a person is asked to approve. Opens a read unit.

    Raises: Unauthorized, Forbidden with a token that may not write, NotFound for a code nobody waits for,
    TooManyRequests after many wrong ones.
    """
    require_writer(viewer)
    key = f"device code {viewer.user_id}"
    now = sv.clock.now()
    wait_s = sv.attempts.wait_s(key, most=MAX_CODE_FAILURES, now=now)
    if wait_s:
        raise TooManyRequests(f"Too many wrong codes. Try again in {wait_s} seconds.", retry_after_s=wait_s)
    code = read_code(user_code)
    with sv.db.read() as tx:
        grant = oauth_rows.find_grant(tx, code)
        client = None if grant is None else oauth_rows.get_client(tx, grant.client_id)
    if grant is None or client is None or grant.status != "pending" or grant.expires_at <= now:
        sv.attempts.failed(key, window_s=600, now=now)
        raise NotFound(
            "No program waits for this code. Codes are valid for 15 minutes; check it or start again."
        )
    return DeviceRequest(
        show_code(grant.user_code),
        client.name,
        tuple(grant.scope.split()),
        grant.created_at,
        grant.expires_at,
    )


def answer_device_request(sv: Services, viewer: Viewer, *, user_code: str, approve: bool) -> DeviceRequest:
    """Approve or deny a device sign-in from a browser session. Opens a read unit, then a write unit.

    Raises: what `see_device_request` raises; BadRequest with a token, which must not beget another.
    """
    if viewer.token is not None or viewer.user_id is None:
        raise BadRequest("A program can be approved in the browser only.")
    request = see_device_request(sv, viewer, user_code=user_code)
    with sv.db.write() as tx:
        status: oauth_rows.Status = "approved" if approve else "denied"
        code = read_code(user_code)
        if not oauth_rows.answer_grant(tx, code, status=status, user_id=viewer.user_id):
            raise NotFound("This code was answered already.")
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action=f"oauth.device_{status}",
            subject=viewer.name,
            client=request.client_name,
        )
    return request


def redeem_device_code(sv: Services, *, client_id: str, device_code: str) -> IssuedTokens:
    """Exchange an approved device code for tokens, once. Opens a read unit, then a write unit.

    Raises: OauthRefused (``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``,
    ``invalid_grant``, ``invalid_client``).
    """
    client = _get_client(sv, client_id)
    device_hash = ids.hash_secret(device_code)
    now = sv.clock.now()
    refusal: OauthRefused | None = None
    with sv.db.write() as tx:
        grant = oauth_rows.get_grant(tx, device_hash)
        if grant is None or grant.client_id != client.client_id:
            raise OauthRefused("invalid_grant", "The device code is unknown or was used already.")
        if grant.expires_at <= now:
            oauth_rows.delete_grant(tx, device_hash)
            refusal = OauthRefused("expired_token", "The device code has expired. Start again.")
        elif grant.status == "denied":
            oauth_rows.delete_grant(tx, device_hash)
            refusal = OauthRefused("access_denied", "The request was denied.")
        elif grant.status == "pending":
            refusal = _wait(tx, device_hash, grant, now)
        else:
            oauth_rows.delete_grant(tx, device_hash)
            assert grant.user_id is not None
            oauth_rows.delete_expired(tx, now=now, user_id=grant.user_id)
            return _issue(
                sv, tx, user_id=grant.user_id, client=client, scope=grant.scope, family=ids.new_hex_id()
            )
    raise refusal


def refresh(sv: Services, *, client_id: str, refresh_token: str) -> IssuedTokens:
    """Exchange a refresh token for new tokens; the old one works for two more minutes. Opens a read and a write unit.

    One that comes back later was stolen from, or by, somebody: the whole sign-in ends.
    Raises: OauthRefused (``invalid_grant``, ``invalid_client``).
    """
    client = _get_client(sv, client_id)
    secret_hash = ids.hash_secret(refresh_token)
    now = sv.clock.now()
    with sv.db.write() as tx:
        known = oauth_rows.get_refresh_token(tx, secret_hash)
        owner = None if known is None else rows.get_account_by_id(tx, known.user_id)
        if known is None or owner is None or not owner.is_active or known.client_id != client.client_id:
            raise OauthRefused("invalid_grant", "The refresh token is unknown or was revoked. Log in again.")
        if known.expires_at <= now:
            raise OauthRefused("invalid_grant", "The refresh token has expired. Log in again.")
        if known.replaced_at is None or now - known.replaced_at <= REFRESH_GRACE:
            oauth_rows.set_replaced(tx, secret_hash, at=now)
            oauth_rows.shorten_access_tokens(tx, known.family, expires_at=now + ACCESS_GRACE)
            return _issue(
                sv, tx, user_id=known.user_id, client=client, scope=known.scope, family=known.family
            )
        credential_rows.delete_family(tx, known.family)
        audit.record(
            tx, at=now, actor=owner.name, action="oauth.reuse", subject=owner.name, client=client.name
        )
    raise OauthRefused(
        "invalid_grant", "This refresh token was used before, so the sign-in was revoked. Log in again."
    )


def check_scope(scope: str) -> tuple[str, ...]:
    """Return the scopes of a space-separated list, sorted. Raises OauthRefused (``invalid_scope``)."""
    scopes = sorted(set(scope.split()))
    for each in scopes:
        if each not in SCOPE_PERMISSIONS:
            raise OauthRefused("invalid_scope", f"Unknown scope {each[:60]!r}.")
    return tuple(scopes)


def show_code(user_code: str) -> str:
    """Return a user code as people read it: ``BCDF-GHJK``."""
    return f"{user_code[:4]}-{user_code[4:]}"


def read_code(text: str) -> str:
    """Return a user code as stored, however it was typed; something no code is where it cannot be one."""
    code = "".join(character for character in text.upper() if character.isascii() and character.isalpha())
    return code if len(code) == 8 else "-"


def _get_client(sv: Services, client_id: str) -> OauthClient:
    with sv.db.read() as tx:
        client = oauth_rows.get_client(tx, client_id)
    if client is None:
        raise OauthRefused("invalid_client", "The client_id is not registered with this hub.")
    return client


def _wait(tx: Tx, device_hash: str, grant: oauth_rows.DeviceGrant, now: datetime) -> OauthRefused:
    interval_s = grant.interval_s
    # A second of tolerance: the device's clock and the network are not exact.
    too_soon = grant.polled_at is not None and now - grant.polled_at < timedelta(seconds=interval_s - 1)
    if too_soon:
        interval_s = min(interval_s + 5, 60)
    oauth_rows.set_polled(tx, device_hash, at=now, interval_s=interval_s)
    if too_soon:
        return OauthRefused("slow_down", f"Poll at most every {interval_s} seconds.")
    return OauthRefused("authorization_pending", "Waiting for approval in the browser.")


def _issue(
    sv: Services, tx: Tx, *, user_id: int, client: OauthClient, scope: str, family: str
) -> IssuedTokens:
    now = sv.clock.now()
    owner = rows.get_account_by_id(tx, user_id)
    if owner is None or not owner.is_active:
        raise OauthRefused("access_denied", "The account is closed.")
    access, renewal = ids.new_secret(ACCESS_PREFIX), ids.new_secret(REFRESH_PREFIX)
    scopes = scope.split()
    credential_rows.insert_token(
        tx,
        user_id=user_id,
        # The name huggingface_hub gives a token without one, and older versions need one.
        display_name=f"oauth-{owner.name}",
        kind="oauth",
        # `hf auth login` asks for no scope and expects to be able to do everything.
        role="fineGrained" if scopes else "write",
        scopes=_scopes_of(scopes) if scopes else None,
        secret=access,
        at=now,
        expires_at=now + ACCESS_LIFE,
        oauth_client_id=client.client_id,
        oauth_family=family,
    )
    oauth_rows.insert_refresh_token(
        tx,
        secret_hash=ids.hash_secret(renewal),
        user_id=user_id,
        client_id=client.client_id,
        scope=scope,
        family=family,
        at=now,
        expires_at=now + REFRESH_LIFE,
    )
    audit.record(tx, at=now, actor=owner.name, action="oauth.issue", subject=owner.name, client=client.name)
    return IssuedTokens(access, renewal, int(ACCESS_LIFE.total_seconds()), scope)


def _scopes_of(scopes: list[str]) -> dict[str, object]:
    allowed = {permission for each in scopes for permission in SCOPE_PERMISSIONS[each]}
    return {"global": sorted(allowed), "scoped": [], "canReadGatedRepos": "gated-repos" in scopes}

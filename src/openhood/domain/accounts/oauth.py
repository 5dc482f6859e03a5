"""Signing in programs by OAuth: issuing tokens, the device flow, refreshing with rotation, and revoking.

Refusals are `OauthRefused` with the words of RFC 6749 and RFC 8628. The authorization-code flow is in `oauth_codes`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from openhood.base.errors import BadRequest, NotFound, OauthRefused, TooManyRequests
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import client_rows, credential_rows, oauth_code_rows, oauth_rows, rows
from openhood.domain.accounts.clients import Credentials, authenticate
from openhood.domain.accounts.oauth_scopes import check_scope, make_grants
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
# Tokens of web applications lie in browsers and sessions, and are refreshed by what is behind them.
APP_ACCESS_LIFE = timedelta(hours=8)
REFRESH_LIFE = timedelta(days=90)
# Several processes may refresh at once with the same token.
REFRESH_GRACE = timedelta(seconds=120)
# And those that read the old access token before keep it in memory for a while.
ACCESS_GRACE = timedelta(hours=24)
MAX_CODE_FAILURES = 20

# No vowels, so no words; no look-alikes.
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


def ensure_builtin_clients(sv: Services) -> None:
    """Register the client that ``hf auth login`` uses; does nothing the second time. Opens a write unit at first."""
    with sv.db.read() as tx:
        if client_rows.get_client(tx, CLIENT_ID_OF_HF) is not None:
            return
    with sv.db.write() as tx:
        client_rows.add_builtin(tx, client_id=CLIENT_ID_OF_HF, name="Hugging Face CLI", at=sv.clock.now())


def start_device_flow(sv: Services, *, credentials: Credentials, scope: str) -> DeviceStart:
    """Begin a device sign-in. Opens a read unit, then a write unit.

    Raises: OauthRefused (``invalid_client``, ``unauthorized_client``, ``invalid_scope``).
    """
    client = authenticate(sv, credentials)
    if not client.device_flow:
        raise OauthRefused("unauthorized_client", "This client may not use the device flow.")
    scopes = choose_scopes(client, scope)
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
        client = None if grant is None else client_rows.get_client(tx, grant.client_id)
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
            owner_id=viewer.user_id,
            client=request.client_name,
        )
    return request


def redeem_device_code(sv: Services, *, credentials: Credentials, device_code: str) -> IssuedTokens:
    """Exchange an approved device code for tokens, once. Opens a read unit, then a write unit.

    Raises: OauthRefused (``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``,
    ``invalid_grant``, ``invalid_client``).
    """
    client = authenticate(sv, credentials)
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
            return issue(
                sv,
                tx,
                user_id=grant.user_id,
                client=client,
                scope=grant.scope,
                org_ids=None,
                family=ids.new_hex_id(),
            )
    raise refusal


def refresh(
    sv: Services, *, credentials: Credentials, refresh_token: str, scope: str | None = None
) -> IssuedTokens:
    """Exchange a refresh token for new tokens; the old one works for two more minutes. Opens a read and a write unit.

    One that comes back later was stolen from, or by, somebody: the whole sign-in ends.
    Args: ``scope`` may name fewer scopes than were granted, for this access token alone.
    Raises: OauthRefused (``invalid_grant``, ``invalid_client``, ``invalid_scope``).
    """
    client = authenticate(sv, credentials)
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
            narrowed = _narrow(known.scope, scope)
            oauth_rows.set_replaced(tx, secret_hash, at=now)
            oauth_rows.shorten_access_tokens(tx, known.family, expires_at=now + ACCESS_GRACE)
            return issue(
                sv,
                tx,
                user_id=known.user_id,
                client=client,
                scope=known.scope,
                org_ids=known.org_ids,
                family=known.family,
                narrowed=narrowed,
            )
        credential_rows.delete_family(tx, known.family)
        audit.record(
            tx,
            at=now,
            actor=owner.name,
            action="oauth.reuse",
            subject=owner.name,
            owner_id=owner.id,
            client=client.name,
        )
    raise OauthRefused(
        "invalid_grant", "This refresh token was used before, so the sign-in was revoked. Log in again."
    )


def revoke(sv: Services, *, credentials: Credentials, token: str) -> None:
    """End the sign-in that an access or refresh token of this client belongs to. Opens a read and a write unit.

    Nothing happens for an unknown token, or another client's. Source: RFC 7009.
    Raises: OauthRefused (``invalid_client``).
    """
    client = authenticate(sv, credentials)
    secret_hash = ids.hash_secret(token)
    with sv.db.write() as tx:
        found = oauth_rows.find_family(tx, secret_hash)
        if found is None or found.client_id != client.client_id:
            return
        credential_rows.delete_family(tx, found.family)
        owner = rows.get_account_by_id(tx, found.user_id)
        name = "" if owner is None else owner.name
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=name,
            action="oauth.revoke",
            subject=name,
            owner_id=found.user_id,
            client=client.name,
        )


def choose_scopes(client: OauthClient, scope: str) -> tuple[str, ...]:
    """Return the scopes a client asks for; the ones it registered where it asks for none.

    Raises: OauthRefused (``invalid_scope``) for an unknown one, or one that the client did not register.
    """
    scopes = check_scope(scope)
    if not client.scopes and client.owner_id is None and client.client_id == CLIENT_ID_OF_HF:
        # `hf auth login` asks for no scope and expects to be able to do everything.
        return scopes
    if not scopes:
        return client.scopes or ("openid", "profile")
    extra = set(scopes) - set(client.scopes) if client.scopes else set()
    if extra:
        raise OauthRefused(
            "invalid_scope", f"This client did not register the scopes: {', '.join(sorted(extra))}."
        )
    return scopes


def sweep_oauth(sv: Services, payload: Mapping[str, object]) -> None:
    """Forget what ended: codes, device sign-ins, tokens of programs, clients nobody used. Opens write units."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        oauth_code_rows.delete_stale(tx, now=now, codes_before=now - timedelta(days=1))
    with sv.db.write() as tx:
        client_rows.delete_unused(tx, before=now - timedelta(days=30), keep=CLIENT_ID_OF_HF, limit=500)


def show_code(user_code: str) -> str:
    """Return a user code as people read it: ``BCDF-GHJK``."""
    return f"{user_code[:4]}-{user_code[4:]}"


def read_code(text: str) -> str:
    """Return a user code as stored, however it was typed; something no code is where it cannot be one."""
    code = "".join(character for character in text.upper() if character.isascii() and character.isalpha())
    return code if len(code) == 8 else "-"


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


def issue(
    sv: Services,
    tx: Tx,
    *,
    user_id: int,
    client: OauthClient,
    scope: str,
    org_ids: Sequence[str] | None,
    family: str,
    narrowed: str | None = None,
) -> IssuedTokens:
    """Add an access token and a refresh token in the caller's unit and return them.

    Args: ``scope`` is empty for everything the person can do; ``org_ids`` are the organizations it reaches, None
    without such a choice; ``narrowed`` are the access token's scopes where they are fewer.
    Raises: OauthRefused (``access_denied``) where the account is closed.
    """
    now = sv.clock.now()
    owner = rows.get_account_by_id(tx, user_id)
    if owner is None or not owner.is_active:
        raise OauthRefused("access_denied", "The account is closed.")
    access, renewal = ids.new_secret(ACCESS_PREFIX), ids.new_secret(REFRESH_PREFIX)
    life = ACCESS_LIFE if org_ids is None else APP_ACCESS_LIFE
    shown = scope if narrowed is None else narrowed
    orgs = None
    if org_ids is not None:
        orgs = oauth_code_rows.pick_orgs([each.org for each in rows.list_memberships(tx, user_id)], org_ids)
    credential_rows.insert_token(
        tx,
        user_id=user_id,
        # The name huggingface_hub gives a token without one, and older versions need one.
        display_name=f"oauth-{owner.name}",
        kind="oauth",
        role="fineGrained" if scope else "write",
        scopes=make_grants(shown.split(), owner=owner, orgs=orgs) if scope else None,
        secret=access,
        at=now,
        expires_at=now + life,
        oauth_client_id=client.client_id,
        oauth_family=family,
    )
    oauth_rows.insert_refresh_token(
        tx,
        secret_hash=ids.hash_secret(renewal),
        user_id=user_id,
        client_id=client.client_id,
        scope=scope,
        org_ids=org_ids,
        family=family,
        at=now,
        expires_at=now + REFRESH_LIFE,
    )
    audit.record(
        tx,
        at=now,
        actor=owner.name,
        action="oauth.issue",
        subject=owner.name,
        owner_id=owner.id,
        client=client.name,
    )
    return IssuedTokens(access, renewal, int(life.total_seconds()), shown)


def _narrow(granted: str, asked: str | None) -> str | None:
    """Return the scopes of one access token, None for all that were granted. Raises OauthRefused."""
    if not asked or not asked.split():
        return None
    scopes = check_scope(asked)
    # What may do everything has no scopes to be narrowed to.
    if not granted or set(scopes) - set(granted.split()):
        raise OauthRefused("invalid_scope", "Refreshing cannot add scopes to what was granted. Log in again.")
    return " ".join(scopes)

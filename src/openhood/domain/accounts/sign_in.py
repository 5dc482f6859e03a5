"""Turning credentials into a `Viewer`, and passwords into browser sessions.

The first two functions run on every request: one statement each, no writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from sqlalchemy import Row

from openhood.base.errors import Forbidden, InvalidCredentials, TooManyRequests, Unauthorized
from openhood.domain import audit
from openhood.domain.access import ANONYMOUS, OrgRole, TokenGrant, Viewer
from openhood.domain.accounts import credential_rows, policies, rows, second_factor
from openhood.domain.accounts.rules import check_password
from openhood.domain.accounts.second_factor import SecondFactorNeeded
from openhood.domain.accounts.tokens import read_grants
from openhood.domain.accounts.types import Account, SessionSecret
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx
from openhood.infra.passwords import hash_password, needs_rehash, verify_password

SESSION_LIFE = timedelta(days=30)
MAX_FAILURES = 10
FAILURE_WINDOW_S = 300.0
MAX_WRONG_TOKENS = 100
# A use is written down again only when the row's date is at least this old.
_USE_AGE = timedelta(seconds=60)


def by_token(sv: Services, secret: str) -> Viewer:
    """Return the viewer of an access token. Opens a read unit. Raises: InvalidCredentials."""
    now = sv.clock.now()
    with sv.db.read() as tx:
        found = credential_rows.find_token_owner(tx, ids.hash_secret(secret))
    if not found:
        raise InvalidCredentials
    row = found[0]
    if row.expires_at is not None and row.expires_at <= now:
        raise InvalidCredentials
    if row.last_used_at is None or now - row.last_used_at > _USE_AGE:
        sv.token_uses.note(row.token_id, now)
    everywhere, scoped, can_read_gated = read_grants(row.scopes)
    grant = TokenGrant(
        id=row.token_id,
        display_name=row.display_name,
        kind=row.kind,
        role=row.role,
        created_at=row.created_at,
        expires_at=row.expires_at,
        global_permissions=everywhere,
        scoped=scoped,
        can_read_gated=can_read_gated,
    )
    denied = frozenset(
        each.org_id
        for each in found
        if each.org_id is not None
        and not policies.lets_in(
            policies.read_policy(each.token_policy),
            grant,
            org_key=each.org_key,
            approval=each.approval,
            is_service=each.user_kind == "service",
            now=now,
        )
    )
    return _viewer(found, replace(grant, denied_orgs=denied) if denied else grant)


def refuse_token(sv: Services, secret: str, *, address: str) -> NoReturn:
    """Refuse a token that `by_token` did not know, and slow down who tries many different ones.

    One wrong token sent over and over counts once: that is a program left behind, nobody guesses with it. Right
    tokens from the same address keep working, since many people may share one. Raises: InvalidCredentials,
    TooManyRequests.
    """
    now = sv.clock.now()
    guesses = f"tokens from {address}"
    wait_s = sv.attempts.wait_s(guesses, most=MAX_WRONG_TOKENS, now=now)
    if wait_s:
        raise TooManyRequests(
            f"Too many wrong tokens came from your address. Try again in {wait_s} seconds.",
            retry_after_s=wait_s,
        )
    this_one = f"token {ids.hash_secret(secret)} from {address}"
    if not sv.attempts.wait_s(this_one, most=1, now=now):
        sv.attempts.failed(this_one, window_s=FAILURE_WINDOW_S, now=now)
        sv.attempts.failed(guesses, window_s=FAILURE_WINDOW_S, now=now)
    raise InvalidCredentials


def by_session(sv: Services, secret: str) -> Viewer:
    """Return the viewer of a browser session; a session that ended is nobody's. Opens a read unit.

    Browsers send cookies without being asked: one that outlived its session must not lock its owner out of public
    pages and of the sign-in page, as a wrong token in a header should.
    """
    with sv.db.read() as tx:
        found = credential_rows.find_session_owner(tx, ids.hash_secret(secret))
    if not found or found[0].expires_at <= sv.clock.now():
        return ANONYMOUS
    return _viewer(found, None)


def by_number(tx: Tx, user_id: int) -> Viewer | None:
    """Return an active account as a viewer without a token, to ask what it may know of. In the caller's unit."""
    found = credential_rows.find_person(tx, user_id)
    return _viewer(found, None) if found else None


def sign_in_with_password(
    sv: Services, *, name_or_email: str, password: str, user_agent: str = ""
) -> SessionSecret:
    """Check a password and begin a browser session. Opens a read unit, then a write unit.

    Raises: InvalidCredentials; TooManyRequests after ten failures within five minutes; SecondFactorNeeded where a
    code has to follow, see `sign_in_with_code`.
    """
    account, stored = _check_password(sv, name_or_email, password)
    with sv.db.read() as tx:
        is_half = second_factor.is_on(tx, account.id)
    if is_half:
        raise SecondFactorNeeded(second_factor.make_pass(sv, account, stored))
    better = hash_password(password) if needs_rehash(stored) else None
    now = sv.clock.now()
    with sv.db.write() as tx:
        if better is not None:
            rows.update_account(tx, account.id, password_hash=better)
        credential_rows.delete_sessions_of(tx, account.id, expired_at=now)
        session = begin_session(sv, tx, account, user_agent=user_agent)
        audit.record(
            tx, at=now, actor=account.name, action="session.create", subject=account.name, owner_id=account.id
        )
    return session


def sign_in_with_code(sv: Services, *, step_pass: str, code: str, user_agent: str = "") -> SessionSecret:
    """Finish what `sign_in_with_password` began with the code of a second factor. Opens units of its own.

    Raises: Unauthorized where the first step is too long ago; InvalidCredentials, TooManyRequests.
    """
    account = second_factor.take_pass(sv, step_pass, code=code)
    now = sv.clock.now()
    with sv.db.write() as tx:
        credential_rows.delete_sessions_of(tx, account.id, expired_at=now)
        session = begin_session(sv, tx, account, user_agent=user_agent)
        audit.record(
            tx, at=now, actor=account.name, action="session.create", subject=account.name, owner_id=account.id
        )
    return session


def check_own_password(sv: Services, viewer: Viewer, password: str) -> None:
    """Make sure that the person in a session is still its owner. Opens a read unit.

    Accounts without a password pass: there is nothing to ask for. Raises: InvalidCredentials, TooManyRequests.
    """
    if viewer.user_id is None:
        return
    with sv.db.read() as tx:
        stored = rows.get_password_hash(tx, viewer.user_id)
    if stored is not None:
        _check_password(sv, viewer.name, password)


def begin_session(sv: Services, tx: Tx, account: Account, *, user_agent: str) -> SessionSecret:
    """Add a browser session of an account in the caller's unit."""
    now = sv.clock.now()
    session = SessionSecret(ids.new_secret("ohs_"), now + SESSION_LIFE)
    credential_rows.insert_session(
        tx,
        secret_hash=ids.hash_secret(session.secret),
        user_id=account.id,
        user_agent=user_agent,
        at=now,
        expires_at=session.expires_at,
    )
    return session


def sign_out(sv: Services, secret: str) -> None:
    """End a browser session; nothing happens where there is none. Opens a write unit."""
    with sv.db.write() as tx:
        credential_rows.delete_session(tx, ids.hash_secret(secret))


def change_password(sv: Services, viewer: Viewer, *, old: str, new: str) -> None:
    """Change one's own password, from a browser session; ends all sessions. Opens a read, then a write unit.

    Raises: Unauthorized, Forbidden with a token, InvalidCredentials, TooManyRequests, BadRequest.
    """
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to change your password.")
    if viewer.token is not None or viewer.user_id is None:
        raise Forbidden("A password can be changed in the browser only.")
    account, _stored = _check_password(sv, viewer.name, old)
    hashed = hash_password(check_password(new))
    with sv.db.write() as tx:
        rows.update_account(tx, account.id, password_hash=hashed)
        credential_rows.delete_sessions_of(tx, account.id)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=account.name,
            action="user.set_password",
            subject=account.name,
            owner_id=account.id,
        )


def _check_password(sv: Services, name_or_email: str, password: str) -> tuple[Account, str]:
    """Return the account and its stored hash. Raises InvalidCredentials, TooManyRequests."""
    key = f"password {name_or_email.strip().lower()[:320]}"
    wait_s = sv.attempts.wait_s(key, most=MAX_FAILURES, now=sv.clock.now())
    if wait_s:
        raise TooManyRequests(
            f"Too many failed attempts to sign in. Try again in {wait_s} seconds.", retry_after_s=wait_s
        )
    with sv.db.read() as tx:
        account = _find(tx, name_or_email.strip())
        stored = None if account is None else rows.get_password_hash(tx, account.id)
    # A long password would make every attempt as expensive as its sender likes.
    good = verify_password(stored, password[:1001])
    if account is None or stored is None or not good:
        sv.attempts.failed(key, window_s=FAILURE_WINDOW_S, now=sv.clock.now())
        raise InvalidCredentials("Wrong name or password.")
    sv.attempts.succeeded(key)
    return account, stored


def _find(tx: Tx, name_or_email: str) -> Account | None:
    if "@" in name_or_email:
        account = rows.get_account_by_email(tx, name_or_email.lower())
    else:
        account = rows.get_account(tx, name_or_email)
    return account if account is not None and account.is_active and account.kind == "user" else None


def _viewer(found: Sequence[Row[*tuple[Any, ...]]], token: TokenGrant | None) -> Viewer:
    row = found[0]
    denied = frozenset() if token is None else token.denied_orgs
    # Where an organization does not let the token in, it acts as one of a stranger.
    inside = [each for each in found if each.org_id is not None and each.org_id not in denied]
    return Viewer(
        user_id=row.user_id,
        hex_id=row.user_hex_id,
        name=row.name,
        fullname=row.fullname,
        email=row.email,
        avatar_url=row.avatar_url,
        is_admin=row.is_admin,
        roles={each.org_id: OrgRole.from_label(each.org_role) or OrgRole.NO_ACCESS for each in inside},
        group_roles={
            each.group_id: OrgRole.from_label(each.group_role) or OrgRole.NO_ACCESS
            for each in inside
            if each.group_id is not None
        },
        ungrouped_orgs=frozenset(each.org_id for each in inside if not each.has_groups),
        is_service=row.user_kind == "service",
        token=token,
    )

"""The second factor at sign-in: codes that change every half minute (TOTP, RFC 6238), and recovery codes.

It stands between the password and a browser session only: tokens, git and single sign-on have their own keepers.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
from dataclasses import dataclass
from datetime import datetime

from openhood.base.errors import (
    Conflict,
    Forbidden,
    HubError,
    InvalidCredentials,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from openhood.domain import audit, links
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows, rules, second_factor_rows
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

STEP_S = 30
LATE_STEPS = 1
"""Codes of so many steps before and after now count too: clocks differ, and people type slowly."""
RECOVERY_CODES = 10
PASS_LIFE_S = 300
MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
MAX_SESSIONS = 500
SESSION_ID_CHARS = 24
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_SEAL = "second factor"
_PASS = "sign-in second step"


class SecondFactorNeeded(HubError):
    """The password is right; a code has to follow. ``step_pass`` says so to the next request."""

    status = 401

    def __init__(self, step_pass: str) -> None:
        super().__init__("This account asks for a second factor. Enter the code of your authenticator.")
        self.step_pass = step_pass


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret to be put into an authenticator, in three forms; ``svg`` is a QR code of ``uri``."""

    secret: str
    uri: str
    svg: str


@dataclass(frozen=True, slots=True)
class FactorState:
    """Whether a second factor is asked for, since when, and how many recovery codes are left."""

    is_on: bool
    since: datetime | None
    codes_left: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser session as its owner sees it."""

    id: str
    user_agent: str
    created_at: datetime
    expires_at: datetime
    is_current: bool


def see_state(sv: Services, viewer: Viewer) -> FactorState:
    """Return one's own second factor. Opens a read unit. Raises Unauthorized."""
    user = _require_user(viewer)
    with sv.db.read() as tx:
        found = second_factor_rows.get_factor(tx, user)
        if found is None or found.confirmed_at is None:
            return FactorState(False, None, 0)
        return FactorState(True, found.confirmed_at, second_factor_rows.count_codes(tx, user))


def enrol(sv: Services, viewer: Viewer, *, issuer: str) -> Enrolment:
    """Begin to set up a second factor: nothing is asked for before `confirm`. Opens a write unit.

    Args: ``issuer`` is the hub's name as an authenticator shows it.
    Raises: Unauthorized, Forbidden with a token, Conflict where there is one already.
    """
    user = _require_session(viewer)
    # Loaded for those who use it, as is `segno` below.
    import pyotp

    secret = pyotp.random_base32()
    sealed = links.seal(sv, secret, purpose=_SEAL)
    with sv.db.write() as tx:
        known = second_factor_rows.get_factor(tx, user)
        if known is not None and known.confirmed_at is not None:
            raise Conflict("You have a second factor already. Switch it off first.")
        second_factor_rows.put_unconfirmed(tx, user, secret=sealed, at=sv.clock.now())
    return _enrolment(viewer, secret, issuer=issuer)


def see_enrolment(sv: Services, viewer: Viewer, *, issuer: str) -> Enrolment | None:
    """Return what was begun by `enrol` and not confirmed, after a slip of the hand; None where there is no such thing.

    Opens a read unit. *Args* as for `enrol`. *Raises* Unauthorized, Forbidden with a token.
    """
    user = _require_session(viewer)
    with sv.db.read() as tx:
        known = second_factor_rows.get_factor(tx, user)
    if known is None or known.confirmed_at is not None:
        return None
    return _enrolment(viewer, links.unseal(sv, known.secret, purpose=_SEAL), issuer=issuer)


def _enrolment(viewer: Viewer, secret: str, *, issuer: str) -> Enrolment:
    import pyotp

    uri = pyotp.TOTP(secret).provisioning_uri(name=viewer.name, issuer_name=issuer.replace(":", " "))
    return Enrolment(secret, uri, _draw(uri))


def confirm(sv: Services, viewer: Viewer, *, code: str, session: str | None) -> tuple[str, ...]:
    """Switch the second factor on, by a code that proves the secret arrived; returns the recovery codes, this once.

    Ends every other browser session, which began without it. Opens a read unit, then a write unit.
    Args: ``session`` is the secret of the session that stays.
    Raises: Unauthorized, Forbidden, NotFound where nothing was begun, InvalidCredentials, TooManyRequests.
    """
    user = _require_session(viewer)
    _check_throttle(sv, user)
    with sv.db.read() as tx:
        known = second_factor_rows.get_factor(tx, user)
    if known is None or known.confirmed_at is not None:
        raise NotFound("There is no second factor to confirm. Begin anew.")
    step = _step_of(sv, known.secret, code)
    if step is None:
        raise _wrong(sv, user)
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    now = sv.clock.now()
    with sv.db.write() as tx:
        if not second_factor_rows.use_step(tx, user, secret=known.secret, step=step):
            raise _wrong(sv, user)
        second_factor_rows.confirm(tx, user, at=now)
        second_factor_rows.replace_codes(tx, user, [_hash(code) for code in codes])
        kept = None if session is None else ids.hash_secret(session)
        second_factor_rows.delete_other_sessions(tx, user, keep_hash=kept)
        audit.record(
            tx, at=now, actor=viewer.name, action="user.second_factor_on", subject=viewer.name, owner_id=user
        )
    sv.attempts.succeeded(_key(user))
    return codes


def switch_off(sv: Services, viewer: Viewer, *, code: str) -> None:
    """Ask for no second factor any more, by a last code. Opens units. Raises: what `check_code` raises, Forbidden."""
    user = _require_session(viewer)
    check_code(sv, user, code)
    with sv.db.write() as tx:
        second_factor_rows.delete_factor(tx, user)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="user.second_factor_off",
            subject=viewer.name,
            owner_id=user,
        )


def renew_codes(sv: Services, viewer: Viewer, *, code: str) -> tuple[str, ...]:
    """Return new recovery codes in place of the old ones. Opens units. Raises: what `check_code` raises, Forbidden."""
    user = _require_session(viewer)
    check_code(sv, user, code)
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    with sv.db.write() as tx:
        second_factor_rows.replace_codes(tx, user, [_hash(each) for each in codes])
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="user.recovery_codes",
            subject=viewer.name,
            owner_id=user,
        )
    return codes


def reset(sv: Services, viewer: Viewer, *, user: str) -> bool:
    """Take a user's second factor away, who lost it, as an administrator; tells whether there was one.

    Opens a write unit. Raises: Forbidden, NotFound.
    """
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = rules.get_user(tx, user)
        done = second_factor_rows.delete_factor(tx, account.id)
        if done:
            audit.record(
                tx,
                at=now,
                actor=viewer.name,
                action="user.second_factor_reset",
                subject=account.name,
                owner_id=account.id,
            )
    return done


# --- at sign-in -----------------------------------------------------------------------------------


def is_on(tx: Tx, user: int) -> bool:
    """Tell whether a user's sign-in asks for a second factor; in the caller's unit."""
    found = second_factor_rows.get_factor(tx, user)
    return found is not None and found.confirmed_at is not None


def make_pass(sv: Services, account: Account, stored: str) -> str:
    """Return what carries a right password to the second step: short-lived, and dead once the password changes.

    Args: ``stored`` is the password's hash.
    """
    facts: links.Facts = {"user": account.id, "password": _fingerprint(stored)}
    return links.make_token(sv, purpose=_PASS, facts=facts, lifetime_s=PASS_LIFE_S)


def take_pass(sv: Services, step_pass: str, *, code: str) -> Account:
    """Return whose password and code were right. Opens a read unit, then a write unit.

    Raises: Unauthorized where the first step is too long ago; InvalidCredentials, TooManyRequests.
    """
    try:
        facts = links.check_token(sv, step_pass, purpose=_PASS)
    except (links.BadLink, links.ExpiredLink):
        raise _begin_anew() from None
    user = int(facts["user"])
    with sv.db.read() as tx:
        account = rows.get_account_by_id(tx, user)
        stored = rows.get_password_hash(tx, user)
    if account is None or not account.is_active or stored is None:
        raise _begin_anew()
    if not hmac.compare_digest(_fingerprint(stored), str(facts["password"])):
        raise _begin_anew()
    check_code(sv, user, code)
    return account


def check_code(sv: Services, user: int, code: str) -> None:
    """Let a code of the authenticator or a recovery code count, once. Opens a read unit, then a write unit.

    Raises: InvalidCredentials; TooManyRequests after five failures within five minutes; NotFound without a factor.
    """
    _check_throttle(sv, user)
    now = sv.clock.now()
    with sv.db.read() as tx:
        known = second_factor_rows.get_factor(tx, user)
    if known is None or known.confirmed_at is None:
        raise NotFound("This account has no second factor.")
    step = _step_of(sv, known.secret, code)
    with sv.db.write() as tx:
        if step is not None:
            good = second_factor_rows.use_step(tx, user, secret=known.secret, step=step)
        else:
            good = second_factor_rows.use_code(tx, user, _hash(code), at=now)
    if not good:
        raise _wrong(sv, user)
    sv.attempts.succeeded(_key(user))


# --- sessions ---------------------------------------------------------------------------------------


def list_sessions(sv: Services, viewer: Viewer, *, current: str | None) -> list[OpenSession]:
    """Return one's own browser sessions, the newest first. Opens a read unit.

    Args: ``current`` is the secret of the session that asks. Raises: Unauthorized, Forbidden with a weak token.
    """
    user = _require_user(viewer)
    rules.require_writer(viewer)
    here = None if current is None else ids.hash_secret(current)
    with sv.db.read() as tx:
        found = second_factor_rows.list_sessions(tx, user, now=sv.clock.now(), limit=MAX_SESSIONS)
    return [
        OpenSession(
            each.secret_hash[:SESSION_ID_CHARS],
            each.user_agent,
            each.created_at,
            each.expires_at,
            each.secret_hash == here,
        )
        for each in found
    ]


def end_session(sv: Services, viewer: Viewer, *, session: str) -> None:
    """End one of one's own sessions by its id. Opens a write unit. Raises: Unauthorized, Forbidden, NotFound."""
    user = _require_user(viewer)
    rules.require_writer(viewer)
    if len(session) != SESSION_ID_CHARS or not set(session) <= set("0123456789abcdef"):
        raise NotFound("There is no such session.")
    with sv.db.write() as tx:
        if not second_factor_rows.delete_session(tx, user, hash_prefix=session):
            raise NotFound("There is no such session.")
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="session.delete",
            subject=viewer.name,
            owner_id=user,
        )


def end_other_sessions(sv: Services, viewer: Viewer, *, current: str | None) -> int:
    """End every session of one's own but the current one; returns how many ended. Opens a write unit.

    Raises: Unauthorized, Forbidden.
    """
    user = _require_user(viewer)
    rules.require_writer(viewer)
    kept = None if current is None else ids.hash_secret(current)
    with sv.db.write() as tx:
        ended = second_factor_rows.delete_other_sessions(tx, user, keep_hash=kept)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="session.delete_others",
            subject=viewer.name,
            owner_id=user,
            ended=ended,
        )
    return ended


# --- shared -------------------------------------------------------------------------------------------


def _require_user(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise Unauthorized("You must be logged in to do this.")
    return viewer.user_id


def _require_session(viewer: Viewer) -> int:
    user = _require_user(viewer)
    if viewer.token is not None:
        raise Forbidden("A second factor can be changed in the browser only.")
    return user


def _step_of(sv: Services, sealed: str, code: str) -> int | None:
    """Return the step of time that a code belongs to, if it is one of now."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    import pyotp

    totp = pyotp.TOTP(links.unseal(sv, sealed, purpose=_SEAL), interval=STEP_S)
    now = int(sv.clock.now().timestamp()) // STEP_S
    found = None
    for step in range(now - LATE_STEPS, now + LATE_STEPS + 1):
        # All are compared, so that the time it takes tells nothing.
        if hmac.compare_digest(totp.generate_otp(step), digits):
            found = step
    return found


def _check_throttle(sv: Services, user: int) -> None:
    wait_s = sv.attempts.wait_s(_key(user), most=MAX_FAILURES, now=sv.clock.now())
    if wait_s:
        raise TooManyRequests(f"Too many wrong codes. Try again in {wait_s} seconds.", retry_after_s=wait_s)


def _wrong(sv: Services, user: int) -> InvalidCredentials:
    sv.attempts.failed(_key(user), window_s=FAILURE_WINDOW_S, now=sv.clock.now())
    return InvalidCredentials("Wrong code. Each code counts once: wait for the next one.")


def _begin_anew() -> HubError:
    return Unauthorized("The first step of signing in is too long ago. Begin anew.")


def _key(user: int) -> str:
    return f"second factor {user}"


def _new_code() -> str:
    parts = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    return "-".join(parts)


def _hash(code: str) -> str:
    return ids.hash_secret("".join(each for each in code.lower() if each.isalnum()))


def _fingerprint(stored: str) -> str:
    return hashlib.sha256(stored.encode("utf-8")).hexdigest()[:16]


def _draw(uri: str) -> str:
    import segno

    out = io.BytesIO()
    segno.make_qr(uri, error="m").save(
        out, kind="svg", scale=4, border=2, xmldecl=False, svgns=True, nl=False, light="#fff", dark="#000"
    )
    return out.getvalue().decode("utf-8")

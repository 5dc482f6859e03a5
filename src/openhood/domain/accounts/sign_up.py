"""How people get an account without an administrator typing it: sign-up, invitations, the first link.

Who may is the setting ``sign_up``; the link to create the first administrator works under all of them.
"""

from __future__ import annotations

from datetime import timedelta

from openhood.base.errors import BadRequest, Forbidden
from openhood.base.names import check_account_name
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows
from openhood.domain.accounts.actions import add_user
from openhood.domain.accounts.rules import check_email, check_password, require_admin
from openhood.domain.accounts.sign_in import begin_session
from openhood.domain.accounts.types import SessionSecret
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.passwords import hash_password

SETUP_LIFE = timedelta(hours=24)
INVITATION_LIFE = timedelta(days=7)


class LinkExpired(BadRequest):
    """An invitation or setup link was used, has expired, or never existed."""

    def __init__(self) -> None:
        super().__init__("This link has been used or has expired. Ask for a new one.")


def sign_up(
    sv: Services,
    *,
    name: str,
    password: str,
    email: str | None,
    invitation: str | None,
    user_agent: str = "",
) -> SessionSecret:
    """Create an account for oneself and begin a browser session. Opens a write unit.

    Raises: Forbidden where sign-up is closed or needs an invitation, LinkExpired, InvalidName, BadRequest, Conflict.
    """
    policy = sv.settings.sign_up
    if policy == "closed":
        raise Forbidden("This hub does not take sign-ups. Ask its administrator for an account.")
    if policy == "invitation" and not invitation:
        raise Forbidden("You need an invitation to join this hub. Ask its administrator for one.")
    checked = check_account_name(name)
    address = check_email(email)
    hashed = hash_password(check_password(password))
    now = sv.clock.now()
    with sv.db.write() as tx:
        if policy == "invitation" and not rows.use_invitation(
            tx, ids.hash_secret(invitation or ""), kind="signup", now=now
        ):
            raise LinkExpired
        account = add_user(
            sv, tx, name=checked, password_hash=hashed, email=address, fullname="", is_admin=False
        )
        audit.record(
            tx, at=now, actor=account.name, action="user.sign_up", subject=account.name, owner_id=account.id
        )
        return begin_session(sv, tx, account, user_agent=user_agent)


def create_invitation(sv: Services, viewer: Viewer, *, email: str | None = None) -> str:
    """Return the secret of a link with which one person may join within a week. Opens a write unit.

    Raises: Unauthorized, Forbidden, BadRequest.
    """
    require_admin(viewer)
    address = check_email(email)
    secret = ids.new_secret()
    now = sv.clock.now()
    with sv.db.write() as tx:
        rows.delete_expired_invitations(tx, now=now)
        rows.insert_invitation(
            tx,
            secret_hash=ids.hash_secret(secret),
            kind="signup",
            created_by=viewer.user_id,
            email=address,
            at=now,
            expires_at=now + INVITATION_LIFE,
        )
        audit.record(tx, at=now, actor=viewer.name, action="invitation.create", subject=address or "")
    return secret


def is_invited(sv: Services, invitation: str) -> bool:
    """Tell whether an invitation's secret can still be used. Opens a read unit."""
    with sv.db.read() as tx:
        return rows.is_invitation_open(tx, ids.hash_secret(invitation), kind="signup", now=sv.clock.now())


def ensure_setup_link(sv: Services) -> str | None:
    """Return a fresh secret to create the first administrator with, or None where there is one already.

    Opens a read unit, then perhaps a write unit. Links of earlier starts stay valid for their 24 hours, until the
    first is used.
    """
    with sv.db.read() as tx:
        if rows.has_active_admin(tx):
            return None
    secret = ids.new_secret()
    now = sv.clock.now()
    with sv.db.write() as tx:
        rows.delete_expired_invitations(tx, now=now)
        rows.insert_invitation(
            tx,
            secret_hash=ids.hash_secret(secret),
            kind="setup",
            created_by=None,
            email=None,
            at=now,
            expires_at=now + SETUP_LIFE,
        )
    return secret


def is_setup_link(sv: Services, secret: str) -> bool:
    """Tell whether a setup link can still be used. Opens a read unit."""
    with sv.db.read() as tx:
        is_open = rows.is_invitation_open(tx, ids.hash_secret(secret), kind="setup", now=sv.clock.now())
        return is_open and not rows.has_active_admin(tx)


def use_setup_link(
    sv: Services, *, secret: str, name: str, password: str, email: str | None, user_agent: str = ""
) -> SessionSecret:
    """Create the first administrator and begin a browser session; every other setup link ends. Opens a write unit.

    Raises: LinkExpired, InvalidName, BadRequest, Conflict.
    """
    checked = check_account_name(name)
    address = check_email(email)
    if not is_setup_link(sv, secret):
        raise LinkExpired
    hashed = hash_password(check_password(password))
    now = sv.clock.now()
    with sv.db.write() as tx:
        used = rows.use_invitation(tx, ids.hash_secret(secret), kind="setup", now=now)
        if not used or rows.has_active_admin(tx):
            raise LinkExpired
        rows.close_setup_invitations(tx, now=now)
        account = add_user(
            sv, tx, name=checked, password_hash=hashed, email=address, fullname="", is_admin=True
        )
        audit.record(
            tx, at=now, actor=account.name, action="hub.setup", subject=account.name, owner_id=account.id
        )
        return begin_session(sv, tx, account, user_agent=user_agent)

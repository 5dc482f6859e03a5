"""Closing an account for good: of oneself, or of an organization one administrates.

What the account said elsewhere stays, as a ghost's: its row remains without name, address or picture, and its old
name is nobody's any more. Administrators lock people out with `actions.delete_user`, which keeps the name.
"""

from __future__ import annotations

from openhood.base.errors import BadRequest, Conflict, Forbidden, Unauthorized
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import (
    credential_rows,
    deleting_rows,
    redirect_rows,
    rows,
    rules,
    second_factor,
    sign_in,
)
from openhood.domain.accounts.actions import FORGET_FOLLOWS, FORGET_LIKES
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

DELETE_REPOS = "delete_repos_of"
"""The job that deletes the repositories of a closed account; see `repos.following`."""


def close_own(sv: Services, viewer: Viewer, *, password: str, code: str, with_repos: bool) -> None:
    """Close one's own account, from a browser session. Opens read units, then a write unit.

    Args: ``code`` is the second factor's, where there is one; ``with_repos``: delete what the account owns, too.
    Raises: Unauthorized, Forbidden with a token, InvalidCredentials, TooManyRequests; Conflict for whoever owns
    repositories, is the last administrator of an organization or of the hub.
    """
    if viewer.user_id is None:
        raise Unauthorized("You must be logged in to close your account.")
    if viewer.token is not None:
        raise Forbidden("An account can be closed in the browser only.")
    sign_in.check_own_password(sv, viewer, password)
    with sv.db.read() as tx:
        has_factor = second_factor.is_on(tx, viewer.user_id)
    if has_factor:
        second_factor.check_code(sv, viewer.user_id, code)
    with sv.db.write() as tx:
        account = rules.get_user(tx, viewer.name)
        rows.lock_account(tx, account.id)
        if account.is_admin and rows.count_active_admins(tx) <= 1:
            raise Conflict("You are the last administrator of this hub. Make another user one first.")
        for org, name in deleting_rows.list_administrated(tx, account.id):
            if rows.count_org_admins(tx, org) <= 1:
                raise Conflict(
                    f"You are the last administrator of {name}. Make another member one, or delete it first."
                )
        _close(tx, sv, viewer, account, with_repos=with_repos)
        queue.enqueue(tx, FORGET_LIKES, {"user": account.id}, now=sv.clock.now())
        queue.enqueue(tx, FORGET_FOLLOWS, {"user": account.id}, now=sv.clock.now())


def close_org(sv: Services, viewer: Viewer, *, org: str, confirm: str, with_repos: bool) -> None:
    """Delete an organization, as one of its administrators. Opens a write unit.

    Args: ``confirm`` is its name once more.
    Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict while it owns repositories.
    """
    with sv.db.write() as tx:
        account = rules.get_org(tx, org)
        rules.require_org_admin(viewer, account)
        if confirm.lower() != account.key:
            raise BadRequest(
                f"Confirm with the name of the organization: 'confirm' must be {account.name!r}."
            )
        rows.lock_account(tx, account.id)
        servants = deleting_rows.list_service_accounts(tx, account.id)
        for each in servants:
            credential_rows.delete_credentials_of(tx, each)
        deleting_rows.deactivate(tx, servants)
        _close(tx, sv, viewer, account, with_repos=with_repos)


def _close(tx: Tx, sv: Services, viewer: Viewer, account: Account, *, with_repos: bool) -> None:
    owned = deleting_rows.count_repos(tx, account.id)
    if owned and not with_repos:
        raise Conflict(
            f"{account.name} owns {owned} {'repository' if owned == 1 else 'repositories'}. Move or delete them, or "
            "say that they are to be deleted as well."
        )
    now = sv.clock.now()
    credential_rows.delete_credentials_of(tx, account.id)
    deleting_rows.delete_owned(tx, account.id)
    ghost = f"ghost-{account.hex_id[-12:]}"
    redirect_rows.put_redirect(tx, account.name, account=account.id, at=now)
    rows.update_account(
        tx,
        account.id,
        name=ghost,
        name_key=ghost,
        fullname="",
        email=None,
        email_verified=False,
        password_hash=None,
        avatar_url=None,
        details=None,
        settings={},
        is_admin=False,
        is_active=False,
    )
    if owned:
        queue.enqueue(tx, DELETE_REPOS, {"account": account.id}, now=now)
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action=f"{account.kind}.close",
        subject=account.name,
        owner_id=account.id,
        repositories=owned,
    )

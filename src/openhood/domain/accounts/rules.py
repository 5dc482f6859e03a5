"""Who may change accounts, and what names, passwords and addresses may look like.

The shared checks of this noun: they raise and return, and write nothing.
"""

from __future__ import annotations

import re

from openhood.base.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import redirect_rows, rows
from openhood.domain.accounts.types import Account
from openhood.infra.db.engine import Tx

MIN_PASSWORD = 8
MAX_PASSWORD = 1000

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def require_admin(viewer: Viewer) -> None:
    """Raise Unauthorized or Forbidden unless the viewer administrates the hub, with full rights."""
    require_writer(viewer)
    if not viewer.is_admin:
        raise Forbidden("Only an administrator of this hub may do this.")


def require_writer(viewer: Viewer) -> None:
    """Raise unless somebody is signed in with credentials that may change account data.

    Fine-grained tokens name repositories; none of their permissions reaches accounts.
    """
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    if viewer.token is not None and viewer.token.role != "write":
        raise Forbidden(
            f"Your token has the role '{viewer.token.role}'. Use a token with the role 'write' to do this."
        )


def require_person(viewer: Viewer) -> None:
    """Raise what `require_writer` raises, and Forbidden for service accounts: their organization speaks for them."""
    require_writer(viewer)
    if viewer.is_service:
        raise Forbidden("A service account cannot do this: an administrator of its organization can.")


def require_org_admin(viewer: Viewer, org: Account, *, permission: str = "org.write") -> None:
    """Raise unless the viewer administrates the organization, with credentials that allow it.

    Args: ``permission`` of a fine-grained token that is enough, beside ``org.write``.
    """
    require_org_permission(viewer, org, permission=permission)
    if not may_administrate(viewer, org):
        raise Forbidden(f"Only an administrator of {org.name} may do this.")


def require_org_permission(
    viewer: Viewer, org: Account, *, permission: str, is_reading: bool = False
) -> None:
    """Raise unless the viewer's credentials allow something in an organization; says nothing of roles.

    Args: ``is_reading``: tokens with the role ``read`` are enough too.
    """
    token = viewer.token
    if token is not None and token.role == "fineGrained":
        if any(token.allows_on_namespace(each, org.key) for each in (permission, "org.write")):
            return
    elif token is not None and token.role == "read" and is_reading:
        return
    require_writer(viewer)


def require_org_member(viewer: Viewer, org: Account, *, permission: str = "org.read") -> None:
    """Raise unless the viewer is a member of an organization, with credentials that may know of its settings.

    Args: ``permission`` of a fine-grained token that is enough, beside ``org.read`` and ``org.write``.
    """
    token = viewer.token
    enough = (
        permission if token is not None and token.allows_on_namespace(permission, org.key) else "org.read"
    )
    require_org_permission(viewer, org, permission=enough, is_reading=True)
    if not viewer.is_admin and org.id not in viewer.roles:
        raise Forbidden(f"Only members of {org.name} may see this.")


def may_administrate(viewer: Viewer, org: Account) -> bool:
    """Tell whether the viewer administrates an organization, or the hub."""
    return viewer.is_admin or viewer.role_in(org.id) is OrgRole.ADMIN


def check_password(password: str) -> str:
    """Return ``password`` if it may be one. Raises BadRequest."""
    if len(password) < MIN_PASSWORD:
        raise BadRequest(f"The password must have at least {MIN_PASSWORD} characters.")
    if len(password) > MAX_PASSWORD:
        raise BadRequest(f"The password must have at most {MAX_PASSWORD} characters.")
    return password


def check_email(email: str | None) -> str | None:
    """Return an e-mail address in lower case, None for none. Raises BadRequest."""
    address = (email or "").strip().lower()
    if not address:
        return None
    if len(address) > 320 or not _EMAIL.fullmatch(address):
        raise BadRequest(f"{address[:100]!r} is not an e-mail address.")
    return address


def check_fullname(fullname: str) -> str:
    """Return a name as people write it, on one line. Raises BadRequest."""
    return check_line(fullname, "full name", 200)


def check_line(text: str, what: str, most: int) -> str:
    """Return ``text`` on one line if it has at most ``most`` characters. Raises BadRequest."""
    line = " ".join(text.split())
    if len(line) > most:
        raise BadRequest(f"The {what} must have at most {most} characters.")
    if not line.isprintable():
        raise BadRequest(f"The {what} contains control characters.")
    return line


def check_avatar(url: str) -> str | None:
    """Return an avatar's address, None for an empty one. Raises BadRequest."""
    if not url:
        return None
    if (
        len(url) > 500
        or not url.startswith(("http://", "https://", "/"))
        or not url.isprintable()
        or " " in url
    ):
        raise BadRequest(
            "The avatar must be an http(s) address or a path on this hub, of at most 500 characters."
        )
    return url


def taken(tx: Tx, name: str) -> Conflict:
    """Return the refusal that fits an account whose row could not be inserted."""
    if rows.get_account(tx, name) is not None or redirect_rows.get_holder(tx, name) is not None:
        return Conflict(f"The name {name!r} is taken by another user or organization. Choose another one.")
    return Conflict("This e-mail address belongs to another account.")


def require_account(tx: Tx, name: str) -> Account:
    """Return the active account called ``name``. Raises NotFound."""
    account = find_account(tx, name)
    if account is None:
        raise NotFound(f"There is no user or organization called {name[:96]!r}.")
    return account


def get_user(tx: Tx, name: str) -> Account:
    """Return the active user called ``name``. Raises NotFound."""
    account = find_account(tx, name)
    if account is None or account.is_org:
        raise NotFound(f"There is no user called {name[:96]!r}.")
    return account


def get_person(tx: Tx, name: str) -> Account:
    """Return the active user called ``name``, no service account. Raises NotFound."""
    account = get_user(tx, name)
    if account.is_service:
        raise NotFound(f"There is no user called {name[:96]!r}.")
    return account


def get_org(tx: Tx, name: str) -> Account:
    """Return the organization called ``name``. Raises NotFound."""
    account = find_account(tx, name)
    if account is None or not account.is_org:
        raise NotFound(f"There is no organization called {name[:96]!r}.")
    return account


def require_self(viewer: Viewer, account: Account) -> None:
    """Raise unless the account is the viewer's own, or one the viewer administrates."""
    if account.is_org:
        require_org_admin(viewer, account)
    elif account.id != viewer.user_id and not viewer.is_admin:
        raise Forbidden("You may change your own settings only.")


def find_account(tx: Tx, name: str) -> Account | None:
    """Return the active user or organization called ``name``, in any case; in the caller's unit."""
    account = rows.get_account(tx, name)
    return account if account is not None and account.is_active else None

"""Giving an account another name; the old one leads to it and is nobody else's, ever.

The repositories follow: see `repos.following`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from openhood.base.errors import BadRequest, Conflict, Forbidden, Moved
from openhood.base.names import check_account_name, check_any_account_name
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import credential_rows, redirect_rows, rows, rules
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

_TOKENS_AT_ONCE = 200


def check_new_name(viewer: Viewer, name: str) -> str:
    """Return ``name`` if the viewer may give it. Raises InvalidName."""
    is_lenient = viewer.is_admin and viewer.user_id is None
    return check_any_account_name(name) if is_lenient else check_account_name(name)


def rename(tx: Tx, sv: Services, viewer: Viewer, account: Account, *, new: str) -> Account:
    """Rename an account in the caller's unit; ``new`` is checked already.

    Raises: Unauthorized, Forbidden, Conflict where the name is or was another's, BadRequest where it is the same.
    """
    rules.require_writer(viewer)
    rules.require_self(viewer, account)
    if account.kind == "service":
        raise Forbidden("A service account keeps its name. Make another one.")
    if new == account.name:
        raise BadRequest(f"The account is called {new} already.")
    now = sv.clock.now()
    rows.lock_account(tx, account.id)
    if new.lower() != account.key:
        holder = redirect_rows.get_holder(tx, new)
        if rows.get_account(tx, new) is not None or holder not in (None, account.id):
            raise is_taken(new)
        redirect_rows.delete_redirect(tx, new, account=account.id)
        redirect_rows.put_redirect(tx, account.name, account=account.id, at=now)
    rows.update_account(tx, account.id, name=new, name_key=new.lower())
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action=f"{account.kind}.rename",
        subject=account.name,
        owner_id=account.id,
        to=new,
    )
    return replace(account, name=new)


def is_taken(name: str) -> Conflict:
    """Return the refusal of a name that is, or was, another's."""
    return Conflict(f"The name {name!r} is taken by another user or organization. Choose another one.")


def moved(tx: Tx, name: str) -> Moved | None:
    """Return the redirect from a name that an account had before to the one it has; in the caller's unit."""
    present = redirect_rows.get_present_name(tx, name)
    return None if present is None else Moved(old=name, new=present)


def follow_in_tokens(sv: Services, *, old: str, new: str) -> None:
    """Let fine-grained tokens that name an account go on naming it. Opens units of its own, some tokens in each."""
    after = 0
    while True:
        with sv.db.write() as tx:
            found = credential_rows.list_fine_grained(tx, after=after, limit=_TOKENS_AT_ONCE)
            for number, scopes in found:
                changed = _renamed(scopes, old.lower(), new)
                if changed is not None:
                    credential_rows.update_token(tx, number, scopes=changed)
        if len(found) < _TOKENS_AT_ONCE:
            return
        after = found[-1][0]


def _renamed(scopes: Mapping[str, object], old: str, new: str) -> dict[str, object] | None:
    """Return a token's scopes with the new name, None where they do not name the account."""
    given = scopes.get("scoped")
    scoped = given if isinstance(given, list) else []
    changed = [_entity_renamed(each, old, new) for each in scoped]
    return {**scopes, "scoped": changed} if changed != scoped else None


def _entity_renamed(scope: object, old: str, new: str) -> object:
    entity = scope.get("entity") if isinstance(scope, dict) else None
    if not isinstance(scope, dict) or not isinstance(entity, dict):
        return scope
    namespace, slash, rest = str(entity.get("name", "")).partition("/")
    if namespace.lower() != old:
        return scope
    return {**scope, "entity": {**entity, "name": f"{new}{slash}{rest}"}}

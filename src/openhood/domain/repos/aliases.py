"""Single names such as ``gpt2`` that stand for a full id, set by an administrator.

An alias is public and may name a repository that does not exist yet, or that the viewer may not see:
access is asked where it leads.
"""

from __future__ import annotations

from typing import NoReturn

from openhood.base.errors import BadRequest, Moved, RepoNotFound
from openhood.base.names import RepoId, RepoType, check_repo_name
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.repos import lifecycle_rows, rows
from openhood.domain.repos.lifecycle_rows import Alias
from openhood.domain.services import Services

__all__ = ["Alias", "delete_alias", "follow_alias", "list_aliases", "set_alias"]


def set_alias(sv: Services, viewer: Viewer, *, repo_type: RepoType, name: str, target: RepoId) -> None:
    """Let ``name`` stand for ``target``. Administrators only.

    Raises: InvalidName; BadRequest where the alias would lead to another alias, since redirects of
    clients would then never end; Forbidden.
    """
    rules.require_admin(viewer)
    check_repo_name(name)
    now = sv.clock.now()
    with sv.db.write() as tx:
        known = {alias.name.lower() for alias in lifecycle_rows.list_aliases(tx) if alias.type is repo_type}
        namespaces = {
            alias.target.namespace.lower()
            for alias in lifecycle_rows.list_aliases(tx)
            if alias.type is repo_type
        }
        if target.namespace.lower() in known | {name.lower()} or name.lower() in namespaces:
            raise BadRequest(f"The alias '{name}' for {target} would lead to or from another alias.")
        lifecycle_rows.set_alias(tx, Alias(repo_type, name, target), now=now)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="alias.set",
            subject=f"{repo_type.value}:{name}",
            to=str(target),
        )


def delete_alias(sv: Services, viewer: Viewer, *, repo_type: RepoType, name: str) -> bool:
    """Remove an alias and tell whether there was one. Administrators only."""
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = lifecycle_rows.delete_alias(tx, repo_type, name)
        if found:
            subject = f"{repo_type.value}:{name}"
            audit.record(tx, at=now, actor=viewer.name, action="alias.delete", subject=subject)
    return found


def list_aliases(sv: Services, viewer: Viewer) -> list[Alias]:
    """Return every alias. Administrators only."""
    rules.require_admin(viewer)
    with sv.db.read() as tx:
        return lifecycle_rows.list_aliases(tx)


def follow_alias(sv: Services, viewer: Viewer, *, repo_type: RepoType, name: str) -> NoReturn:
    """Raise Moved to what ``name`` stands for, or RepoNotFound.

    ``name`` may be the first segment of a git URL and end with ``.git``.
    """
    with sv.db.read() as tx:
        target = rows.get_alias(tx, repo_type, name.removesuffix(".git"))
    if target is None:
        raise RepoNotFound(anonymous=viewer.is_anonymous)
    raise Moved(old=name.removesuffix(".git"), new=str(target))

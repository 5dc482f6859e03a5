"""Bringing repositories, their settings and content, and aliases to what a provision file says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from openhood.base.errors import Conflict, NotFound
from openhood.base.names import PathInRepo, RepoId, RepoType
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.provision import folder
from openhood.domain.provision.document import RepoEntry
from openhood.domain.provision.items import Item, at, outcome_of
from openhood.domain.repos import aliases, lifecycle, lifecycle_rows, rows
from openhood.domain.repos.lifecycle import NewRepo, SettingsChange
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services


def apply_repo(
    sv: Services, entry: RepoEntry, *, place: str, base: Path, expected: Collection[str], dry: bool
) -> Iterator[Item]:
    """Bring one repository there, with the content of its folder. Raises ProvisionFailed.

    Args: ``expected`` are the case-folded names of accounts that the file itself creates.
    """
    name = f"{entry.type.value} {entry.id}"
    with at(place):
        repo = _find(sv, entry)
        is_new = repo is None
        if is_new:
            _check_namespace(sv, entry.id.namespace, expected)
        if repo is None and not dry:
            repo = lifecycle.create_repo(sv, SYSTEM, new=_new(entry))
        changed = [] if repo is None else _update(sv, repo, entry, dry=dry)
        yield Item("repository", name, "created" if is_new else outcome_of(changed), ", ".join(changed))
    if entry.folder is not None:
        with at(f"{place}.folder"):
            files = folder.list_folder(base / entry.folder)
            if repo is None:
                yield Item("files", name, "created", f"{len(files)} to write")
            else:
                yield _apply_folder(sv, repo, entry, files, name=name, dry=dry)


def apply_alias(
    sv: Services, repo_type: RepoType, name: str, target: RepoId | None, *, place: str, dry: bool
) -> Item:
    """Let a single name stand for an id, or (None) for nothing. Raises ProvisionFailed."""
    with at(place):
        known = {
            each.name.lower(): each.target
            for each in aliases.list_aliases(sv, SYSTEM)
            if each.type is repo_type
        }
        before = known.get(name.lower())
        shown = f"{repo_type.plural} {name}"
        if before == target:
            return Item("alias", shown, "unchanged")
        if not dry and target is None:
            aliases.delete_alias(sv, SYSTEM, repo_type=repo_type, name=name)
        elif not dry and target is not None:
            aliases.set_alias(sv, SYSTEM, repo_type=repo_type, name=name, target=target)
        if target is None:
            return Item("alias", shown, "deleted")
        return Item("alias", shown, "created" if before is None else "updated", str(target))


def _find(sv: Services, entry: RepoEntry) -> Repo | None:
    with sv.db.read() as tx:
        found = rows.get_repo(tx, entry.type, entry.id)
        moved = None if found is not None else rows.get_redirect(tx, entry.type, entry.id)
    if moved is not None:
        # A new repository under the old id would take the redirect away from its clients.
        raise Conflict(f"This repository was moved to {moved.repo_id}. Change its id in the file.")
    return found


def _check_namespace(sv: Services, namespace: str, expected: Collection[str]) -> None:
    with sv.db.read() as tx:
        known = accounts.find_account(tx, namespace) is not None
    if not known and namespace.lower() not in expected:
        raise NotFound(
            f"There is no user or organization called {namespace!r}. Add it to the file, or create it."
        )


def _new(entry: RepoEntry) -> NewRepo:
    plain = {name: value for name, value in entry.card.items() if isinstance(value, str)}
    files: dict[str, bytes] = {}
    if len(plain) != len(entry.card):
        # Lists and numbers: written here, since the starter's card has text only.
        front = yaml.safe_dump(entry.card, sort_keys=False, allow_unicode=True)
        files["README.md"] = f"---\n{front}---\n".encode()
    return NewRepo(
        type=entry.type,
        namespace=entry.id.namespace,
        name=entry.id.name,
        visibility=entry.visibility,
        files=files,
        card=plain,
    )


def _update(sv: Services, repo: Repo, entry: RepoEntry, *, dry: bool) -> list[str]:
    """Change the settings that differ; returns their names."""
    with sv.db.read() as tx:
        settings = lifecycle_rows.get_settings(tx, repo.id)
    gated = None if entry.gated is None else (entry.gated or "")
    change = SettingsChange(
        visibility=None if entry.visibility == repo.visibility else entry.visibility,
        gated=None if gated == repo.gated else gated,
        is_disabled=None if entry.disabled == repo.is_disabled else entry.disabled,
        others={
            name: value
            for name, value in entry.settings.items()
            if name not in settings or settings[name] != value
        },
    )
    changed = [
        *(name for name in ("visibility", "gated") if getattr(change, name) is not None),
        *(["disabled"] if change.is_disabled is not None else []),
        *sorted(change.others),
    ]
    if changed and not dry:
        lifecycle.update_settings(sv, SYSTEM, repo_type=repo.type, repo_id=repo.repo_id, change=change)
    return changed


def _apply_folder(
    sv: Services, repo: Repo, entry: RepoEntry, files: dict[PathInRepo, Path], *, name: str, dry: bool
) -> Item:
    difference = folder.compare(sv, repo, files, prune=entry.prune)
    if difference.is_empty:
        return Item("files", name, "unchanged", f"{len(files)} files")
    if not dry:
        folder.upload(sv, repo, files, difference, message=entry.message)
    return Item("files", name, "updated", str(difference))

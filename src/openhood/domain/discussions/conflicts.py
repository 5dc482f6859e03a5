"""Whether a pull request can be merged as it is: its changes put together with its base, and what stands in the way.

Computed from git objects only, never in a unit, and kept by the commits that decide it. Landing the outcome is
`merging`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from openhood.base.errors import InvalidCard
from openhood.base.names import EMPTY_TREE, Oid
from openhood.domain.repos import gitdb
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.formats.card import parse_card
from openhood.engines.git.commands import heavy
from openhood.engines.git.edit import EditedTree, PathConflict, Put, apply_edits
from openhood.engines.git.merge import merge_trees
from openhood.engines.git.objects import display_name
from openhood.engines.git.store import ObjectDb

_CARD = "README.md"
_PATH_BYTES = 120
MAX_SHOWN = 200
"""How many paths are named to people and clients."""


@dataclass(frozen=True, slots=True)
class Combined:
    """Both sides in one tree, with the contents only the merge made; ``edited`` is None where there are conflicts."""

    edited: EditedTree | None
    blobs: Mapping[Oid, bytes]
    conflicts: tuple[str, ...]


def find(sv: Services, repo: Repo, *, start: Oid | None, ours: Oid | None, theirs: Oid) -> tuple[str, ...]:
    """Return the paths, at most `MAX_SHOWN`, for which ``theirs`` cannot be merged into ``ours``. Cached by commits.

    Args: ``start`` is the commit they have in common. Never inside a unit. Raises MissingGitObject, Unavailable when
    git is too busy.
    """
    if start == ours:
        return ()

    def look() -> tuple[str, ...]:
        objects = gitdb.open_objects(sv, repo, expect=theirs)
        with heavy(sv.settings.git.processes):
            return combine(objects, start=start, ours=ours, theirs=theirs).conflicts[:MAX_SHOWN]

    return sv.facts.of(
        ("conflicts", repo.id, start, ours, theirs),
        look,
        weigh=lambda found: _PATH_BYTES * (len(found) + 1),
    )


def combine(objects: ObjectDb, *, start: Oid | None, ours: Oid | None, theirs: Oid) -> Combined:
    """Put what ``theirs`` changed since ``start`` on top of ``ours`` (None: on nothing). Writes nothing.

    Never inside a unit. Raises MissingGitObject.
    """
    target = _tree(objects, ours)
    merged = merge_trees(objects, base=_tree(objects, start), ours=target, theirs=_tree(objects, theirs))
    broken = [path for path, edit in merged.edits.items() if _is_broken(path, edit, merged.blobs)]
    clashes = [display_name(path) for path in (*merged.conflicts, *broken)]
    if not clashes:
        try:
            return Combined(apply_edits(objects, target, merged.edits), merged.blobs, ())
        except PathConflict as error:
            clashes = [str(error.facts.get("path", ""))]
    return Combined(None, {}, tuple(sorted(clashes)))


def _tree(objects: ObjectDb, commit: Oid | None) -> Oid:
    return EMPTY_TREE if commit is None else objects.commit(commit).tree


def _is_broken(path: str, edit: object, blobs: Mapping[Oid, bytes]) -> bool:
    """Tell whether merging line by line made nonsense of a file that programs read."""
    content = blobs.get(edit.oid) if isinstance(edit, Put) else None
    if content is None:
        return False
    if path.endswith(".json"):
        try:
            orjson.loads(content)
        except orjson.JSONDecodeError:
            return True
    if path == _CARD:
        try:
            parse_card(content.decode("utf-8", "replace"))
        except InvalidCard:
            return True
    return False

"""What the objects of a push must be: complete, small or in LFS, with paths and pointers that hold.

Looks at the pushed objects in quarantine and says what is wrong and how to mend it; which refs may move
is decided by `push_rules`, and nothing is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from openhood.base.errors import InvalidCard, InvalidPath
from openhood.base.names import MAIN, Oid, RefName, Sha256, parse_path
from openhood.domain.repos.types import LfsPointerAt, PathChange, Ref
from openhood.engines.formats.card import parse_card
from openhood.engines.git.commands import (
    CommitChanges,
    IndexedPack,
    NotConnected,
    log_changes,
    log_new_changes,
)
from openhood.engines.git.incoming import new_objects, scan_blobs
from openhood.engines.git.objects import decode_raw_tree, display_name, name_text
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.wire import RefCommand
from openhood.engines.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer

_POINTER_SIZES = range(100, MAX_POINTER_BYTES)
_SHOWN = 10
_MAX_COMMITS = 20_000
_MAX_PATHS = 200_000
# More changed paths than this would keep the database's writer for too long: the index job does them.
_MAX_INDEXED_PATHS = 20_000
_MAX_LOGS = 8
_MAX_README_BYTES = 4 * 1024 * 1024
# Nearly every path there is; the careful look costs a hundred times as much.
_PLAIN_PATH = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}/){0,12}[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A ref that is to move, and the commit that its new value comes down to."""

    command: RefCommand
    commit: Oid


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where the pushed objects are looked at, together with the repository's own.

    ``gitdir`` is a snapshot that sees both; ``pack`` is None where nothing new was sent; ``lfs_sizes`` tells the sizes of those LFS objects that the
    repository holds.
    """

    gitdir: Path
    pack: IndexedPack | None
    objects: ObjectDb
    refs: Mapping[RefName, Ref]
    regular_file_bytes: int
    timeout_s: float
    lfs_sizes: Callable[[Collection[Sha256]], Mapping[Sha256, int]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why objects are refused: in one sentence for the ref, and at length for the person."""

    reason: str
    explanation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What the objects are. ``changes`` is for the last-commit index, per ref that it is complete for."""

    object_count: int
    pointers: tuple[LfsPointerAt, ...]
    changes: Mapping[RefName, tuple[PathChange, ...]]
    fault: Fault | None


def inspect(quarantine: Quarantine, arrivals: Sequence[Arrival]) -> Findings:
    """Look at everything that ``arrivals`` bring. Never in a unit. Raises GitTimedOut."""
    # One after the other: two threads that parse would take the interpreter from each other at every read.
    try:
        listing = _read_objects(quarantine, arrivals)
    except NotConnected as error:
        return Findings(0, (), {}, Fault("missing necessary objects", (error.message,)))
    history = _read_history(quarantine, arrivals)
    faults = [
        _oversized_fault(listing.oversized, quarantine.regular_file_bytes),
        _pointer_fault(listing.pointers, quarantine),
    ]
    faults.append(_path_fault(listing.bad_paths | history.bad_paths))
    faults.append(_case_fault(history.case_conflicts))
    found = [fault for fault in faults if fault is not None]
    if not found:
        return Findings(listing.count, tuple(listing.pointers), history.changes, None)
    explanation = tuple(line for fault in found for line in fault.explanation)
    return Findings(listing.count, (), {}, Fault(found[0].reason, explanation))


def card_warnings(quarantine: Quarantine, arrivals: Iterable[Arrival]) -> list[str]:
    """Return what to tell about the card of a pushed ``main``, when the push changed the card."""
    for arrival in arrivals:
        if arrival.command.name != MAIN:
            continue
        objects = quarantine.objects
        entry = objects.entry_at(objects.commit(arrival.commit).tree, "README.md")
        before = quarantine.refs.get(MAIN)
        if entry is None or entry.is_dir or objects.kind_and_size(entry.oid)[1] > _MAX_README_BYTES:
            return []
        if before is not None:
            old = objects.entry_at(objects.commit(before.commit_oid).tree, "README.md")
            if old is not None and old.oid == entry.oid:
                return []
        try:
            parse_card(objects.read(entry.oid)[1].decode("utf-8", "replace"))
        except InvalidCard as error:
            return [
                "Warning: the metadata at the top of README.md is not valid, so that it is not used:",
                f"  {error.message}",
            ]
    return []


# Objects


class _Listing:
    """What one walk over the new objects gathers."""

    def __init__(self) -> None:
        self.count = 0
        self.oversized: list[tuple[str, int]] = []
        self.pointers: list[LfsPointerAt] = []
        self.bad_paths: dict[str, str] = {}


def _read_objects(quarantine: Quarantine, arrivals: Sequence[Arrival]) -> _Listing:
    listing = _Listing()
    tips = [arrival.command.new for arrival in arrivals]
    with new_objects(quarantine.gitdir, tips, timeout_s=quarantine.timeout_s) as walk:
        oversized, pointers = _scan(quarantine)
        for oid, path in walk:
            listing.count += 1
            if oid in pointers:
                pointer = pointers[oid]
                listing.pointers.append(LfsPointerAt(path, pointer.oid, pointer.size_bytes))
            elif oid in oversized:
                listing.oversized.append((path, oversized[oid]))
            if path:
                _check_path(path, listing.bad_paths)
    return listing


def _scan(quarantine: Quarantine) -> tuple[dict[Oid, int], dict[Oid, Pointer]]:
    """Return the pushed pack's blobs that are too large, with their sizes, and those that are pointers.

    What the repository has already was looked at when it came.
    """
    oversized: dict[Oid, int] = {}
    pointers: dict[Oid, Pointer] = {}
    if quarantine.pack is not None:
        for blob in scan_blobs(
            quarantine.pack,
            quarantine.objects,
            small=_POINTER_SIZES,
            over_bytes=quarantine.regular_file_bytes,
        ):
            pointer = parse_pointer(blob.data) if blob.data is not None else None
            if pointer is not None:
                pointers[blob.oid] = pointer
            elif blob.size_bytes > quarantine.regular_file_bytes:
                oversized[blob.oid] = blob.size_bytes
    return oversized, pointers


def _check_path(path: str, bad: dict[str, str]) -> None:
    if _PLAIN_PATH.fullmatch(path):
        return
    try:
        parse_path(path)
    except InvalidPath as error:
        if len(bad) < _MAX_COMMITS:
            bad[path] = error.message


# History


class _History:
    """What the changed paths of the new commits tell."""

    def __init__(self) -> None:
        self.bad_paths: dict[str, str] = {}
        self.case_conflicts: dict[str, str] = {}
        self.changes: dict[RefName, tuple[PathChange, ...]] = {}


def _read_history(quarantine: Quarantine, arrivals: Sequence[Arrival]) -> _History:
    """Read the changes of each ref whose index goes on from its old tip, and of all others in one go."""
    history = _History()
    # Main first: of many refs, its index is the one that is looked at.
    ordered = sorted(arrivals, key=lambda arrival: arrival.command.name != MAIN)
    continuing = (arrival for arrival in ordered if _continues_index(quarantine, arrival))
    followed = list(islice(continuing, _MAX_LOGS))
    for arrival in followed:
        before = quarantine.refs.get(arrival.command.name)
        old = before.commit_oid if before else None
        log = log_changes(quarantine.gitdir, old, arrival.commit, timeout_s=quarantine.timeout_s)
        changed, complete = _read_log(log, history.bad_paths)
        if complete and len(changed) <= _MAX_INDEXED_PATHS:
            history.changes[arrival.command.name] = tuple(changed.values())
        _check_case(quarantine, arrival, old, changed, history.case_conflicts)
    others = [arrival for arrival in ordered if arrival not in followed]
    if others:
        tips = {arrival.commit for arrival in others}
        new = log_new_changes(quarantine.gitdir, tips, timeout_s=quarantine.timeout_s)
        changed, _complete = _read_log(new, history.bad_paths)
        main = quarantine.refs.get(MAIN)
        for arrival in others[:_MAX_LOGS]:
            before = quarantine.refs.get(arrival.command.name) or main
            old = before.commit_oid if before else None
            _check_case(quarantine, arrival, old, changed, history.case_conflicts)
    return history


def _continues_index(quarantine: Quarantine, arrival: Arrival) -> bool:
    """Tell whether the new commits say all that the last-commit index of the ref lacks."""
    if arrival.command.name.startswith("refs/tags/"):
        return False
    before = quarantine.refs.get(arrival.command.name)
    if before is None:
        # On an empty repository all history is new; elsewhere a new ref starts somewhere in the old.
        return not quarantine.refs
    return before.indexed and quarantine.objects.is_ancestor(before.commit_oid, arrival.commit)


def _read_log(log: Iterator[CommitChanges], bad_paths: dict[str, str]) -> tuple[dict[str, PathChange], bool]:
    """Return the newest change of each path, newest first, and whether none was left out."""
    changed: dict[str, PathChange] = {}
    for number, (commit, changes) in enumerate(log):
        if number >= _MAX_COMMITS or len(changed) > _MAX_PATHS:
            return changed, False
        for status, path in changes:
            if status == "A":
                _check_path(path, bad_paths)
            if path not in changed:
                changed[path] = PathChange(path, commit, status == "D")
    return changed, True


def _check_case(
    quarantine: Quarantine,
    arrival: Arrival,
    old: Oid | None,
    changed: Mapping[str, PathChange],
    conflicts: dict[str, str],
) -> None:
    """Find new names that differ from a sibling only in letter case: Windows and macOS cannot hold both."""
    objects = quarantine.objects
    tree = objects.commit(arrival.commit).tree
    old_tree = objects.commit(old).tree if old else None
    names: dict[str, set[str]] = {}
    for path, change in changed.items():
        if change.deleted:
            continue
        folder, _, name = path.rpartition("/")
        while name not in names.setdefault(folder, set()):
            names[folder].add(name)
            if not folder:
                break
            folder, _, name = folder.rpartition("/")
    for folder, fresh in names.items():
        entry = objects.entry_at(tree, folder) if folder else None
        if folder and (entry is None or not entry.is_dir):
            continue
        base = f"{folder}/" if folder else ""
        raw = objects.raw_tree(entry.oid if entry else tree).raw
        siblings = [name_text(name) for name, _mode, _oid in decode_raw_tree(raw)]
        if len({name.lower() for name in siblings}) == len(siblings):
            continue
        seen: dict[str, str] = {}
        for sibling in siblings:
            other = seen.setdefault(sibling.lower(), sibling)
            if other == sibling or not {other, sibling} & fresh:
                continue
            # Both were there before this push: an old sin, which must not stop other work.
            if old_tree and all(objects.entry_at(old_tree, base + name) for name in (other, sibling)):
                continue
            conflicts[base + sibling] = base + other


# Sentences


def _oversized_fault(oversized: Sequence[tuple[str, int]], limit_bytes: int) -> Fault | None:
    if not oversized:
        return None
    limit = _megabytes(limit_bytes)
    paths = list(dict.fromkeys(path for path, _size in oversized))
    include = ",".join(display_name(path) for path in paths[:_SHOWN])
    return Fault(
        f"files larger than {limit} must be stored with git-lfs",
        (
            f"Refused: these files are larger than {limit} and not stored with git-lfs:",
            *_some(f"{display_name(path)} ({_megabytes(size)})" for path, size in oversized),
            "Move them to git-lfs, in all commits not pushed yet, and push again:",
            f'  git lfs migrate import --include="{include}"',
            "For files yet to come run 'git lfs track \"*.ending\"' and commit .gitattributes.",
        ),
    )


def _pointer_fault(pointers: Sequence[LfsPointerAt], quarantine: Quarantine) -> Fault | None:
    if not pointers:
        return None
    sizes = quarantine.lfs_sizes({pointer.sha256 for pointer in pointers})
    missing = [pointer for pointer in pointers if pointer.sha256 not in sizes]
    wrong = [
        pointer for pointer in pointers if sizes.get(pointer.sha256, pointer.size_bytes) != pointer.size_bytes
    ]
    lines: list[str] = []
    if missing:
        lines += [
            "Refused: these files are git-lfs pointers to objects that were never uploaded to this repository:",
            *_some(f"{display_name(pointer.path)} ({pointer.sha256})" for pointer in missing),
            "Upload them with 'git lfs install' and 'git lfs push --all origin', then push again.",
        ]
    if wrong:
        lines += [
            "Refused: these git-lfs pointers tell another size than their object has:",
            *_some(
                f"{display_name(pointer.path)} (says {pointer.size_bytes} bytes, is {sizes[pointer.sha256]})"
                for pointer in wrong
            ),
        ]
    if not lines:
        return None
    return Fault(
        "git-lfs objects are missing" if missing else "git-lfs pointers with a wrong size", tuple(lines)
    )


def _path_fault(bad_paths: Mapping[str, str]) -> Fault | None:
    if not bad_paths:
        return None
    lines = ("Refused: paths that some systems or clients cannot hold:", *_some(bad_paths.values()))
    return Fault("invalid paths", lines)


def _case_fault(conflicts: Mapping[str, str]) -> Fault | None:
    if not conflicts:
        return None
    pairs = (f"{display_name(one)} and {display_name(other)}" for one, other in conflicts.items())
    return Fault(
        "paths that differ only in letter case",
        (
            "Refused: these paths differ only in letter case, which Windows and macOS cannot hold:",
            *_some(pairs),
        ),
    )


def _some(lines: Iterable[str]) -> Iterator[str]:
    rest = 0
    for number, line in enumerate(lines):
        if number < _SHOWN:
            yield f"  {line}"
        else:
            rest += 1
    if rest:
        yield f"  and {rest} more"


def _megabytes(size_bytes: int) -> str:
    if size_bytes < 1_000_000:
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1_000_000:.1f}".removesuffix(".0") + " MB"

"""What pages show of a change, made ready for templates: its files with their lines, and the links to see it otherwise.

Used by commits, comparisons and pull requests alike; ``commits/change.html`` draws it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from openhood.base.errors import GatedRepo
from openhood.base.names import Oid, RepoType
from openhood.domain.repos.comparing import MAX_FILES, ChangedFile
from openhood.domain.repos.types import Repo
from openhood.domain.reviews import seeing
from openhood.domain.reviews.types import WAITING, ChangeReview, FileReview
from openhood.engines.git.objects import display_name
from openhood.http.context import Call
from openhood.http.pages import summaries
from openhood.http.pages.commits.patches import FilePatch, read_patch
from openhood.http.pages.language import Words, words_of

_FILES_SHOWN = 50
_UNITS_SHOWN = 50
_LINES_OF_ONE = 400
_LINES_IN_ALL = 3_000
_LINES_ALONE = 15_000
_MOST = 1_000_000
_TABLE = re.compile(
    r"\.(?:csv|tsv|jsonl?|ndjson|parquet|arrow|txt)(?:\.(?:gz|bz2|xz|zst|lz4))?$", re.IGNORECASE
)
_NO_PATCH = FilePatch("", (), is_binary=False, is_cut=True)


@dataclass(frozen=True, slots=True)
class FileShown:
    """One changed file: its facts, its lines (None where none are shown), and its addresses on either side."""

    file: ChangedFile
    patch: FilePatch | None
    anchor: str
    old_href: str | None
    new_href: str | None
    alone_href: str

    @property
    def path(self) -> str:
        """The path for people."""
        return display_name(self.file.path)

    @property
    def old_path(self) -> str | None:
        """What it was called before, for people."""
        return None if self.file.old_path is None else display_name(self.file.old_path)

    @property
    def is_lfs(self) -> bool:
        """Whether a side is a pointer to a large file."""
        return self.file.old_lfs is not None or self.file.new_lfs is not None


class Facts(dict[str, object]):
    """What was found out about a file. Each kind of comparison tells other things: what is not told is None."""

    def __missing__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class UnitShown:
    """A file, or the shards of one model or table, with what was found out about it."""

    path: str
    kind: str
    state: str
    summary: str
    error: str | None
    details: Facts


@dataclass(frozen=True, slots=True)
class ReviewShown:
    """What the files mean that are understood, and the address of the next ones.

    ``part`` is the address of this alone, ``back`` that of its page.
    """

    units: tuple[UnitShown, ...]
    is_waiting: bool
    part: str
    back: str
    more: str | None


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """A page of a change. ``gate`` is the repository's gate where the viewer may not see the files."""

    files: tuple[FileShown, ...]
    names: tuple[tuple[str, str, str], ...]
    file_count: int
    is_cut: bool
    additions: int
    deletions: int
    bytes_before: int
    bytes_after: int
    review: ReviewShown | None
    is_split: bool
    unified_href: str
    split_href: str
    before: str | None
    after: str | None
    alone: str | None
    rows_href: str | None
    gate: str | None = None


async def show_change(call: Call, *, repo: Repo, base: Oid | None, head: Oid | None) -> ChangeShown:
    """Return the page of a change that the query asks for: ``view``, ``p``, ``path`` and ``review``."""
    cursor = call.query_int("review", default=0, low=0, high=_MOST)
    try:
        found = await call.act(
            seeing.see_change, repo=repo, base=base, head=head, cursor=cursor, limit=_UNITS_SHOWN
        )
    except GatedRepo as error:
        return _gated(error.message)
    return await call.run(_arrange, call, found)


async def show_review(call: Call, *, repo: Repo, base: Oid | None, head: Oid | None) -> ReviewShown:
    """Return only what a change means, for a page that asks again while it is being found out."""
    cursor = call.query_int("review", default=0, low=0, high=_MOST)
    found = await call.act(
        seeing.see_review, repo=repo, base=base, head=head, cursor=cursor, limit=_UNITS_SHOWN
    )
    return _review(call, found)


def _arrange(call: Call, change: seeing.Change) -> ChangeShown:
    files = change.files
    alone = call.query("path")
    number = call.query_int("p", default=0, low=0, high=MAX_FILES)
    chosen: Sequence[ChangedFile]
    if alone is not None:
        chosen = [each for each in files if display_name(each.path) == alone][:1]
    else:
        chosen = files[number * _FILES_SHOWN : (number + 1) * _FILES_SHOWN]
    patches = read_patch(
        change.patch,
        wanted=frozenset(each.path for each in chosen if each.old_lfs is None and each.new_lfs is None),
        line_limit=_LINES_OF_ONE if alone is None else _LINES_ALONE,
        total_limit=_LINES_IN_ALL if alone is None else _LINES_ALONE,
    )
    shown = tuple(_file(call, change, each, patches.get(each.path), at) for at, each in enumerate(chosen))
    has_more = alone is None and (number + 1) * _FILES_SHOWN < len(files)
    return ChangeShown(
        files=shown,
        names=tuple((each.path, each.file.status, each.anchor) for each in shown) if len(shown) > 1 else (),
        file_count=len(files),
        is_cut=len(files) >= MAX_FILES,
        additions=sum(each.additions or 0 for each in files),
        deletions=sum(each.deletions or 0 for each in files),
        bytes_before=sum(each.old_size_bytes or 0 for each in files),
        bytes_after=sum(each.new_size_bytes or 0 for each in files),
        review=_review(call, change.review) if alone is None else None,
        is_split=call.query("view") == "split",
        unified_href=_other(call, view=None),
        split_href=_other(call, view="split"),
        before=_other(call, p=str(number - 1) if number > 1 else None) if number and alone is None else None,
        after=_other(call, p=str(number + 1)) if has_more else None,
        alone=alone,
        rows_href=_rows_href(change),
    )


def _rows_href(change: seeing.Change) -> str | None:
    """Return where the data studio compares the rows of both sides; None where no table of a dataset changed."""
    is_table = any(_TABLE.search(display_name(each.path)) for each in change.files)
    if change.repo.type is not RepoType.DATASET or not is_table or not (change.base and change.head):
        return None
    query = urlencode({"revision": change.head, "base": change.base, "view": "diff"})
    return f"{quote(change.repo.web_path)}/viewer?{query}"


def _file(
    call: Call, change: seeing.Change, file: ChangedFile, patch: FilePatch | None, at: int
) -> FileShown:
    def blob(oid: Oid | None, path: str | None) -> str | None:
        if oid is None or path is None:
            return None
        return f"{quote(change.repo.web_path)}/blob/{oid}/{quote(path, errors='surrogateescape')}"

    has_lines = bool(file.additions or file.deletions)
    return FileShown(
        file,
        patch if patch is not None or not has_lines else _NO_PATCH,
        f"file-{at + 1}",
        blob(change.base, file.old_path or file.path) if file.old_blob is not None else None,
        blob(change.head, file.path) if file.new_blob is not None else None,
        _other(call, path=display_name(file.path), p=None, review=None),
    )


def _review(call: Call, review: ChangeReview) -> ReviewShown:
    words = words_of(call)
    units = tuple(_unit(words, each) for each in review.files if each.unit.format is not None)
    more = None if review.cursor is None else _other(call, review=str(review.cursor), part=None) + "#review"
    return ReviewShown(
        units, review.state == WAITING, _other(call, part="review"), _other(call, part=None) + "#review", more
    )


def _unit(words: Words, review: FileReview) -> UnitShown:
    return UnitShown(
        display_name(review.unit.path),
        review.kind,
        review.state,
        summaries.told(words, review.summary),
        None if review.error is None else summaries.told(words, review.error),
        _facts(review.details or {}),
    )


def _facts(said: Mapping[str, object]) -> Facts:
    return Facts({name: _lenient(value) for name, value in said.items()})


def _lenient(value: object) -> object:
    if isinstance(value, dict):
        return _facts(value)
    return [_lenient(each) for each in value] if isinstance(value, list) else value


def _other(call: Call, **changed: str | None) -> str:
    """Return the address of this page with some parameters changed; None takes one away."""
    kept: Mapping[str, str] = {name: value for name, value in call.query_pairs() if name not in changed}
    query = {**kept, **{name: value for name, value in changed.items() if value is not None}}
    path = str(call.request.scope["raw_path"].decode("latin-1")).split("?")[0]
    return path + (f"?{urlencode(query)}" if query else "")


def _gated(message: str) -> ChangeShown:
    return ChangeShown(
        (), (), 0, False, 0, 0, 0, 0, None, False, "", "", None, None, None, None, gate=message
    )

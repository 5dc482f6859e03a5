"""A feed as people read it: the same thing done again and again is one line, and a first upload is part of creating."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from openhood.domain.community.activity import Happening

_AT_ONCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Line:
    """The newest of some happenings that are alike, and how many there are."""

    newest: Happening
    oldest: Happening
    times: int


def folded(items: Iterable[Happening]) -> list[Line]:
    """Return the lines of a feed that comes newest first."""
    lines: list[Line] = []
    for each in items:
        last = lines[-1] if lines else None
        if last is not None and _is_same(last.oldest, each):
            lines[-1] = Line(last.newest, each, last.times + 1)
        elif last is not None and _belongs(last.oldest, each):
            lines[-1] = Line(each, each, 1)
        else:
            lines.append(Line(each, each, 1))
    return lines


def _is_same(newer: Happening, older: Happening) -> bool:
    return newer.kind == older.kind == "repo.content" and _at_one_place(newer, older)


def _belongs(content: Happening, creation: Happening) -> bool:
    """Tell whether a change is the first upload that came right after creating."""
    return (
        content.kind == "repo.content"
        and creation.kind == "repo.create"
        and _at_one_place(content, creation)
        and content.at - creation.at < _AT_ONCE
    )


def _at_one_place(one: Happening, other: Happening) -> bool:
    if one.repo is None or other.repo is None or one.actor is None or other.actor is None:
        return False
    return one.repo.id == other.repo.id and one.actor.id == other.actor.id

"""The table of tensors on the page of a file of weights: searched, sorted and paged by its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openhood.base.errors import HubError
from openhood.domain.repos import inspecting
from openhood.domain.repos.inspecting import Inspected, TensorRow
from openhood.domain.repos.viewing import Seen
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages.files.places import Place

PAGE = 500
_SORTS: dict[str, Callable[[TensorRow], Any]] = {  # Any: whatever can be compared
    "name": lambda row: _natural(row.name),
    "dtype": lambda row: row.dtype,
    "shape": lambda row: (len(row.shape), row.shape),
    "parameters": lambda row: row.parameters,
    "size": lambda row: row.size_bytes,
    "file": lambda row: row.file,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the table: words, a column (with ``-`` for descending; empty: as in the file), a page from 0."""

    q: str
    sort: str
    number: int


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column: where it leads, and how the column is sorted now (``ascending``, ``descending``, empty)."""

    key: str
    href: str
    order: str


@dataclass(frozen=True, slots=True)
class Table:
    """A page of the table, or ``problem``: why there is none."""

    found: Inspected | None
    wish: Wish
    rows: tuple[TensorRow, ...] = ()
    matching: int = 0
    heads: tuple[Head, ...] = ()
    before: str | None = None
    after: str | None = None
    problem: str | None = None


def wish_of(call: Call) -> Wish:
    """Return what the address asks for."""
    sort = call.query("sort") or ""
    return Wish(
        (call.query("q") or "")[:200].strip(),
        sort if sort.removeprefix("-") in _SORTS else "",
        call.query_int("p", default=0, low=0, high=10_000),
    )


def make_table(sv: Services, seen: Seen, place: Place, wish: Wish) -> Table:
    """Return the table of a file. What is wrong with the file is said in it. For worker threads."""
    try:
        found = inspecting.inspect(sv, seen)
    except HubError as error:
        if error.status >= 500:
            raise
        return Table(None, wish, problem=error.message)
    rows = list(found.tensors)
    for word in wish.q.casefold().split():
        rows = [row for row in rows if word in row.name.casefold() or word == row.dtype.casefold()]
    if wish.sort:
        rows.sort(key=_SORTS[wish.sort.removeprefix("-")], reverse=wish.sort.startswith("-"))
    start = wish.number * PAGE
    columns = [key for key in _SORTS if key != "file" or found.files > 1]
    return Table(
        found,
        wish,
        tuple(rows[start : start + PAGE]),
        len(rows),
        tuple(_head(place, wish, key) for key in columns),
        _address(place, wish, wish.sort, wish.number - 1) if wish.number else None,
        _address(place, wish, wish.sort, wish.number + 1) if start + PAGE < len(rows) else None,
    )


def _head(place: Place, wish: Wish, key: str) -> Head:
    order = {key: "ascending", f"-{key}": "descending"}.get(wish.sort, "")
    largest_first = key in ("parameters", "size")
    following = f"-{key}" if order == "ascending" or (largest_first and not order) else key
    return Head(key, _address(place, wish, following, 0), order)


def _address(place: Place, wish: Wish, sort: str, number: int) -> str:
    asked = {"q": wish.q, "sort": sort, "p": number}
    return place.to("blob", query={key: value for key, value in asked.items() if value}) + "#tensors"


def _natural(name: str) -> tuple[object, ...]:
    """Return a key that puts layer 2 before layer 10."""
    return tuple(
        (1, int(part), "") if part.isdecimal() and len(part) < 10 else (0, 0, part)
        for part in name.split(".")
    )

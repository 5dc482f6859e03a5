"""Checking xorbs: that each is there with its length, with ``deep`` that its chunks are what they should be.

Which files are made of them is checked in `large_files`.
"""

from __future__ import annotations

from collections.abc import Iterator

from openhood.domain.fsck.findings import Finding
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.xet import gc_rows, report_rows
from openhood.domain.xet import rows as xet_rows
from openhood.domain.xet.scrub import find_problem
from openhood.domain.xet.types import Xorb

_PAGE = 500
_NAMED = 5
"""Files named in a finding."""

_HEAL = (
    "Restore the object from a backup: the hub finds it good within a day. Or upload one of the files again from a "
    "machine that has not uploaded it in the last 21 days, or with another HF_XET_CACHE: its chunks take the place of "
    "the bad ones."
)
_NOTHING = "Nothing: it is deleted by itself once no client may count on it."


def check_xorbs(sv: Services, repo: Repo | None, *, deep: bool, bad: set[int]) -> Iterator[Finding]:
    """Yield the findings of the xorbs that a repository needs, or of all.

    Args: ``bad`` gets the ids of xorbs with a finding.
    """
    for xorb in _list_all(sv) if repo is None else _list_needed(sv, repo):
        problem = _problem(sv, xorb, deep=deep)
        if problem is None or not _is_current(sv, xorb):
            continue
        bad.add(xorb.id)
        with sv.db.read() as tx:
            affected = report_rows.list_affected(tx, xorb.id, limit=_NAMED + 1)
        if not affected:
            yield Finding("note", f"xorb {xorb.hash}", f"{problem}; no file needs it", _NOTHING)
            continue
        named = [
            f"{each.path or each.sha256} of {each.holder.type.value} {each.holder.repo_id}"
            for each in affected[:_NAMED]
        ]
        more = " and others" if len(affected) > _NAMED else ""
        problem = f"{problem}; this damages {', '.join(named)}{more}"
        yield Finding("error", f"xorb {xorb.hash}", problem, f"{_HEAL} Its key is {xorb.key}.")


def _problem(sv: Services, xorb: Xorb, *, deep: bool) -> str | None:
    if xorb.state == "damaged":
        return f"it was found damaged on {xorb.state_since:%Y-%m-%d %H:%M} UTC"
    if deep:
        return find_problem(sv, xorb)
    size = sv.objects.size(xorb.key)
    if size is None:
        return "its bytes are missing from the object store"
    if size != xorb.size_bytes:
        return f"it has {size} bytes, not {xorb.size_bytes}"
    return None


def _is_current(sv: Services, xorb: Xorb) -> bool:
    """Tell whether the row still names these bytes: they may have been deleted or replaced meanwhile."""
    with sv.db.read() as tx:
        now = xet_rows.get_xorb(tx, xorb.hash)
    return now is not None and now.key == xorb.key


def _list_all(sv: Services) -> Iterator[Xorb]:
    last = 0
    while True:
        with sv.db.read() as tx:
            page = gc_rows.list_xorbs(tx, after=last, limit=_PAGE)
        if not page:
            return
        last = page[-1].id
        yield from page


def _list_needed(sv: Services, repo: Repo) -> Iterator[Xorb]:
    after = ""
    seen: set[int] = set()
    while True:
        with sv.db.read() as tx:
            page = report_rows.list_held(tx, repo.id, after=after, limit=_PAGE)
            parts = report_rows.find_parts(tx, [each.sha256 for each in page])
            new = {xorb for xorbs in parts.values() for xorb in xorbs} - seen
            found = report_rows.find_xorbs(tx, new)
        if not page:
            return
        seen |= new
        after = page[-1].sha256
        yield from found.values()

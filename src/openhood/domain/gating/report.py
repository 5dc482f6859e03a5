"""The report of who asked for access, as a file to keep: JSON as the Hub writes it, or CSV for spreadsheets.

Made a page at a time, so that a gate with a million visitors fits into memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

import orjson

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.gating import actions, forms, rows
from openhood.domain.gating.rows import Chosen, Place
from openhood.domain.gating.types import AccessRequest
from openhood.domain.repos import listing_rows, lookup
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services

_PAGE = 1000
_COLUMNS = ("user", "fullname", "status", "email", "time", "reviewedAt")
# A spreadsheet would run what begins so, and people choose their own names and answers.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def open_report(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> Repo:
    """Return the repository if the viewer may have its report. Opens a read unit.

    Raises: what `lookup.find` raises; BadRequest where it has no gate.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
    actions.require_gate(repo)
    return repo


def write_json(sv: Services, repo: Repo) -> Iterator[bytes]:
    """Yield the report as a JSON list, in pieces. Opens a read unit for each. **Source**: hub-docs ``models-gated``."""
    yield b"["
    is_first = True
    for request in _requests(sv, repo):
        yield (b"" if is_first else b",\n") + orjson.dumps({**_entry(request), **_answers(request)})
        is_first = False
    yield b"]\n"


def write_csv(sv: Services, repo: Repo) -> Iterator[bytes]:
    """Yield the report as CSV with a header, in pieces; columns for what the form asks today follow the usual ones."""
    with sv.db.read() as tx:
        listed = listing_rows.get_listed(tx, repo.id)
    asked = [field.name for field in forms.read_form(None if listed is None else listed.tip.card).fields]
    yield _line([*_COLUMNS, *asked])
    for request in _requests(sv, repo):
        entry = _entry(request)
        usual = [str(entry.get(name, "")) for name in _COLUMNS]
        yield _line([*usual, *(_text(request.fields.get(name, "")) for name in asked)])


def _requests(sv: Services, repo: Repo) -> Iterator[AccessRequest]:
    after: Place | None = None
    while True:
        with sv.db.read() as tx:
            found = rows.list_requests(tx, repo.id, Chosen(), after=after, limit=_PAGE)
        yield from found
        if len(found) < _PAGE:
            return
        after = Place(found[-1].requested_at, found[-1].id)


def _entry(request: AccessRequest) -> dict[str, object]:
    account = request.account
    entry: dict[str, object] = {
        "user": account.name,
        "fullname": account.fullname or account.name,
        "status": request.status,
        "email": account.email or "",
        "time": request.requested_at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z",
    }
    if request.reviewed_at is not None:
        entry["reviewedAt"] = (
            request.reviewed_at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        )
    return entry


def _answers(request: AccessRequest) -> Mapping[str, object]:
    return {"fields": dict(request.fields)} if request.fields else {}


def _text(value: object) -> str:
    return "yes" if value is True else str(value)


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue().encode("utf-8")

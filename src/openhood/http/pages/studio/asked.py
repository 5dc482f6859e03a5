"""What the address of a studio page asks for, and the addresses of its other pages: all that is on screen is in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from openhood.base.names import RepoId
from openhood.http.context import Call

PAGE_ROWS = 100
_MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Asked:
    """Split, page, search, condition, order and revision. ``config`` and ``split`` empty: the first there is."""

    repo_id: RepoId
    config: str = ""
    split: str = ""
    revision: str = "main"
    page: int = 0
    q: str = ""
    where: str = ""
    orderby: str = ""
    view: str = ""
    is_embedded: bool = False

    @property
    def root(self) -> str:
        """The address of the studio of this dataset."""
        place = f"/datasets/{quote(str(self.repo_id))}"
        return f"{place}/embed/viewer" if self.is_embedded else f"{place}/viewer"

    @property
    def href(self) -> str:
        """The address of exactly this."""
        place = self.root
        if self.config:
            place += f"/{quote(self.config, safe='')}"
            place += f"/{quote(self.split, safe='')}" if self.split else ""
        words = {
            "revision": "" if self.revision == "main" else self.revision,
            "q": self.q,
            "where": self.where,
            "orderby": self.orderby,
            "view": self.view,
            "p": str(self.page) if self.page else "",
        }
        query = urlencode({name: value for name, value in words.items() if value})
        return f"{place}?{query}" if query else place

    def at(self, config: str, split: str) -> Asked:
        """The same revision, another split, from its start."""
        return Asked(self.repo_id, config, split, self.revision, is_embedded=self.is_embedded)

    def on(self, page: int) -> Asked:
        """The same, another page."""
        return replace(self, page=page)

    def sorted_by(self, column: str) -> Asked:
        """The same in the order of a column: upwards, then downwards, then as the rows are."""
        name = '"' + column.replace('"', '""') + '"'
        after = {"": name, name: f"{name} DESC", f"{name} DESC": ""}
        return replace(self, orderby=after.get(self.orderby, name), q="", page=0)

    def direction(self, column: str) -> str:
        """How rows are ordered by a column: ``ascending``, ``descending`` or ``none``."""
        name = '"' + column.replace('"', '""') + '"'
        return {name: "ascending", f"{name} DESC": "descending"}.get(self.orderby, "none")


def asked_of(call: Call, *, is_embedded: bool = False) -> Asked:
    """Return what a request asks for; a page that is no number is the first."""
    number = call.query("p") or "0"
    return Asked(
        call.repo_id,
        call.params.get("config", ""),
        call.params.get("split", ""),
        call.query("revision") or "main",
        int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0,
        (call.query("q") or "")[:_MAX_TEXT],
        (call.query("where") or "")[:_MAX_TEXT],
        (call.query("orderby") or "")[:_MAX_TEXT],
        call.query("view") or "",
        is_embedded,
    )

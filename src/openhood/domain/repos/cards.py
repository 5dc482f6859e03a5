"""Cards as people read them: the README of main made into HTML once, with its headings and what it wants cited.

What a card's front matter says is in the rows of its repository; see `repos.describe`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import quote

from openhood.base.errors import EntryNotFound, RevisionNotFound
from openhood.base.names import Oid, RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.repos import resolve
from openhood.domain.services import Services
from openhood.engines import markup
from openhood.engines.formats.card import split_card

CARD_FILE = "README.md"
_MAX_HEADINGS = 80
_HEADING = re.compile(r'<h([1-4])[^>]*\bid="([^"]+)"[^>]*>(.*?)</h\1>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PARAGRAPH = re.compile(r"<p(?: [^>]*)?>(.*?)</p>", re.DOTALL)
_LEAST_SUMMARY, _MAX_SUMMARY = 20, 240
_LOOKED_AT = 50_000
_BIBTEX = re.compile(
    r"^```[ \t]*(?:bibtex|bib|latex)?[ \t]*\n(\s*@\w+\s*\{.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE
)
_MAX_CITATION_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a card: 1 to 4, its id in the page, and its words."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is shown. ``html`` is safe; None where the file is too large to be shown as a card.

    ``summary`` is its first paragraph in plain words, empty where there is none.
    """

    html: str | None
    headings: tuple[Heading, ...]
    citation: str | None
    is_blank: bool
    summary: str = ""


def read_card(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, revision: str = "main"
) -> Card | None:
    """Return the card at a revision, None where there is none. Opens a read unit.

    Relative links lead to the repository's files at that revision. What was rendered is kept by content and rules.
    Raises: what `lookup.find` raises.
    """
    try:
        file = resolve.file(
            sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, path=CARD_FILE
        )
    except (EntryNotFound, RevisionNotFound):
        return None
    if file.stored is not None or file.size_bytes > resolve.MAX_BLOB_IN_MEMORY_BYTES:
        return Card(None, (), None, is_blank=False)
    web = quote(file.repo.web_path)

    def make() -> Card:
        return render(resolve.blob(sv, file).decode("utf-8", "replace"), web=web, revision=revision)

    return sv.facts.of(_key(file.oid, web, revision), make, weigh=lambda card: 500 + 2 * len(card.html or ""))


def _key(oid: Oid, web: str, revision: str) -> tuple[object, ...]:
    return ("card", oid, markup.VERSION, web, revision)


def render(text: str, *, web: str, revision: str) -> Card:
    """Make a card of a README. Pure. Args: ``web`` is the path of the repository's page."""
    body = split_card(text).body
    at = quote(revision, safe="")
    shown = markup.render(
        body, base=f"{web}/blob/{at}/", media_base=f"{web}/resolve/{at}/", repo=web, prefix="card-"
    )
    headings = tuple(
        Heading(int(level), anchor, words)
        for level, anchor, inside in _HEADING.findall(shown)[:_MAX_HEADINGS]
        if (words := html.unescape(_TAG.sub("", inside)).strip())
    )
    cited = _BIBTEX.search(body)
    citation = cited[1].strip()[:_MAX_CITATION_CHARACTERS] if cited else None
    return Card(shown, headings, citation, is_blank=not body.strip(), summary=summary_of(shown))


def summary_of(shown: str) -> str:
    """Return the first paragraph of a card's HTML that says something, in plain words and not too many of them."""
    for inside in _PARAGRAPH.findall(shown[:_LOOKED_AT]):
        words = " ".join(html.unescape(_TAG.sub("", inside)).split())
        if len(words) >= _LEAST_SUMMARY:
            return words if len(words) <= _MAX_SUMMARY else words[:_MAX_SUMMARY].rpartition(" ")[0] + " …"
    return ""

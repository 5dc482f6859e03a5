"""What the head shows on every page of a repository: one action's answer, put into words and links.

Every room below a repository loads it with `load` and draws it with the macro ``head`` of ``repo/head.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from openhood.base.names import RepoType
from openhood.domain.access import Need, Verdict
from openhood.domain.notifications import standing
from openhood.domain.notifications.standing import Standing
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.repos.types import Repo
from openhood.engines.formats import vocabulary
from openhood.http.context import Call
from openhood.http.pages.language import Words
from openhood.http.pages.shown import count

_HIDDEN = ("region", "trait")
# Where a tag of a category leads in the list of its type; all others are asked for as ``other``.
_PARAMETERS = {"pipeline_tag": "pipeline_tag", "library": "library", "language": "language"}
_ICONS = {
    "license": "file",
    "dataset": "dataset",
    "base_model": "model",
    "pipeline_tag": "spark",
    "task_categories": "spark",
    "language": "talk",
}
_CHIPS_SHOWN = 12
_CHIPS_ON_PHONES = 4
_MOST_CHIPS = 120


@dataclass(frozen=True, slots=True)
class Chip:
    """A tag in people's words, its category, the list of what has it too, and an icon's name or nothing."""

    text: str
    category: str
    href: str
    icon: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the head of a repository's pages needs. ``active``: card, files, community or settings."""

    active: str
    standing: Standing

    @property
    def repo(self) -> Repo:
        """The repository itself."""
        return self.standing.repo

    @property
    def listed(self) -> Listed:
        """Its facts as lists show them."""
        return self.standing.listed

    @property
    def web(self) -> str:
        """The repository's page, ready for an address."""
        return quote(self.repo.web_path)

    @property
    def section(self) -> str:
        """Which part of the hub it belongs to: models, datasets or spaces."""
        return self.repo.type.plural

    @property
    def likes(self) -> int:
        """How many like it."""
        return self.listed.likes

    @property
    def is_liked(self) -> bool:
        """Whether the viewer likes it."""
        return self.standing.is_liked

    @property
    def is_watched(self) -> bool:
        """Whether the viewer watches it."""
        return self.standing.is_watched

    @property
    def open_discussions(self) -> int:
        """How many discussions and pull requests are open."""
        return self.standing.open_discussions

    @property
    def may_read(self) -> bool:
        """Whether the viewer may read its files."""
        return self.standing.may(Need.READ)

    @property
    def may_write(self) -> bool:
        """Whether the viewer may commit to it."""
        return self.standing.may(Need.WRITE)

    @property
    def may_propose(self) -> bool:
        """Whether the viewer may open pull requests."""
        return self.standing.may(Need.PROPOSE)

    @property
    def may_admin(self) -> bool:
        """Whether the viewer may change its settings."""
        return self.standing.may(Need.ADMIN)

    @property
    def gate(self) -> str:
        """How the gate stands: ``open`` (none, or passed), ``ask``, ``pending`` or ``rejected``."""
        if self.standing.verdicts[Need.READ] is not Verdict.GATE:
            return "open"
        return self.repo.admission.status or "ask"

    @property
    def license(self) -> tuple[str, str] | None:
        """The license's name and where its text or others under it are found; None where none is named."""
        for tag in self.listed.tip.tags:
            if tag.startswith("license:"):
                return vocabulary.label_of("license", tag), browse_link(self.repo.type, tag)
        return None

    @property
    def task(self) -> tuple[str, str] | None:
        """What it is for, and the others for that."""
        tag = self.listed.tip.pipeline_tag
        if self.repo.type is not RepoType.MODEL:
            found = [each for each in self.listed.tip.tags if each.startswith("task_categories:")]
            return None if not found else self._labelled(found[0])
        return None if tag is None else self._labelled(tag)

    def said(self, words: Words) -> str:
        """What it is in one line, for those who have not opened the page: its kind, task, size and license."""
        _ = words.gettext
        listed = self.listed
        kind = {RepoType.MODEL: _("Model"), RepoType.DATASET: _("Dataset"), RepoType.SPACE: _("Space")}
        parameters = count(listed.parameters, words.figures) if listed.parameters else ""
        parts = [
            f"{kind[self.repo.type]} {self.repo.repo_id}",
            "" if self.task is None else words.label(self.task[0], "pipeline_tag"),
            _("%(n)s parameters") % {"n": parameters} if parameters else "",
            "" if self.license is None else words.label(self.license[0], "license"),
        ]
        return " · ".join(part for part in parts if part)

    def _labelled(self, tag: str) -> tuple[str, str]:
        kind = vocabulary.categorise(self.repo.type.value, tag)
        return vocabulary.label_of(kind, tag), browse_link(self.repo.type, tag)

    @property
    def chips(self) -> list[Chip]:
        """The tags, each leading to what has it too."""
        return [chip for tag in self.listed.tip.tags[:_MOST_CHIPS] if (chip := _chip(self.repo.type, tag))]

    @property
    def chips_at_once(self) -> int:
        """How many of them stand in the head before it is asked for the others."""
        return min(len(self.chips), _CHIPS_SHOWN)

    @property
    def chips_on_phones(self) -> int:
        """How many stand there where lines are short: two lines of them. One alone is not hidden for another."""
        number = len(self.chips)
        return number if number <= _CHIPS_ON_PHONES + 1 else _CHIPS_ON_PHONES


def _chip(repo_type: RepoType, tag: str) -> Chip | None:
    category = vocabulary.categorise(repo_type.value, tag)
    if category in _HIDDEN:
        return None
    return Chip(
        vocabulary.label_of(category, tag),
        category,
        browse_link(repo_type, tag, category),
        _ICONS.get(category),
    )


def browse_link(repo_type: RepoType, tag: str, category: str | None = None) -> str:
    """Return the address of the list of everything of a type that has a tag."""
    known = vocabulary.categorise(repo_type.value, tag) if category is None else category
    return browse_address(repo_type, {_PARAMETERS.get(known, "other"): tag})


def browse_address(repo_type: RepoType, query: Mapping[str, str]) -> str:
    """Return the address of a list of one type."""
    return f"/{repo_type.plural}?{urlencode(query)}" if query else f"/{repo_type.plural}"


async def load(call: Call, active: str) -> Shown:
    """Return what the head of the repository that a route names shows to whoever asks.

    *Args*: ``active`` is the tab that is open. Raises: what `lookup.find` raises.
    """
    found = await call.act(standing.see_standing, repo_type=call.repo_type, repo_id=call.repo_id)
    return Shown(active, found)

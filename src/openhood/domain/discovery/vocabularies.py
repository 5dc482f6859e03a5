"""What this hub's repositories can be filtered by, with how many public ones there are of each, and for which tasks.

The words themselves are `engines.formats.vocabulary`'s; what is told here holds for everybody alike, so that
nothing of a private repository shows in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.discovery import tag_rows
from openhood.domain.discovery.tag_rows import Popular, UsedTag
from openhood.domain.services import Services
from openhood.engines.formats import vocabulary
from openhood.infra.db.engine import Tx

MAX_TAGS = 3_000
"""Most tags of a category that are told, the most used."""

MAX_RECOMMENDED = 5
_PIPELINE = "pipeline_tag"
_LOOKED_AT = 2_000
# A task of more models than this is soon met on a walk down the downloads; of fewer, all are looked at.
_FEW = 2_000
_METRIC = "metric"
_MAX_METRICS = 1_000


@dataclass(frozen=True, slots=True)
class CountedTag:
    """A tag as people choose it. ``group``: the field of a task (``nlp``, ``cv``, …), None for other tags."""

    id: str
    label: str
    category: str
    group: str | None
    count: int


@dataclass(frozen=True, slots=True)
class TagLists:
    """Tags by category, each list with the most used first; ``cut`` names the categories of which more are used."""

    groups: Mapping[str, Sequence[CountedTag]]
    cut: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A space that computes a metric."""

    id: str
    space_id: str
    description: str | None


def list_tags(
    sv: Services, _viewer: Viewer, *, repo_type: RepoType, categories: Sequence[str] = ()
) -> TagLists:
    """Return what a type of repository can be filtered by: all that is used, and what is offered though it is not.

    Args: ``categories``: only these, in this order; none: all that are listed. Opens a read unit.

    Raises: BadRequest for a category that the type does not have.
    """
    allowed = vocabulary.all_categories(repo_type.value)
    for category in categories:
        if category not in allowed:
            raise BadRequest(
                f"There are no {repo_type.value} tags of the type {category[:40]!r}. "
                f"'type' must be one of: {', '.join(allowed)}."
            )
    wanted = tuple(dict.fromkeys(categories)) or vocabulary.categories(repo_type.value)
    with sv.db.read() as tx:
        used = tag_rows.count_tags(tx, repo_type, wanted, limit=MAX_TAGS + 1)
    return TagLists(
        {category: _listed(repo_type, category, used[category][:MAX_TAGS]) for category in wanted},
        tuple(category for category in wanted if len(used[category]) > MAX_TAGS),
    )


def recommend_models(sv: Services, _viewer: Viewer) -> Mapping[str, Sequence[str]]:
    """Return the tasks of models, each with this hub's most downloaded public models for it, from one to five.

    Opens a read unit.
    """
    with sv.db.read() as tx:
        found = find_recommended(tx, looked_at=_LOOKED_AT, few=_FEW)
    return {
        name: tuple(found.get(name, ()))
        for name, task in vocabulary.tasks().items()
        if task.is_for_models or name in found
    }


def find_recommended(tx: Tx, *, looked_at: int, few: int) -> Mapping[str, Sequence[str]]:
    """Return the most downloaded public models of each task that any is for, one at least, the first first.

    Args: ``looked_at``: so many of the most downloaded of all are sorted by task first; ``few``: what is missing
    then is looked for by its tag where no more models than this have it, else by a walk of its own.
    """
    found: dict[str, list[str]] = {}
    _sort_in(found, tag_rows.list_popular(tx, RepoType.MODEL, limit=looked_at))
    for tag in tag_rows.count_tags(tx, RepoType.MODEL, (_PIPELINE,), limit=MAX_TAGS)[_PIPELINE]:
        if tag.name in found or tag.name not in vocabulary.tasks():
            continue
        if tag.total > few:
            more = tag_rows.list_popular(tx, RepoType.MODEL, limit=MAX_RECOMMENDED, pipeline_tag=tag.name)
        else:
            more = tag_rows.list_tagged(tx, tag, limit=few, looked_at=few)
        _sort_in(found, (each for each in more if each.pipeline_tag == tag.name))
    return found


def list_metrics(sv: Services, _viewer: Viewer) -> list[Metric]:
    """Return the public spaces that compute metrics: those with the tag ``metric``. Opens a read unit."""
    with sv.db.read() as tx:
        tag = tag_rows.find_tag(tx, RepoType.SPACE, _METRIC)
        if tag is None:
            return []
        found = tag_rows.list_tagged(tx, tag, limit=_MAX_METRICS, looked_at=_FEW, with_card=True)
    return [Metric(each.repo_id.partition("/")[2], each.repo_id, _description(each.card)) for each in found]


def _listed(repo_type: RepoType, category: str, used: Iterable[UsedTag]) -> list[CountedTag]:
    listed = {
        tag.name: CountedTag(
            id=tag.name,
            label=vocabulary.label_of(category, tag.name),
            category=category,
            group=vocabulary.group_of(category, tag.name),
            count=tag.count,
        )
        for tag in used
    }
    for name, label in vocabulary.known_tags(repo_type.value, category).items():
        if name not in listed:
            listed[name] = CountedTag(name, label, category, vocabulary.group_of(category, name), 0)
    return list(listed.values())


def _sort_in(found: dict[str, list[str]], models: Iterable[Popular]) -> None:
    for each in models:
        if each.pipeline_tag is not None:
            best = found.setdefault(each.pipeline_tag, [])
            if len(best) < MAX_RECOMMENDED:
                best.append(each.repo_id)


def _description(card: Mapping[str, object] | None) -> str | None:
    for key in ("description", "short_description"):
        value = None if card is None else card.get(key)
        if isinstance(value, str) and value:
            return value[:2_000]
    return None

"""Facets: what the repositories of a list can be filtered by further, each with how many of them have it.

Counted is what anybody may see, so that the numbers are the same for everybody and tell nothing of what is
private.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.domain.access import Viewer
from openhood.domain.discovery import conditions, facet_rows, tag_rows
from openhood.domain.discovery.tag_rows import UsedTag
from openhood.domain.discovery.vocabularies import CountedTag
from openhood.domain.discovery.wanted import Wanted
from openhood.domain.services import Services
from openhood.engines.formats import vocabulary

MAX_TAGS = 1_000
"""Most tags that are told of a category."""

_NAMES_BYTES = 10_000_000

MAX_COUNTED = 1_000
"""Up to so many matches all are counted, of more only so many: see `facet_rows`."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Tags by category, the most frequent first.

    ``total`` is how many repositories match, None where that was not counted; ``sample_size`` how many were
    counted where those are not all of them, else None.
    """

    total: int | None
    sample_size: int | None
    groups: Mapping[str, Sequence[CountedTag]]


def count_facets(
    sv: Services,
    _viewer: Viewer,
    *,
    wanted: Wanted,
    categories: Sequence[str],
    limit: int,
    most: int = MAX_COUNTED,
) -> Facets:
    """Return how many public repositories of a list have each tag. Opens a read unit.

    Args: ``wanted`` is of one type; ``categories``: none for all that are listed of it; ``limit``: most tags of
    each; ``most``: so many repositories are counted at most.

    Raises: BadRequest for a category that the type does not have.
    """
    repo_type = wanted.types[0]
    allowed = vocabulary.all_categories(repo_type.value)
    for category in categories:
        if category not in allowed:
            raise BadRequest(
                f"There are no facets of the category {category[:40]!r} of a {repo_type.value}. "
                f"'category' must be one of: {', '.join(allowed)}."
            )
    asked = tuple(dict.fromkeys(categories)) or vocabulary.categories(repo_type.value)
    with sv.db.read() as tx:
        if wanted == Wanted((repo_type,)):
            total = conditions.type_counts(tx, repo_type).n_public
            used = tag_rows.count_tags(tx, repo_type, asked, limit=limit)
            return Facets(total, None, _groups(used))
        matches = facet_rows.find_matches(tx, wanted, limit=most)
        counted = facet_rows.count_tags_of(tx, matches.numbers)
        used = facet_rows.name_tags(tx, counted, asked, limit=limit, known=_known_names(sv))
    size = len(matches.numbers)
    groups = _groups(used)
    return Facets(size, None, groups) if matches.is_complete else Facets(None, size, groups)


def _known_names(sv: Services) -> facet_rows.Names:
    """Return the names of tags that this process has read; threads share them, and add to them."""
    return sv.facts.of(("names of tags",), dict[int, tuple[str, str]], weigh=lambda _made: _NAMES_BYTES)


def _groups(used: Mapping[str, Sequence[UsedTag]]) -> dict[str, list[CountedTag]]:
    return {
        category: [
            CountedTag(
                id=tag.name,
                label=vocabulary.label_of(category, tag.name),
                category=category,
                group=vocabulary.group_of(category, tag.name),
                count=tag.count,
            )
            for tag in tags
        ]
        for category, tags in used.items()
    }

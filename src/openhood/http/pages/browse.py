"""Lists of models, datasets and spaces for people: filters with counts, sort, pages; all of it in the address.

The same address works without scripts; `static/js/browse.js` swaps the parts that change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.discovery import facets, lists
from openhood.domain.discovery.facets import Facets
from openhood.domain.discovery.lists import Page
from openhood.domain.discovery.vocabularies import CountedTag
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.services import Services
from openhood.engines.formats import vocabulary
from openhood.http.api.lists import order_of, wanted_of
from openhood.http.context import Call
from openhood.http.pages.going import go
from openhood.http.pages.render import page
from openhood.http.router import Route

_PAGE = 30
_TAGS_COUNTED = 30
_TAGS_SHOWN = 7
_HIDDEN = ("region", "deploy", "bucket", "benchmark")
_SORTS: Mapping[RepoType, tuple[str, ...]] = {
    RepoType.MODEL: (
        "trendingScore",
        "downloads",
        "likes",
        "lastModified",
        "createdAt",
        "num_parameters",
        "mainSize",
        "id",
    ),
    RepoType.DATASET: ("trendingScore", "downloads", "likes", "lastModified", "createdAt", "mainSize", "id"),
    RepoType.SPACE: ("trendingScore", "likes", "lastModified", "createdAt", "id"),
}
_DEFAULT_SORT = "trendingScore"
_UPWARDS = ("id",)
_NOTHING = Facets(None, None, {})
SIZES = ("100M", "500M", "1B", "3B", "7B", "13B", "30B", "70B", "200B")
"""The stops of the slider of parameters."""

# The parameter that asks for a category's tags, and what is cut off them there. All others are asked for whole.
_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "pipeline_tag": ("pipeline_tag", ""),
    "library": ("library", ""),
    "language": ("language", ""),
    "license": ("license", "license:"),
}
_ONE_ONLY = ("pipeline_tag", "license", "sdk", "size_categories")
_LISTED = ("library", "language", "license", "other", "filter", "tags", "apps", "models", "datasets")
_SINGLE = ("search", "pipeline_tag", "author", "gated", "sort", "direction", "num_parameters")


@dataclass(frozen=True, slots=True)
class Query:
    """What the address asks for, as pairs in order; and the addresses next to it."""

    repo_type: RepoType
    pairs: tuple[tuple[str, str], ...]

    def address(self, pairs: Sequence[tuple[str, str]]) -> str:
        """Return the address of this list with other conditions."""
        query = urlencode(pairs)
        return f"/{self.repo_type.plural}" + (f"?{query}" if query else "")

    @property
    def here(self) -> str:
        """The address of the first page."""
        return self.address(self.pairs)

    def without(self, name: str, value: str | None = None) -> str:
        """Return the address without a condition."""
        return self.address([each for each in self.pairs if each[0] != name or value not in (None, each[1])])

    def at(self, cursor: str) -> str:
        """Return the address of the page that a cursor leads to."""
        return self.address([*self.pairs, ("cursor", cursor)])

    def has(self, name: str, value: str) -> bool:
        """Tell whether a condition is set."""
        return (name, value) in self.pairs

    def one(self, name: str) -> str:
        """Return the value of a parameter that can be there once, empty where it is not."""
        return next((value for key, value in self.pairs if key == name), "")


@dataclass(frozen=True, slots=True)
class Choice:
    """A tag to tick: the input's value, its words, how many have it, and whether it is ticked."""

    value: str
    label: str
    count: int | None
    is_on: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """A group of tags to tick, under one parameter; ``first`` are shown at once, ``more`` on request."""

    category: str
    parameter: str
    first: tuple[Choice, ...]
    more: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A condition that is set: the category for its words, its value in words, and the address without it."""

    category: str
    label: str
    href: str


async def get_models(call: Call) -> Response:
    """``/models``."""
    return await _browse(call, RepoType.MODEL)


async def get_datasets(call: Call) -> Response:
    """``/datasets``."""
    return await _browse(call, RepoType.DATASET)


async def get_spaces(call: Call) -> Response:
    """``/spaces``."""
    return await _browse(call, RepoType.SPACE)


async def _browse(call: Call, repo_type: RepoType) -> Response:
    query = read_query(call, repo_type)
    if any(not value for _name, value in call.query_pairs()):
        # A form without scripts sends every empty field; what people share shall say what matters.
        return go(query.here)
    try:
        wanted, order = _wanted(call, repo_type, query), _order(call, repo_type)
        cursor = call.query("cursor") or None
        # The two are found by queries of their own, so neither has to wait for the other.
        await call.viewer()
        found, counted = await asyncio.gather(
            call.act(_list, wanted=wanted, order=order, cursor=cursor), call.act(_count, wanted=wanted)
        )
    except HubError as error:
        if error.status >= 500:
            raise
        return await _show(call, query, Page((), None), _NOTHING, sort=_DEFAULT_SORT, error=error)
    return await _show(call, query, found, counted, sort=order.sort, error=None)


async def _show(
    call: Call, query: Query, found: Page, counted: Facets, *, sort: str, error: HubError | None
) -> Response:
    low, _, high = query.one("num_parameters").replace("min:", "").partition("max:")
    groups = facets_of(query, counted)
    return await page(
        call,
        "browse/list.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        query=query,
        section=query.repo_type.plural,
        kind=query.repo_type.value,
        chosen=chosen_of(query),
        sorts=_SORTS[query.repo_type],
        order=sort,
        sizes=SIZES,
        low=low.strip(","),
        high=high.strip(","),
        found=[each.listed for each in found.items],
        total=counted.total,
        sample=counted.sample_size,
        facets=groups,
        kept=unshown(query, groups),
        before=query.here if call.query("cursor") else None,
        after=None if found.cursor is None else query.at(found.cursor),
    )


def _list(sv: Services, viewer: Viewer, *, wanted: Wanted, order: Order, cursor: str | None) -> Page:
    return lists.list_repos(
        sv, viewer, wanted=wanted, order=order, cursor=cursor, limit=_PAGE, with_card=False, siblings=False
    )


def _count(sv: Services, viewer: Viewer, *, wanted: Wanted) -> Facets:
    categories = [each for each in vocabulary.categories(wanted.types[0].value) if each not in _HIDDEN]
    return facets.count_facets(sv, viewer, wanted=wanted, categories=categories, limit=_TAGS_COUNTED)


# --- the question ---------------------------------------------------------------------------------------


def read_query(call: Call, repo_type: RepoType) -> Query:
    """Return what the address asks for, each condition once and in one spelling."""
    pairs: dict[tuple[str, str], None] = {}
    for name in _SINGLE:
        value = (call.query(name) or "").strip()
        if value and not (name == "sort" and value == _DEFAULT_SORT):
            pairs[name, value] = None
    bounds = [
        f"{word}:{value}"
        for word, name in (("min", "min_parameters"), ("max", "max_parameters"))
        if (value := (call.query(name) or "").strip())
    ]
    # Without scripts the two ends of the slider come one by one.
    if bounds and not any(name == "num_parameters" for name, _value in pairs):
        pairs["num_parameters", ",".join(bounds)] = None
    for name in _LISTED:
        for value in call.query_list(name, split_commas=True):
            pairs[_spelled(repo_type, name, value)] = None
    return Query(repo_type, tuple(pairs))


def _spelled(repo_type: RepoType, name: str, value: str) -> tuple[str, str]:
    """Return a condition under the parameter that its filter has in the form."""
    if name == "license":
        return name, value.removeprefix("license:")
    if name not in ("other", "filter", "tags", "library", "language"):
        return name, value
    parameter, prefix = _PARAMETERS.get(vocabulary.categorise(repo_type.value, value), ("other", ""))
    return (parameter, value.removeprefix(prefix)) if parameter != "pipeline_tag" else ("other", value)


def _wanted(call: Call, repo_type: RepoType, query: Query) -> Wanted:
    found = wanted_of(call, repo_type)
    licenses = tuple(f"license:{value}" for name, value in query.pairs if name == "license")
    bounds = query.one("num_parameters")
    if bounds and not call.query("num_parameters"):
        found = replace(found, parameters=_parameters(bounds))
    return replace(found, tags=(*found.tags, *licenses))


def _parameters(text: str) -> tuple[int | None, int | None]:
    units = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
    ends: dict[str, int] = {}
    for part in text.split(","):
        word, _, value = part.partition(":")
        try:
            ends[word] = int(float(value[:-1]) * units[value[-1:].upper()])
        except (KeyError, ValueError, OverflowError) as error:
            raise BadRequest("Write a number of parameters like '7B' or '500M'.") from error
    return ends.get("min"), ends.get("max")


def _order(call: Call, repo_type: RepoType) -> Order:
    order = order_of(call, default=_DEFAULT_SORT, spellings={})
    if order.sort not in _SORTS[repo_type]:
        raise BadRequest(f"Sort by one of {', '.join(_SORTS[repo_type])}.")
    if order.sort in _UPWARDS and not call.query("direction"):
        return Order(order.sort, descending=False)
    return order


# --- filters ----------------------------------------------------------------------------------------


def facets_of(query: Query, counted: Facets) -> list[Facet]:
    """Return the groups of tags to tick, with what is ticked first."""
    found = []
    for category, tags in counted.groups.items():
        parameter, prefix = _PARAMETERS.get(category, ("other", ""))
        choices = [_choice(query, parameter, prefix, tag) for tag in tags]
        if category in _ONE_ONLY and any(each.is_on for each in choices):
            # Something has but one of them: the others could only lead to nothing.
            choices = [each for each in choices if each.is_on]
        choices.sort(key=lambda each: not each.is_on)
        if choices:
            shown = max(_TAGS_SHOWN, sum(each.is_on for each in choices))
            found.append(Facet(category, parameter, tuple(choices[:shown]), tuple(choices[shown:])))
    return found


def _choice(query: Query, parameter: str, prefix: str, tag: CountedTag) -> Choice:
    value = tag.id.removeprefix(prefix)
    return Choice(value, tag.label, tag.count, query.has(parameter, value))


def unshown(query: Query, groups: Sequence[Facet]) -> list[tuple[str, str]]:
    """Return the conditions that no field of the form shows, so that changing another one does not lose them."""
    shown = {
        (group.parameter, each.value)
        for group in groups
        for each in (*group.first, *group.more)
        if each.is_on
    }
    fields = ("search", "author", "gated", "sort", "num_parameters")
    return [each for each in query.pairs if each[0] not in fields and each not in shown]


def chosen_of(query: Query) -> list[Chosen]:
    """Return the conditions that are set, each with the address without it."""
    found = []
    for name, value in query.pairs:
        if name in ("sort", "direction"):
            continue
        category, label = _words(query.repo_type, name, value)
        found.append(Chosen(category, label, query.without(name, value)))
    return found


def _words(repo_type: RepoType, name: str, value: str) -> tuple[str, str]:
    if name == "license":
        return "license", vocabulary.label_of("license", f"license:{value}")
    if name in ("search", "author", "gated", "num_parameters", "apps", "models", "datasets"):
        return name, value.replace("min:", "≥ ").replace("max:", "≤ ").replace(",", " ") if name[
            :3
        ] == "num" else value
    category = vocabulary.categorise(repo_type.value, value)
    return category, vocabulary.label_of(category, value)


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/models", get_models, dialect="page", bucket="pages"),
    Route(("GET",), "/datasets", get_datasets, dialect="page", bucket="pages"),
    Route(("GET",), "/spaces", get_spaces, dialect="page", bucket="pages"),
)

"""What repositories were made from and what was made from them: models, datasets and spaces, in both directions.

The relations are tags that commits wrote (see `repos.describing.lineage` and `.spaces`). Numbers told are those
of public repositories for everybody alike; repositories named are those that the viewer may know of.

Lists show the same of all repositories of a page with `add_lineage`, which the list's action calls in its unit
and hands to `http.api.shapes.shaped`, a repository's links at a time::

    links = lineage.add_lineage(tx, viewer, listed, keys)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts.types import ResourceGroup
from openhood.domain.catalog.types import TRAIT
from openhood.domain.discovery import lineage_rows, list_rows
from openhood.domain.discovery.lineage_rows import KeyCount
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.repos import grouping, listing, lookup
from openhood.domain.repos.describing.values import repo_ids_at
from openhood.domain.repos.listing import RepoInfo
from openhood.domain.repos.listing_rows import Listed, get_listed, list_numbers
from openhood.domain.services import Services
from openhood.engines.formats.card_rules import RELATIONS
from openhood.infra.db.engine import Tx

KEYS = frozenset({"baseModels", "childrenModelCount", "spaces"})
"""The keys of a model's JSON that other repositories have a say in."""

GROUP = "resourceGroup"
"""The key of any repository's JSON that tells its organization's members which resource group it is in."""

MAX_SPACES = 100
"""So many spaces are named with a model, as on the Hub."""

_BASE = "base_model:"
_DATASET = "dataset:"


@dataclass(frozen=True, slots=True)
class Links:
    """What a model's info says of others; None where it was not asked for.

    ``base_models`` are ids, as they are today where this hub has them and else as they were written;
    ``children`` the number of public models that name it as their base; ``spaces`` those that use it.
    ``resource_group`` is told of any repository, to members of its organization.
    """

    base_models: tuple[str, ...] | None = None
    children: int | None = None
    spaces: tuple[str, ...] | None = None
    resource_group: ResourceGroup | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A repository that another names. ``found`` None: this hub has none of that name that the viewer may know of."""

    repo_id: str
    relation: str | None
    found: Listed | None


@dataclass(frozen=True, slots=True)
class Group:
    """Repositories that name another: how many public ones there are, and the first by popularity."""

    count: int
    first: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """All relations of one repository.

    Of a model: ``base_models``, ``datasets`` it was trained on, ``children`` by relation with their number
    ``children_count``, and the ``used_by`` spaces. Of a dataset: ``trained`` models and ``used_by``. Of a space:
    the ``models`` and ``datasets`` it uses.
    """

    info: RepoInfo
    base_models: tuple[Named, ...] = ()
    models: tuple[Named, ...] = ()
    datasets: tuple[Named, ...] = ()
    children: Mapping[str, Group] | None = None
    children_count: int = 0
    trained: Group | None = None
    used_by: Group | None = None


def get_info(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str | None,
    siblings: bool,
    blobs: bool,
    keys: Collection[str],
) -> tuple[RepoInfo, Links | None]:
    """Return what `listing.get_info` does, and the links that ``keys`` ask for. Raises what that raises."""
    info = listing.get_info(
        sv,
        viewer,
        repo_type=repo_type,
        repo_id=repo_id,
        revision=revision,
        siblings=siblings,
        blobs=blobs,
    )
    asked = set(keys)
    if GROUP not in asked and (repo_type is not RepoType.MODEL or not KEYS & asked):
        return info, None
    with sv.db.read() as tx:
        return info, add_lineage(tx, viewer, [info.listed], keys).get(info.repo.id)


def add_lineage(tx: Tx, viewer: Viewer, listed: Sequence[Listed], keys: Collection[str]) -> dict[int, Links]:
    """Return the links of a page of models by number, those of `KEYS` that are among ``keys``.

    Runs in the caller's unit, in a number of queries that does not grow with the page. Empty where nothing of
    the kind is asked for.
    """
    wanted = KEYS & set(keys)
    models = [each for each in listed if each.repo.type is RepoType.MODEL]
    grouped = grouping.groups_of(tx, viewer, [each.repo for each in listed]) if GROUP in keys else {}
    found = {
        each.repo.id: Links(resource_group=grouped[each.repo.resource_group_id])
        for each in listed
        if each.repo.resource_group_id in grouped
    }
    if not wanted or not models:
        return found
    names = lineage_rows.names_of(tx, [each.repo for each in models]) if wanted != {"baseModels"} else {}
    bases = _bases_of(tx, viewer, models) if "baseModels" in wanted else {}
    children = _count_children(tx, names) if "childrenModelCount" in wanted else {}
    spaces = _spaces_of(tx, viewer, names) if "spaces" in wanted else {}
    for each in models:
        number = each.repo.id
        links = found.get(number, Links())
        found[number] = replace(
            links,
            base_models=bases.get(number),
            children=children.get(number),
            spaces=spaces.get(number),
        )
    return found


def get_lineage(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, limit: int) -> Lineage:
    """Return all relations of a repository that the viewer may know of. Opens a read unit.

    Args: ``limit``: so many are named of each group. Raises: what `lookup.find` raises.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        listed = get_listed(tx, repo.id)
        if listed is None:
            raise NotFound("The repository was deleted this very moment.")
        info = RepoInfo(listed, repo.head_oid, None)
        names = lineage_rows.names_of(tx, [repo])[repo.id]
        if repo_type is RepoType.MODEL:
            return _of_model(tx, viewer, info, names, limit=limit)
        if repo_type is RepoType.DATASET:
            used = _keys(names, _DATASET)
            return Lineage(
                info,
                trained=_group(tx, viewer, RepoType.MODEL, used, limit=limit),
                used_by=_group(tx, viewer, RepoType.SPACE, _keys(names, f"{TRAIT}dataset:"), limit=limit),
            )
        return Lineage(
            info,
            models=_named(tx, viewer, RepoType.MODEL, _said(listed, "models")),
            datasets=_named(tx, viewer, RepoType.DATASET, _said(listed, "datasets")),
        )


def bases_in(tags: Sequence[str]) -> dict[str, str | None]:
    """Return the names of a model's bases, in order, with how it was made from each; None: nothing says it."""
    found: dict[str, str | None] = {}
    for tag in tags:
        if not tag.startswith(_BASE):
            continue
        rest = tag.removeprefix(_BASE)
        relation, colon, name = rest.partition(":")
        if not colon:
            found.setdefault(rest, None)
        elif relation in RELATIONS:
            found[name] = relation
    return found


def _of_model(tx: Tx, viewer: Viewer, info: RepoInfo, names: Sequence[str], *, limit: int) -> Lineage:
    tags = info.listed.tip.tags
    trained_on = {tag.removeprefix(_DATASET): None for tag in tags if tag.startswith(_DATASET)}
    counts = lineage_rows.count_keys(tx, RepoType.MODEL, _keys(names, _BASE))
    return Lineage(
        info,
        base_models=_named(tx, viewer, RepoType.MODEL, bases_in(tags)),
        datasets=_named(tx, viewer, RepoType.DATASET, trained_on),
        children={
            relation: _group(tx, viewer, RepoType.MODEL, _keys(names, f"{_BASE}{relation}:"), limit=limit)
            for relation in RELATIONS
        },
        children_count=sum(each.n_public for each in counts),
        used_by=_group(tx, viewer, RepoType.SPACE, _keys(names, f"{TRAIT}model:"), limit=limit),
    )


def _keys(names: Sequence[str], prefix: str) -> list[str]:
    return [prefix + name for name in names]


def _said(listed: Listed, key: str) -> dict[str, str | None]:
    """Return the repositories that the card of a space lists under a key."""
    return dict.fromkeys(repo_ids_at(listed.tip.card or {}, key))


def _named(tx: Tx, viewer: Viewer, repo_type: RepoType, names: Mapping[str, str | None]) -> tuple[Named, ...]:
    meant = lineage_rows.resolve(tx, viewer, repo_type, names)
    rows = list_numbers(tx, sorted({each.number for each in meant.values()}), with_card=False)
    listed = {each.repo.id: each for each in rows}
    found = []
    for name, relation in names.items():
        here = meant.get(name.lower())
        repo = None if here is None else listed.get(here.number)
        found.append(Named(name if repo is None else str(repo.repo.repo_id), relation, repo))
    return tuple(found)


def _group(tx: Tx, viewer: Viewer, repo_type: RepoType, keys: Sequence[str], *, limit: int) -> Group:
    """Return those that have a tag of one of some keys: the most downloaded models, the most liked spaces."""
    counts = lineage_rows.count_keys(tx, repo_type, keys)
    if not counts or not limit:
        return Group(sum(each.n_public for each in counts), ())
    order = Order("likes" if repo_type is RepoType.SPACE else "downloads", True)
    wanted = Wanted((repo_type,), any_tags=(tuple(keys),))
    page = list_rows.find_numbers(tx, viewer, wanted, order, after=None, limit=limit)
    listed = list_numbers(tx, [each.number for each in page], with_card=False)
    return Group(sum(each.n_public for each in counts), tuple(listed))


def _bases_of(tx: Tx, viewer: Viewer, models: Sequence[Listed]) -> dict[int, tuple[str, ...]]:
    written = {each.repo.id: list(bases_in(each.tip.tags)) for each in models}
    meant = lineage_rows.resolve(
        tx, viewer, RepoType.MODEL, {name for names in written.values() for name in names}
    )
    return {
        number: tuple(
            dict.fromkeys(meant[name.lower()].repo_id if name.lower() in meant else name for name in names)
        )
        for number, names in written.items()
    }


def _count_children(tx: Tx, names: Mapping[int, Sequence[str]]) -> dict[int, int]:
    by_key = _by_key(lineage_rows.count_keys(tx, RepoType.MODEL, _all_keys(names, _BASE)))
    return {
        number: sum(each.n_public for key in _keys(known, _BASE) for each in by_key[key])
        for number, known in names.items()
    }


def _spaces_of(tx: Tx, viewer: Viewer, names: Mapping[int, Sequence[str]]) -> dict[int, tuple[str, ...]]:
    prefix = f"{TRAIT}model:"
    counts = lineage_rows.count_keys(tx, RepoType.SPACE, _all_keys(names, prefix))
    users = lineage_rows.first_users(tx, viewer, RepoType.SPACE, counts, limit=MAX_SPACES)
    by_key = _by_key(counts)
    found: dict[int, tuple[str, ...]] = {}
    for number, known in names.items():
        # A space that uses it under two of its names is there once.
        using = {user for key in _keys(known, prefix) for each in by_key[key] for user in users[each.number]}
        found[number] = tuple(name for _, _, name in sorted(using, reverse=True)[:MAX_SPACES])
    return found


def _all_keys(names: Mapping[int, Sequence[str]], prefix: str) -> list[str]:
    return [prefix + name for known in names.values() for name in known]


def _by_key(counts: Sequence[KeyCount]) -> dict[str, list[KeyCount]]:
    found: dict[str, list[KeyCount]] = defaultdict(list)
    for each in counts:
        found[each.key].append(each)
    return found

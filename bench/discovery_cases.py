"""What is asked of a made-up hub: the questions of people and clients, chosen by how many answers they have.

Names are looked up in the database that is asked, so that the questions fit a hub of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote, urlencode

from sqlalchemy import ColumnElement, func, select

from bench.million import LARGE
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

GOAL_MS = 50.0
FULL_GOAL_MS = 20.0
_WORDINGS = 4


@dataclass(frozen=True)
class Case:
    """A question in one or more wordings that should all be equally fast. ``of_all``: asked of small hubs too."""

    label: str
    paths: tuple[str, ...]
    goal_ms: float = GOAL_MS
    of_all: bool = False


@dataclass(frozen=True)
class Facts:
    """Names of a hub: tags of models by how many have them, owners, repositories."""

    heads: tuple[str, ...]
    middling: tuple[str, ...]
    rare: tuple[str, ...]
    single: tuple[str, ...]
    bases: tuple[str, ...]
    used_datasets: tuple[str, ...]
    models_of_spaces: tuple[str, ...]
    middling_owners: tuple[str, ...]
    small_owners: tuple[str, ...]
    popular: tuple[str, ...]
    rare_names: tuple[str, ...]


def look(tx: Tx) -> Facts:
    """Choose the names to ask for."""
    total = tx.execute(select(func.count()).select_from(repos)).scalar_one()

    def tagged(
        share: float, *, like: str = "", kind: str = "model", count: int = _WORDINGS
    ) -> tuple[str, ...]:
        query = select(tags.c.name).where(tags.c.type == kind, tags.c.n_all <= max(1, int(total * share)))
        query = query.where(tags.c.name.like(f"{like}%")) if like else query.where(~tags.c.name.contains(":"))
        return tuple(tx.execute(query.order_by(tags.c.n_all.desc(), tags.c.id).limit(count)).scalars())

    sizes = (
        select(repos.c.namespace, func.count().label("size"))
        .group_by(repos.c.namespace)
        .order_by(func.count().desc())
    )
    owners = [row.namespace for row in tx.execute(sizes)]
    best = select(repos.c.search_text).where(repos.c.type == "model", unhidden())
    popular = tx.execute(best.order_by(repos.c.downloads.desc(), repos.c.id.desc()).limit(40)).scalars().all()
    late = tx.execute(best.order_by(repos.c.id.desc()).limit(_WORDINGS)).scalars().all()
    return Facts(
        heads=tagged(1.0, count=8),
        middling=tagged(0.013, count=8),
        rare=tagged(0.0002, count=8),
        single=tagged(0.000009),
        bases=_after(tagged(1.0, like="base_model:quantized:")),
        used_datasets=_after(tagged(1.0, like="dataset:")),
        models_of_spaces=_after(tagged(1.0, like="~model:", kind="space")),
        middling_owners=tuple(owners[len(owners) // 3 :][:_WORDINGS]),
        small_owners=tuple(owners[-_WORDINGS:]),
        popular=tuple(popular),
        rare_names=tuple(name.partition("/")[2] for name in late),
    )


def unhidden() -> ColumnElement[bool]:
    """Return the condition that everybody may see a repository."""
    return repos.c.visibility == "public"


def _after(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.rpartition(":")[2] for name in names)


def all_cases(facts: Facts) -> Iterator[Case]:
    """Yield every question."""
    yield from _sorts()
    yield from _filters(facts)
    yield from _owners(facts)
    yield from _properties()
    yield from _searches(facts)
    yield from _full(facts)
    yield from _lineage(facts)
    yield from _words(facts)
    yield from _quick(facts)
    yield from _counts(facts)


def _list(kind: str = "models", **parameters: str | Sequence[str]) -> str:
    return f"/api/{kind}?{urlencode({'limit': '30', **parameters}, doseq=True)}"


def _facets(**parameters: str | Sequence[str]) -> str:
    return f"/api/models/facets?{urlencode(parameters, doseq=True)}"


def _sorts() -> Iterator[Case]:
    yield Case("a request for nothing", ("/health",), of_all=True)
    for sort in ("trendingScore", "downloads", "likes", "lastModified", "createdAt", "mainSize", "id"):
        yield Case(f"sort={sort}", (_list(sort=sort),), of_all=True)
    yield Case("sort=downloads, ascending", (_list(sort="downloads", direction="1"),))
    yield Case("datasets, sort=downloads", (_list("datasets", sort="downloads"),), of_all=True)
    yield Case("spaces, sort=likes", (_list("spaces", sort="likes"),))


def _filters(facts: Facts) -> Iterator[Case]:
    for label, names in (
        ("1 frequent tag", facts.heads),
        ("1 tag of 1 %", facts.middling),
        ("1 rare tag", facts.rare),
        ("1 tag of a few", facts.single),
    ):
        for sort in ("downloads", "lastModified"):
            paths = tuple(_list(filter=name, sort=sort) for name in names[:_WORDINGS])
            yield Case(f"{label}, sort={sort}", paths, of_all=True)
    heads, middling, rare = facts.heads, facts.middling, facts.rare
    pairs = {
        "2 frequent tags": tuple(pairwise(heads[:5])),
        "2 tags of 1 %": tuple(pairwise(middling[:5])),
        "a frequent tag and a rare one": tuple(zip(heads[:4], rare, strict=False)),
        "a tag of 1 % and a rare one": tuple(zip(middling[:4], rare, strict=False)),
        "3 frequent tags": tuple(zip(heads[:4], heads[1:5], heads[2:6], strict=False)),
        "2 frequent tags and one of 1 %": tuple(zip(heads[:4], heads[1:5], middling, strict=False)),
        "3 tags of 1 %": tuple(zip(middling[:4], middling[1:5], middling[2:6], strict=False)),
        "2 frequent tags that never meet": (
            ("license:apache-2.0", "license:mit"),
            ("gguf", "reinforcement-learning"),
            ("license:apache-2.0", "license:creativeml-openrail-m"),
            ("diffusers", "gguf"),
        ),
        "3 tags, of which two never meet": (
            ("license:apache-2.0", "license:mit", "safetensors"),
            ("transformers", "license:mit", "license:other"),
        ),
    }
    for label, many in pairs.items():
        for sort in ("downloads", "lastModified"):
            yield Case(
                f"{label}, sort={sort}", tuple(_list(filter=each, sort=sort) for each in many), of_all=True
            )
    data = ("language:fr", "format:parquet", "size_categories:1K<n<10K")
    yield Case("datasets by 3 tags, sort=downloads", (_list("datasets", filter=data, sort="downloads"),))
    yield Case("an unknown tag", (_list(filter="never-heard-of"),))


def _owners(facts: Facts) -> Iterator[Case]:
    for sort in ("lastModified", "downloads"):
        yield Case(f"author with 1 in 50, sort={sort}", (_list(author=LARGE, sort=sort),), of_all=True)
        yield Case(
            f"author of some hundred, sort={sort}",
            tuple(_list(author=name, sort=sort) for name in facts.middling_owners),
        )
    yield Case("author of few", tuple(_list(author=name, sort="downloads") for name in facts.small_owners))
    both = tuple(_list(author=LARGE, filter=name, sort="downloads") for name in facts.middling[:_WORDINGS])
    yield Case("author with 1 in 50 and a tag of 1 %", both)
    yield Case("author with 1 in 50 and a substring", (_list(author=LARGE, search="bert", sort="downloads"),))


def _properties() -> Iterator[Case]:
    for task in ("text-generation", "graph-ml"):
        yield Case(f"pipeline_tag={task}", (_list(pipeline_tag=task, sort="downloads"),))
    for low, high in (("6B", "8B"), ("3B", "128B"), ("300B", "1T")):
        path = _list(num_parameters=f"min:{low},max:{high}", sort="downloads")
        yield Case(f"num_parameters {low} to {high}, sort=downloads", (path,))
    path = _list(num_parameters="min:100M,max:110M", filter="safetensors", sort="lastModified")
    yield Case("num_parameters 100M to 110M and a tag, sort=lastModified", (path,))
    for app in ("ollama", "vllm"):
        yield Case(f"apps={app}, sort=downloads", (_list(apps=app, sort="downloads"),))
    for flag in ("true", "false"):
        for sort in ("downloads", "lastModified"):
            yield Case(f"gated={flag}, sort={sort}", (_list(gated=flag, sort=sort),))
    yield Case(
        "gated, a tag of 1 % and a task", (_list(gated="true", filter="lora", pipeline_tag="text-to-image"),)
    )


def _searches(facts: Facts) -> Iterator[Case]:
    for label, terms in (
        ("common", ("bert", "qwen", "llama", "gguf")),
        ("middling", ("lunarlander", "falcon", "segformer", "taxi")),
        ("rare", facts.rare_names),
        ("absent", ("w1a2b", "zzzqq", "qx9qx")),
        ("across words", ("ert-ba", "2.5-7", "a-3-8")),
        ("of 2 characters", ("ba", "v2", "xx")),
        ("of 2 characters, absent", ("qj", "0z")),
        ("of 1 character", ("a", "9")),
    ):
        for sort in ("downloads", "lastModified"):
            paths = tuple(_list(search=term, sort=sort) for term in terms)
            yield Case(f"substring, {label}, sort={sort}", paths, of_all=True)
    yield Case("substring, two of them", (_list(search=("bert", "sentiment"), sort="downloads"),))
    yield Case(
        "substring and a tag of 1 %", (_list(search="llama", filter=facts.middling[0], sort="downloads"),)
    )
    yield Case(
        "substring and a tag that never meet", (_list(search="lunarlander", filter="gguf", sort="likes"),)
    )
    yield Case("substring with wild cards", (_list(search="%_%"), _list(search="a*b")))


def _full(facts: Facts) -> Iterator[Case]:
    for sort in ("downloads", "lastModified", "trendingScore"):
        yield Case(f"full, sort={sort}", (_list(full="true", sort=sort),), FULL_GOAL_MS, of_all=True)
    everything = _list(full="true", cardData="true", config="true", sort="downloads")
    yield Case("full with cardData and config", (everything,), FULL_GOAL_MS)
    tagged = tuple(_list(full="true", filter=name) for name in facts.middling[:_WORDINGS])
    yield Case("full by a tag of 1 %", tagged, FULL_GOAL_MS)
    yield Case("full datasets", (_list("datasets", full="true"),), FULL_GOAL_MS)
    yield Case("full spaces", (_list("spaces", full="true"),), FULL_GOAL_MS)
    asked = ("safetensors", "gguf", "cardData", "siblings", "transformersInfo", "usedStorage")
    yield Case("expand of six", (_list(expand=asked, sort="downloads"),), FULL_GOAL_MS)


def _lineage(facts: Facts) -> Iterator[Case]:
    for relation in ("quantized", "finetune"):
        paths = tuple(_list(filter=f"base_model:{relation}:{name}", sort="downloads") for name in facts.bases)
        yield Case(f"models {relation} from a model", paths)
    trained = tuple(_list(filter=f"dataset:{name}", sort="downloads") for name in facts.used_datasets)
    yield Case("models trained on a dataset", trained)
    using = tuple(_list("spaces", models=name, sort="likes") for name in facts.models_of_spaces)
    yield Case("spaces that use a model", using)
    yield Case("spaces linked to anything", (_list("spaces", linked="true", sort="likes"),))
    asked = urlencode({"expand": ("baseModels", "childrenModelCount", "spaces")}, doseq=True)
    yield Case("lineage of a model", tuple(f"/api/models/{name}?{asked}" for name in facts.bases))
    asked = urlencode({"expand": ("baseModels", "childrenModelCount")}, doseq=True)
    yield Case("lineage of each of a list", (f"{_list(sort='downloads')}&{asked}",))
    yield Case("info of a model", tuple(f"/api/models/{name}" for name in facts.popular[:_WORDINGS]))


def _words(facts: Facts) -> Iterator[Case]:
    for label, terms in (
        ("common", ("model", "training", "language model")),
        ("middling", ("satellite", "handwriting", "climate robotics")),
        ("rare", facts.rare_names[:3]),
        ("absent", ("qqqzzzqq", "xyzzyqq model")),
        ("many", ("fine tuned language model for medical text classification",)),
        ("a phrase", ('"the model of"', '"speech audio"')),
        ("syntax", ("model OR NOT ( NEAR", 'name:"bert" AND *', "a-b_c:d^2")),
    ):
        yield Case(
            f"full text, {label}",
            tuple(f"/api/search/full-text?q={quote(term)}" for term in terms),
            of_all=True,
        )
        typed = tuple(f"/api/search/full-text?q={quote(term)}&type=dataset" for term in terms)
        yield Case(f"full text of datasets, {label}", typed)


def _quick(facts: Facts) -> Iterator[Case]:
    for label, terms in (
        ("common", ("bert", "llama", "qwen")),
        ("an id", facts.popular[:_WORDINGS]),
        ("typing errors", ("lunarlnader", "distlbert", "mistrla", "stabel-diffusion")),
        ("typing errors in rare names", tuple(name[:4] + name[5:] for name in facts.rare_names)),
        ("absent", ("qqqzzzqq", "w1a2b3c4")),
        ("1 character", ("a", "z")),
        ("2 characters", ("ba", "qj")),
    ):
        yield Case(
            f"quick search, {label}",
            tuple(f"/api/quicksearch?q={quote(term)}" for term in terms),
            of_all=True,
        )


def _counts(facts: Facts) -> Iterator[Case]:
    for kind in ("models", "datasets"):
        yield Case(f"{kind} tags by type", (f"/api/{kind}-tags-by-type",))
        yield Case(f"{kind} tags of one type", (f"/api/{kind}-tags-by-type?type=license",))
    for kind in ("models", "datasets"):
        yield Case(f"facets of all {kind}", (f"/api/{kind}/facets",), of_all=True)
    for label, names in (
        ("a frequent tag", facts.heads[:_WORDINGS]),
        ("a tag of 1 %", facts.middling[:_WORDINGS]),
        ("a rare tag", facts.rare[:_WORDINGS]),
    ):
        yield Case(f"facets of {label}", tuple(_facets(filter=name) for name in names), of_all=True)
    yield Case("facets of 2 frequent tags", tuple(_facets(filter=pair) for pair in pairwise(facts.heads[:4])))
    never = _facets(filter=("license:apache-2.0", "license:mit"))
    yield Case("facets of 2 frequent tags that never meet", (never,))
    yield Case(
        "facets of a substring",
        tuple(_facets(search=term) for term in ("bert", "lunarlander", "qx9qx")),
        of_all=True,
    )
    yield Case("facets of an author with 1 in 50", (_facets(author=LARGE),))
    likers = tuple(f"/api/models/{name}/likers" for name in facts.popular[:_WORDINGS])
    yield Case("who likes a popular model", likers)
    yield Case("trending", ("/api/trending", "/api/trending?type=model&limit=20"))


def count_repos(tx: Tx) -> int:
    """Return how many repositories there are."""
    return tx.execute(select(func.count()).select_from(repos)).scalar_one()

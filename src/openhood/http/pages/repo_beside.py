"""The column beside a card, put into numbers, words and links: downloads, weights, results, relations.

Pure: everything comes from what the actions gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from openhood.base.names import RepoType
from openhood.domain.discovery.facing import Day
from openhood.domain.discovery.lineage import Lineage
from openhood.domain.repos.describing.values import is_repo_id
from openhood.domain.repos.listing_rows import Listed
from openhood.engines.formats import vocabulary
from openhood.http.pages.repo_shown import browse_address

BAR_STEP, BAR_HEIGHT = 10, 44
_MOST_RESULTS = 60
_MOST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of the drawing: where it stands and how high it is, in units of the drawing."""

    x: int
    y: float
    height: float
    day: str
    count: int


def bars_of(days: Sequence[Day]) -> list[Bar]:
    """Return the drawing of downloads by day; a day without any is a line on the ground."""
    most = max((day.count for day in days), default=0) or 1
    found = []
    for number, day in enumerate(days):
        height = max(1.0, round(day.count / most * BAR_HEIGHT, 1))
        found.append(
            Bar(number * BAR_STEP, round(BAR_HEIGHT - height + 2, 1), height, day.on.isoformat(), day.count)
        )
    return found


@dataclass(frozen=True, slots=True)
class Dtype:
    """How many parameters have a type, as a number and as a part of a drawing 1,000 wide."""

    name: str
    count: int
    x: float
    width: float
    place: int


def dtypes_of(listed: Listed) -> list[Dtype]:
    """Return the types of a model's parameters, the most frequent first."""
    weights = (listed.weights or {}).get("safetensors")
    counts = weights.get("parameters") if isinstance(weights, dict) else None
    if not isinstance(counts, dict):
        return []
    known = sorted(
        ((str(name), count) for name, count in counts.items() if isinstance(count, int) and count > 0),
        key=lambda pair: -pair[1],
    )
    total = sum(count for _name, count in known) or 1
    found: list[Dtype] = []
    x = 0.0
    for place, (name, count) in enumerate(known):
        width = round(count / total * 1000, 1)
        found.append(Dtype(name, count, round(x, 1), width, min(place, 4)))
        x += width
    return found


def gguf_of(listed: Listed) -> list[tuple[str, str]]:
    """Return what a GGUF says of its model: by key, as it is shown."""
    said = (listed.weights or {}).get("gguf")
    if not isinstance(said, dict):
        return []
    found = []
    for key in ("architecture", "quantization", "context_length"):
        value = said.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            found.append((key, f"{value:,}" if isinstance(value, int) else value[:_MOST_CHARACTERS]))
    return found


# --- results ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table of results. ``href`` leads to the dataset here, empty where none may be."""

    dataset: str
    href: str
    metric: str
    value: str
    is_claimed: bool


def results_of(listed: Listed) -> list[Result]:
    """Return the results that a model's files and card state, at most so many as a page can show."""
    found = [*_from_files(listed.tip.extras.get("evalResults")), *_from_card(listed.tip.card or {})]
    return list(dict.fromkeys(found))[:_MOST_RESULTS]


def _from_files(entries: object) -> Iterator[Result]:
    for entry in entries if isinstance(entries, list) else ():
        data = entry.get("data") if isinstance(entry, dict) else None
        dataset = data.get("dataset") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(dataset, dict):
            continue
        name = _text(dataset.get("id"))
        yield Result(
            name, _dataset_link(name), _text(dataset.get("task_id")), _number(data.get("value")), False
        )


def _from_card(card: Mapping[str, object]) -> Iterator[Result]:
    index = card.get("model-index")
    for model in index if isinstance(index, list) else ():
        results = model.get("results") if isinstance(model, dict) else None
        for result in results if isinstance(results, list) else ():
            if not isinstance(result, dict):
                continue
            dataset = result.get("dataset")
            dataset = dataset if isinstance(dataset, dict) else {}
            metrics = result.get("metrics")
            for metric in metrics if isinstance(metrics, list) else ():
                if isinstance(metric, dict) and metric.get("value") is not None:
                    kind = _text(dataset.get("type"))
                    yield Result(
                        _text(dataset.get("name")) or kind,
                        _dataset_link(kind),
                        _text(metric.get("name")) or _text(metric.get("type")),
                        _number(metric.get("value")),
                        True,
                    )


def _dataset_link(name: str) -> str:
    return f"/datasets/{quote(name)}" if "/" in name and is_repo_id(name) else ""


def _text(value: object) -> str:
    return str(value)[:_MOST_CHARACTERS] if isinstance(value, str | int | float) else ""


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


# --- relations --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Derived:
    """Models made from this one in one way: how, how many, and their list."""

    relation: str
    count: int
    href: str


def derived_of(found: Lineage) -> list[Derived]:
    """Return what was made from a model, by how it was made."""
    repo_id = str(found.info.repo.repo_id)
    return [
        Derived(
            relation,
            group.count,
            browse_address(RepoType.MODEL, {"other": f"base_model:{relation}:{repo_id}"}),
        )
        for relation, group in (found.children or {}).items()
        if group.count
    ]


def trained_link(found: Lineage) -> str:
    """Return the list of the models that were trained on a dataset."""
    return browse_address(RepoType.MODEL, {"other": f"dataset:{found.info.repo.repo_id}"})


def license_of(listed: Listed) -> tuple[str, str, str] | None:
    """Return a license's full name, the list of others under it, and where its own text is (or nothing)."""
    for tag in listed.tip.tags:
        if tag.startswith("license:"):
            known = vocabulary.licenses().get(tag.removeprefix("license:"))
            card = listed.tip.card or {}
            link = card.get("license_link")
            own = link if isinstance(link, str) and link.startswith(("https://", "http://")) else ""
            name = known.label if known is not None else tag.removeprefix("license:")
            said = card.get("license_name")
            if name.lower() == "other" and isinstance(said, str):
                name = said[:_MOST_CHARACTERS]
            listed_at = browse_address(listed.repo.type, {"license": tag.removeprefix("license:")})
            return name, listed_at, own or (known.url or "" if known is not None else "")
    return None

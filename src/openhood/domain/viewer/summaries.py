"""What is known of a dataset as a whole: its splits, Parquet files, sizes and columns, in the original's words.

Views over the plan and the footers, nothing of which is computed beforehand. A config of which a split is being
converted is pending, one of which a split cannot be read is failed.

**Source**: dataset-viewer ``worker/…/{config,dataset}/{parquet,size,info,is_valid,split_names}.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from openhood.base.errors import HubError, PersonalDataNotScanned
from openhood.base.names import Oid, RepoId
from openhood.domain.access import Viewer
from openhood.domain.repos.types import At
from openhood.domain.services import Services
from openhood.domain.viewer import planning
from openhood.domain.viewer.links import is_open
from openhood.domain.viewer.measuring import READABLE, Measured, measure
from openhood.domain.viewer.types import Config, Plan

_TEXT = ("string", "large_string", "string_view", "utf8", "large_utf8")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: a dataset at a revision, and where they are given a config and a split of it."""

    repo_id: RepoId
    revision: str
    config: str
    split: str
    base_url: str


@dataclass(frozen=True, slots=True)
class Summary:
    """An answer, with the commit it is of. ``is_final``: the same question has the same answer later."""

    document: Mapping[str, Any]
    commit: Oid
    is_public: bool
    is_final: bool


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A dataset, or one config of it, with what is known of its splits."""

    at: At
    plan: Plan
    config: Config | None
    splits: Sequence[Measured]

    @property
    def name(self) -> str:
        """The dataset's id."""
        return str(self.at.repo.repo_id)

    @property
    def by_config(self) -> dict[str, list[Measured]]:
        """The splits of each config, in order."""
        found: dict[str, list[Measured]] = {}
        for each in self.splits:
            found.setdefault(each.config.name, []).append(each)
        return found

    @property
    def ready(self) -> dict[str, list[Measured]]:
        """Configs of which all splits are known."""
        return {
            name: splits
            for name, splits in self.by_config.items()
            if splits and all(each.is_ready for each in splits)
        }

    @property
    def is_partial(self) -> bool:
        """Whether of some split only the first part is known."""
        return any(each.is_partial for splits in self.ready.values() for each in splits)

    def answer(self, document: Mapping[str, Any], *, is_final: bool = True) -> Summary:
        """Return a document as the answer."""
        is_settled = not any(each.is_pending for each in self.splits)
        return Summary(document, self.at.commit, is_open(self.at.repo), is_settled and is_final)

    def unready(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """Return ``pending`` and ``failed``: the configs that are not in an answer."""
        pending, failed = [], []
        for name, splits in self.by_config.items():
            said = {"kind": kind, "dataset": self.name, "config": name, "split": None}
            error = next((each.error for each in splits if each.error is not None), None)
            if error is not None:
                failed.append({**said, "error": {"error": error.message}})
            elif any(each.is_pending for each in splits):
                pending.append(said)
        for name, message in self.plan.failed.items() if self.config is None else ():
            said = {"kind": kind, "dataset": self.name, "config": name, "split": None}
            failed.append({**said, "error": {"error": message}})
        return {"pending": pending, "failed": failed}


def survey(sv: Services, viewer: Viewer, asked: Question) -> Surveyed:
    """Look at a dataset, or the config that is asked for. Opens units of its own; never inside one.

    Raises: what `planning.locate` and `planning.plan_of` raise, ConfigNotFound.
    """
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    plan = planning.plan_of(sv, at)
    with _Of(at):
        config = plan.config(asked.config) if asked.config else None
    return Surveyed(at, plan, config, measure(sv, at, plan, configs=None if config is None else [config]))


class _Of:
    """Says of which commit an error is that passes."""

    def __init__(self, at: At) -> None:
        self._at = at

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HubError):
            error.facts["commit"] = self._at.commit


def splits(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/splits``: the names of the splits of all configs, or of one."""
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    plan = planning.plan_of(sv, at)
    name = str(at.repo.repo_id)
    with _Of(at):
        configs = [plan.config(asked.config)] if asked.config else plan.configs
    found: dict[str, Any] = {
        "splits": [
            {"dataset": name, "config": config.name, "split": split.name}
            for config in configs
            for split in config.splits
        ]
    }
    if not asked.config:
        found["pending"] = []
        found["failed"] = [
            {"dataset": name, "config": config, "error": {"error": message}}
            for config, message in plan.failed.items()
        ]
    return Summary(found, at.commit, is_open(at.repo), is_final=True)


def is_valid(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/is-valid``: what can be asked about a split, or about any split of a config or dataset."""
    seen = survey(sv, viewer, asked)
    chosen: Iterable[Measured] = seen.splits
    if asked.config and asked.split:
        with _Of(seen.at):
            wanted = seen.plan.config(asked.config).split(asked.split)
        chosen = [each for each in seen.splits if each.split is wanted]
    found = dict.fromkeys(("preview", "viewer", "search", "filter", "statistics"), False)
    for each in chosen:
        for key, is_so in _abilities(each).items():
            found[key] = found[key] or is_so
    return seen.answer(found)


def _abilities(each: Measured) -> dict[str, bool]:
    is_readable = each.config.format in READABLE and each.error is None
    has_text = each.features is None or any(_has_text(feature) for feature in each.features.values())
    return {
        "preview": is_readable,
        "viewer": is_readable,
        "search": is_readable and has_text,
        "filter": is_readable,
        "statistics": is_readable,
    }


def _has_text(feature: Any) -> bool:
    """Tell whether a column, or something within it, is text."""
    if not isinstance(feature, Mapping):
        return False
    if feature.get("_type") == "Value":
        return feature.get("dtype") in _TEXT
    if isinstance(feature.get("_type"), str):
        return _has_text(feature.get("feature"))
    return any(_has_text(below) for below in feature.values())


def parquet(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/parquet``: the Parquet files of a dataset or config, and of a config its features."""
    seen = survey(sv, viewer, asked)
    ready = _with_files(seen)
    site = f"{asked.base_url}{quote(seen.at.repo.web_path)}"
    files = [
        {
            "dataset": seen.name,
            "config": each.config.name,
            "split": each.split.name,
            "url": f"{site}/{file.place}",
            "filename": file.name,
            "size": file.size_bytes,
        }
        for splits in ready.values()
        for each in splits
        for file in each.files
    ]
    is_final = all(file.is_published for splits in ready.values() for each in splits for file in each.files)
    if seen.config is not None:
        _check(seen, ready)
        features = _features(ready[seen.config.name])
        told = {"parquet_files": files, "features": features, "partial": seen.is_partial}
        return seen.answer(told, is_final=is_final)
    unready = seen.unready("config-parquet")
    unready["pending"] += [
        {"kind": "config-parquet", "dataset": seen.name, "config": name, "split": None}
        for name in seen.ready
        if name not in ready
    ]
    document: dict[str, object] = {"parquet_files": files, **unready, "partial": seen.is_partial}
    return seen.answer(document, is_final=is_final and not unready["pending"])


def _with_files(seen: Surveyed) -> dict[str, list[Measured]]:
    """Return the configs whose Parquet files anybody can fetch."""
    return {
        name: splits
        for name, splits in seen.ready.items()
        if all(each.files or each.rows == 0 for each in splits)
    }


def _check(seen: Surveyed, ready: Mapping[str, object]) -> None:
    """Raise why the one config that is asked for is not there."""
    assert seen.config is not None  # the caller knows
    with _Of(seen.at):
        for each in seen.splits:
            each.check()
        if seen.config.name not in ready:
            Measured(seen.config, seen.splits[0].split, is_pending=True).check()


def _features(splits: Sequence[Measured]) -> Mapping[str, Any]:
    """Return the features of a config: those of its first split, as the library takes them."""
    return splits[0].features or {}


def size(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/size``: rows, columns and bytes of a dataset, its configs and their splits."""
    seen = survey(sv, viewer, asked)
    if seen.config is not None:
        _check(seen, seen.ready)
    split_sizes = [
        _size_of_split(seen.name, each, len(_features(splits)))
        for splits in seen.ready.values()
        for each in splits
    ]
    config_sizes = [_size_of_config(seen.name, splits) for splits in seen.ready.values()]
    if seen.config is not None:
        found: dict[str, Any] = {"size": {"config": config_sizes[0], "splits": split_sizes}}
        return seen.answer({**found, "partial": seen.is_partial})
    total: dict[str, Any] = {"dataset": seen.name}
    for key in ("num_bytes_original_files", "num_bytes_parquet_files", "num_bytes_memory", "num_rows"):
        total[key] = sum(each[key] for each in config_sizes)
    total["estimated_num_rows"] = _estimated(config_sizes)
    return seen.answer(
        {
            "size": {"dataset": total, "configs": config_sizes, "splits": split_sizes},
            **seen.unready("config-size"),
            "partial": seen.is_partial,
        }
    )


def _size_of_split(dataset: str, each: Measured, columns: int) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "config": each.config.name,
        "split": each.split.name,
        "num_bytes_parquet_files": each.parquet_bytes,
        "num_bytes_memory": each.memory_bytes,
        "num_rows": each.rows,
        "num_columns": columns,
        "estimated_num_rows": each.estimated_rows,
    }


def _size_of_config(dataset: str, splits: Sequence[Measured]) -> dict[str, Any]:
    sizes = [_size_of_split(dataset, each, 0) for each in splits]
    return {
        "dataset": dataset,
        "config": splits[0].config.name,
        "num_bytes_original_files": _original_bytes(splits),
        **{
            key: sum(each[key] for each in sizes)
            for key in ("num_bytes_parquet_files", "num_bytes_memory", "num_rows")
        },
        "num_columns": len(_features(splits)),
        "estimated_num_rows": _estimated(sizes),
    }


def _estimated(sizes: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the rows that there are in all, where some of them are estimated."""
    if all(each["estimated_num_rows"] is None for each in sizes):
        return None
    return sum(int(each["estimated_num_rows"] or each["num_rows"]) for each in sizes)


def _original_bytes(splits: Sequence[Measured]) -> int:
    # One file may be in several splits, and is downloaded once.
    files = {file.path: file for each in splits for file in (*each.split.files, *each.split.metadata)}
    return sum(file.size_bytes for file in files.values())


def info(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/info``: features, splits and sizes of configs, as ``datasets.DatasetInfo`` writes them."""
    seen = survey(sv, viewer, asked)
    if seen.config is not None:
        _check(seen, seen.ready)
        found = info_of(seen, seen.ready[seen.config.name])
        return seen.answer({"dataset_info": found, "partial": seen.is_partial})
    return seen.answer(
        {
            "dataset_info": {name: info_of(seen, splits) for name, splits in seen.ready.items()},
            **seen.unready("config-info"),
            "partial": seen.is_partial,
        }
    )


def info_of(seen: Surveyed, splits: Sequence[Measured]) -> dict[str, Any]:
    """Return what ``datasets`` would know of a config after it was loaded."""
    config, name = splits[0].config, snake_case(seen.at.repo.repo_id.name)
    return {
        "description": "",
        "citation": "",
        "homepage": "",
        "license": "",
        "features": _features(splits),
        "builder_name": config.format,
        "dataset_name": name,
        "config_name": config.name,
        "version": {"version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0},
        "splits": {
            each.split.name: {
                "name": each.split.name,
                "num_bytes": each.memory_bytes,
                "num_examples": each.rows,
                "dataset_name": name,
            }
            for each in splits
        },
        "download_size": _original_bytes(splits),
        "dataset_size": sum(each.memory_bytes for each in splits),
    }


def snake_case(name: str) -> str:
    """Return the name that ``datasets`` gives a dataset in its cache: ``MyData`` is ``my_data``."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z\d])([A-Z])", r"\1_\2", name).lower()


def opt_in_out_urls(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/opt-in-out-urls``: no column was looked at, since who opted in or out is known to a company elsewhere."""
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    plan = planning.plan_of(sv, at)
    with _Of(at):
        if asked.config:
            config = plan.config(asked.config)
            if asked.split:
                config.split(asked.split)
    counts = dict.fromkeys(("num_opt_in_urls", "num_opt_out_urls", "num_urls", "num_scanned_rows"), 0)
    document: dict[str, object] = {"urls_columns": [], **counts, "has_urls_columns": False, "full_scan": None}
    return Summary(document, at.commit, is_open(at.repo), is_final=True)


def presidio_entities(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/presidio-entities``: nothing here looks for personal data.

    Raises PersonalDataNotScanned.
    """
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    raise PersonalDataNotScanned(
        "This hub does not scan datasets for personal data.",
        commit=at.commit,
    )


SUMMARIES: Mapping[str, Callable[[Services, Viewer, Question], Summary]] = {
    "splits": splits,
    "is-valid": is_valid,
    "parquet": parquet,
    "size": size,
    "info": info,
    "opt-in-out-urls": opt_in_out_urls,
    "presidio-entities": presidio_entities,
}
"""Those of this module, by the name of their endpoint."""

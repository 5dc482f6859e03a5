"""By which libraries a dataset can be loaded, with code to copy, and what lists of datasets filter by.

**Source**: the shape of dataset-viewer's ``/compatible-libraries`` and ``/hub-cache``; the code is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from openhood.base.errors import BadDatasetConfig
from openhood.domain.access import Viewer
from openhood.domain.repos import listing
from openhood.domain.repos.describing.globs import BadPattern, PathSet, has_magic
from openhood.domain.services import Services
from openhood.domain.viewer import planning, summaries
from openhood.domain.viewer.croissant import record_set_name
from openhood.domain.viewer.links import is_open
from openhood.domain.viewer.summaries import Question, Summary, Surveyed, survey
from openhood.domain.viewer.types import Config, Split

FORMATS = frozenset(
    ["webdataset", "json", "csv", "parquet", "imagefolder", "audiofolder", "text", "arrow", "lance"]
)
"""Formats that lists of datasets can be filtered by."""
_MAX_CONFIGS = 100
_MATCHED_CHARACTERS = 20_000_000
_LOGIN = "# Log in with `hf auth login` to read this dataset."


@dataclass(frozen=True, slots=True)
class _Function:
    """How a library reads a format: the function, and arguments after the path."""

    library: str
    imports: str
    name: str
    arguments: str = ""


_ONE_FILE: Mapping[str, _Function] = {
    "parquet": _Function("pandas", "import pandas as pd", "pd.read_parquet"),
    "csv": _Function("pandas", "import pandas as pd", "pd.read_csv"),
    "json": _Function("pandas", "import pandas as pd", "pd.read_json"),
}
_MANY_FILES: Mapping[str, _Function] = {
    "parquet": _Function("dask", "import dask.dataframe as dd", "dd.read_parquet"),
    "csv": _Function("dask", "import dask.dataframe as dd", "dd.read_csv"),
    "json": _Function("dask", "import dask.dataframe as dd", "dd.read_json"),
}
_POLARS: Mapping[str, _Function] = {
    "parquet": _Function("polars", "import polars as pl", "pl.read_parquet"),
    "csv": _Function("polars", "import polars as pl", "pl.read_csv"),
    "json": _Function("polars", "import polars as pl", "pl.read_json"),
}


def compatible_libraries(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/compatible-libraries``: libraries, functions and code for each config, and the format."""
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    plan = planning.plan_of(sv, at)
    name = str(at.repo.repo_id)
    comment = "" if is_open(at.repo) else f"{_LOGIN}\n"
    configs = plan.configs[:_MAX_CONFIGS]
    known = PathSet(
        [file.path for config in plan.configs for split in config.splits for file in split.files],
        budget=_MATCHED_CHARACTERS,
    )
    libraries = [_datasets(name, configs, comment)]
    frames = _frames(name, configs, known, comment)
    libraries += [] if frames is None else frames
    libraries.append(_croissant(name, configs, comment, asked.base_url))
    document = {
        "libraries": libraries,
        "formats": [configs[0].format] if configs[0].format in FORMATS else [],
    }
    return Summary(document, at.commit, is_open(at.repo), is_final=True)


def hub_cache(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/hub-cache``: what the Hub's lists keep of a dataset, whichever config is named."""
    asked = replace(asked, config="", split="")
    seen = survey(sv, viewer, asked)
    valid = summaries.is_valid(sv, viewer, asked).document
    size = summaries.size(sv, viewer, asked).document["size"]["dataset"]
    kinds = _tagged(sv, seen)
    document = {
        "preview": valid["preview"],
        "viewer": valid["viewer"],
        "partial": seen.is_partial,
        "num_rows": size["estimated_num_rows"] or size["num_rows"] if seen.ready else None,
        "libraries": kinds["library"],
        "modalities": kinds["modality"],
        "formats": kinds["format"],
    }
    return seen.answer(document)


def _tagged(sv: Services, seen: Surveyed) -> dict[str, list[str]]:
    """Return what the tags of the commit say, by which datasets are found."""
    found: dict[str, list[str]] = {"library": [], "modality": [], "format": []}
    for tag in listing.tip_at(sv, seen.at.repo, seen.at.commit).tags:
        kind, colon, value = tag.partition(":")
        if colon and kind in found:
            found[kind].append(value)
    return found


def _library(name: str, function: str, codes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"language": "python", "library": name, "function": function, "loading_codes": list(codes)}


def _datasets(dataset: str, configs: Sequence[Config], comment: str) -> dict[str, Any]:
    codes = []
    for config in configs:
        more = f', "{config.name}"' if len(configs) > 1 else ""
        codes.append(
            {
                "config_name": config.name,
                "arguments": {"config_name": config.name} if len(configs) > 1 else {},
                "code": f'from datasets import load_dataset\n\n{comment}ds = load_dataset("{dataset}"{more})',
            }
        )
    return _library("datasets", "load_dataset", codes)


def _frames(
    dataset: str, configs: Sequence[Config], known: PathSet, comment: str
) -> list[dict[str, Any]] | None:
    """Return the libraries of data frames; None where the files of a split cannot be named by one pattern."""
    form = configs[0].format
    if form not in _ONE_FILE and form != "webdataset":
        return None
    try:
        named = {
            config.name: {split.name: pattern_of(split, known) for split in config.splits}
            for config in configs
        }
    except BadDatasetConfig:
        return None
    if form == "webdataset":
        return [_webdataset(dataset, named, comment)]
    is_single = not any(has_magic(place) for splits in named.values() for place in splits.values())
    first = (_ONE_FILE if is_single else _MANY_FILES)[form]
    return [_frame(function, dataset, configs, named, comment) for function in (first, _POLARS[form])]


def _frame(
    function: _Function,
    dataset: str,
    configs: Sequence[Config],
    named: Mapping[str, Mapping[str, str]],
    comment: str,
) -> dict[str, Any]:
    codes = []
    name = function.name
    for config in configs:
        places = named[config.name]
        more, arguments = _arguments(config, function.library)
        is_lines = bool(arguments.get("lines"))
        if function.library == "polars" and is_lines:
            name = "pl.read_ndjson"
        codes.append(
            {
                "config_name": config.name,
                "arguments": {"splits": dict(places), **arguments},
                "code": f"{function.imports}\n\n{comment}{_read(name, dataset, places, more)}",
            }
        )
    return _library(function.library, name, codes)


def _read(function: str, dataset: str, places: Mapping[str, str], more: str) -> str:
    base = f"hf://datasets/{dataset}/"
    if len(places) == 1:
        return f'df = {function}("{base}{next(iter(places.values()))}"{more})'
    return f'splits = {dict(places)}\ndf = {function}("{base}" + splits["{next(iter(places))}"]{more})'


def _arguments(config: Config, library: str) -> tuple[str, dict[str, Any]]:
    """Return what is said after the path, as code and as arguments."""
    if config.format == "csv":
        sep = config.options.get("sep", config.options.get("delimiter"))
        if isinstance(sep, str):
            return f", {'separator' if library == 'polars' else 'sep'}={sep!r}", {"sep": sep}
    if config.format == "json":
        name = config.splits[0].files[0].path.rpartition("/")[2].lower()
        if ".jsonl" in name or ".ndjson" in name:
            return "" if library == "polars" else ", lines=True", {"lines": True}
    return "", {}


def _webdataset(dataset: str, named: Mapping[str, Mapping[str, str]], comment: str) -> dict[str, Any]:
    codes = []
    for config, places in named.items():
        pattern = f'"{next(iter(places.values()))}"'
        lines = [
            "import webdataset as wds",
            "from huggingface_hub import HfFileSystem, get_token, hf_hub_url",
            "",
        ]
        if len(places) > 1:
            lines.append(f"splits = {dict(places)}")
            pattern = f'splits["{next(iter(places))}"]'
        lines += [
            f"{comment}fs = HfFileSystem()",
            f'found = [fs.resolve_path(path) for path in fs.glob("hf://datasets/{dataset}/" + {pattern})]',
            'urls = [hf_hub_url(each.repo_id, each.path_in_repo, repo_type="dataset") for each in found]',
            "pipe = f\"pipe: curl -s -L -H 'Authorization:Bearer {get_token()}' {'::'.join(urls)}\"",
            "ds = wds.WebDataset(pipe).decode()",
        ]
        codes.append({"config_name": config, "arguments": {"splits": dict(places)}, "code": "\n".join(lines)})
    return _library("webdataset", "wds.WebDataset", codes)


def _croissant(dataset: str, configs: Sequence[Config], comment: str, base_url: str) -> dict[str, Any]:
    codes = []
    for config in configs:
        record_set = record_set_name(dataset, config.name)
        address = f"{base_url}/api/datasets/{dataset}/croissant"
        if comment:
            code = (
                "import requests\nfrom huggingface_hub.utils import build_hf_headers\nfrom mlcroissant import Dataset\n\n"
                f'{comment}jsonld = requests.get("{address}", headers=build_hf_headers()).json()\n'
                f'ds = Dataset(jsonld=jsonld)\nrecords = ds.records("{record_set}")'
            )
        else:
            code = (
                f'from mlcroissant import Dataset\n\nds = Dataset(jsonld="{address}")\n'
                f'records = ds.records("{record_set}")'
            )
        arguments = {"record_set": record_set, "partial": False}
        codes.append({"config_name": config.name, "arguments": arguments, "code": code})
    return _library("mlcroissant", "Dataset", codes)


def pattern_of(split: Split, known: PathSet) -> str:
    """Return a pattern that names the files of a split and no other data. Raises BadDatasetConfig where there is none."""
    paths = sorted({file.path for file in split.files})
    if len(paths) == 1:
        return paths[0]
    for pattern in _candidates(paths):
        try:
            if known.matching(pattern) == paths:
                return pattern
        except BadPattern:
            break
    raise BadDatasetConfig(f"No simple pattern names the files of the split '{split.name}'.")


def _candidates(paths: Sequence[str]) -> list[str]:
    """Return patterns that may name some files, the narrowest first."""
    names = [path.rpartition("/")[2] for path in paths]
    folders = {path[: len(path) - len(name)] for path, name in zip(paths, names, strict=True)}
    ending = _shared_start([name[::-1] for name in names])[::-1]
    ending = ending[ending.find(".") :] if "." in ending else ""
    start = _shared_start(names).rstrip("0123456789")
    if "-of-" in names[0]:
        shards = f"{start.removesuffix('-')}-*-of-*{ending}"
    else:
        shards = f"{start}*{ending}"
    if len(folders) == 1:
        folder = folders.pop()
        return [f"{folder}{shards}", f"{folder}{start}*{ending}", f"{folder}*{ending}"]
    parts = [folder.rstrip("/").split("/") for folder in sorted(folders)]
    shared: list[str] = []
    for each in zip(*parts, strict=False):
        if len(set(each)) > 1:
            break
        shared.append(each[0])
    base = "".join(f"{part}/" for part in shared if part)
    return [f"{base}*/{shards}", f"{base}*/*{ending}", f"{base}**/{shards}", f"{base}**/*{ending}"]


def _shared_start(names: Sequence[str]) -> str:
    """Return the characters that all names begin with."""
    first, last = min(names), max(names)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]

"""A dataset: its tags in the Hub's order, its configs with splits and features, description and citation.

**Source** of the order: tags that the Hub's API returns (``task_categories: … language: license:
size_categories: format: modality: library: arxiv: doi: region:us``, then the card's own); of formats,
kinds and libraries: dataset-viewer ``worker/…/dataset/{compatible_libraries,modalities}.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openhood.base.errors import InvalidCard, ViewerError
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.describing import tags as tagging
from openhood.domain.repos.describing.clues import Clues
from openhood.domain.repos.describing.datafiles import (
    LEGACY_INFOS,
    MAX_CONFIGS,
    STANDALONE,
    Config,
    configs_of,
    infos_of,
    with_standalone,
)
from openhood.domain.repos.describing.features import modalities_of, modalities_of_features
from openhood.domain.repos.describing.summary import citation, introduce
from openhood.domain.repos.describing.values import is_mapping, names_at, read_object, text_at
from openhood.engines.formats.card import parse_yaml

_KEYS = (
    "task_categories",
    "task_ids",
    "annotations_creators",
    "language_creators",
    "multilinguality",
    "source_datasets",
    "language",
    "license",
)
_SIZES: tuple[tuple[int, str], ...] = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)
_LARGEST = "n>1T"
_FORMATS = frozenset(
    ["webdataset", "json", "csv", "parquet", "imagefolder", "audiofolder", "text", "arrow", "lance"]
)
_TABLES = frozenset({"json", "csv", "parquet"})
# A card may name a kind or a library by a tag (hub-docs ``datasets-cards.md``).
_MODALITIES = ("3d", "audio", "document", "geospatial", "image", "tabular", "text", "timeseries", "video")
_NAMED_LIBRARIES = frozenset(
    [
        "argilla",
        "dask",
        "datadesigner",
        "datasets",
        "distilabel",
        "duckdb",
        "fiftyone",
        "harbor",
        "lance",
        "lerobot",
        "mlcroissant",
        "nemo-gym",
        "openenv",
        "pandas",
        "polars",
        "verifiers",
        "webdataset",
    ]
)
_ENDINGS: Mapping[str, str] = {
    "image": "apng avif gif jpg jpeg jfif pjpeg pjp png svg webp bmp ico cur tif tiff",
    "audio": "aac flac mp3 m4a oga wav weba opus spx wma aiff ape mka wv tak ogg",
    "video": "m4v m4p ogv mov mkv avi wmv flv 3gp mpg mpeg mp4 webm",
    "geospatial": "shp shx dbf prj cpg kml kmz gpx geojson topojson gml geoparquet fgb img bil bip bsq gpkg "
    "mbtiles pmtiles",
    "3d": "fbx dae dxf obj stl ply gltf glb usdz",
    "text": "txt",
    "document": "pdf",
}
_MODALITY_OF = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
_OF_MANY_ROWS = frozenset({"parquet", "csv", "json", "jsonl", "arrow"})
_FEWEST_PICTURES = 10
_MAX_FILES = 50
_MAX_CONFIGS_SHOWN = 200
_MAX_FEATURES = 500


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What looking into the data files has shown, which a commit does not wait for.

    ``configs`` are all, ``rows`` is None where they were not counted yet, ``features`` those of each config.
    """

    configs: tuple[Config, ...]
    rows: int | None
    features: tuple[Mapping[str, object], ...]


def dataset_facts(
    card: Mapping[str, object] | None, clues: Clues, *, text: str, data: DataFacts | None = None
) -> TipFacts:
    """Describe a dataset. Args: ``text`` is the card's text below its front matter; ``data`` None: not known yet."""
    known = card or {}
    declared = with_standalone(known, _standalone(clues))
    configs = _configs(declared, clues) if data is None else data.configs
    infos = infos_of(declared)
    module = _module(configs)
    names = tagging.bounded(
        [
            *tagging.prefixed(known, _KEYS),
            *_sizes(known, infos, None if data is None else data.rows),
            *([f"format:{module}"] if module in _FORMATS else []),
            *(f"modality:{kind}" for kind in _modalities(known, infos, clues.paths, data)),
            *(f"library:{name}" for name in _libraries(known, configs, module)),
            *tagging.papers(known, text),
            *tagging.identifiers(known),
            tagging.REGION,
            *names_at(known, "tags"),
        ]
    )
    extras = {
        "description": introduce(text),
        "citation": citation(text),
        "paperswithcode_id": text_at(known, "paperswithcode_id", limit=200),
        "configs": [
            _shown(config, infos.get(config.name))
            for config in sorted(configs, key=lambda config: (not config.is_default, config.name))[
                :_MAX_CONFIGS_SHOWN
            ]
        ]
        or None,
    }
    return TipFacts(
        card=card,
        config=None,
        tags=names,
        pipeline_tag=None,
        library_name=None,
        sdk=None,
        extras={key: value for key, value in extras.items() if value is not None},
    )


def _standalone(clues: Clues) -> object:
    written = clues.text(STANDALONE)
    try:
        return None if written is None else parse_yaml(written)
    except InvalidCard:
        return None


def _configs(card: Mapping[str, object], clues: Clues) -> tuple[Config, ...]:
    """Return what the viewer will show of the first thousand files, none where it will refuse."""
    try:
        return configs_of(card, clues.paths, legacy_infos=read_object(clues.files.get(LEGACY_INFOS)))
    except ViewerError:
        return ()


def _module(configs: Iterable[Config]) -> str | None:
    """Return how all configs are read, None where there is nothing to read."""
    return next((config.module for config in configs if any(split.files for split in config.splits)), None)


def _sizes(
    card: Mapping[str, object], infos: Mapping[str, Mapping[str, object]], rows: int | None
) -> list[str]:
    """Return the size by the rows that were counted, else the sizes that the card states or its numbers add up to.

    As the Hub does, which shows its own size only once it has counted.
    """
    if rows is not None:
        return [_size_of(rows)]
    stated = tagging.prefixed(card, ("size_categories",))
    if stated:
        return stated
    counts = [
        _count(split.get("num_examples")) for info in infos.values() for split in _split_infos(info).values()
    ]
    known = [count for count in counts if count is not None]
    if not known:
        return []
    return [_size_of(sum(known))]


def _size_of(rows: int) -> str:
    return f"size_categories:{next((name for limit, name in _SIZES if rows < limit), _LARGEST)}"


def _modalities(
    card: Mapping[str, object],
    infos: Mapping[str, Mapping[str, object]],
    paths: Iterable[str],
    data: DataFacts | None,
) -> list[str]:
    tagged = {tag for tag in names_at(card, "tags") if tag in _MODALITIES}
    by_columns = {kind for info in infos.values() for kind in modalities_of(info.get("features"))}
    if data is not None:
        by_columns |= {kind for features in data.features for kind in modalities_of_features(features)}
    return sorted(tagged | by_columns | _modalities_by_files(paths))


def _modalities_by_files(paths: Iterable[str]) -> set[str]:
    """Return the kinds of files that are a tenth or more of the data; some pictures are only a card's."""
    endings = Counter(path.rpartition(".")[2].lower() for path in paths if "." in path.rpartition("/")[2])
    known = {
        ending: count
        for ending, count in endings.items()
        if ending in _MODALITY_OF or ending in _OF_MANY_ROWS
    }
    fewest = round(0.1 * sum(known.values()))
    fewest_pictures = _FEWEST_PICTURES if known.keys() & _OF_MANY_ROWS else 1
    found = set()
    for ending, count in known.items():
        kind = _MODALITY_OF.get(ending)
        if kind and count >= fewest and (kind != "image" or count >= fewest_pictures):
            found.add(kind)
    return found


def _libraries(card: Mapping[str, object], configs: Iterable[Config], module: str | None) -> list[str]:
    found = []
    if module is not None:
        found.append("datasets")
        if module in _TABLES:
            splits = [split for config in configs for split in config.splits if split.files]
            found += ["pandas" if all(len(split.files) == 1 for split in splits) else "dask", "polars"]
        elif module in ("webdataset", "lance"):
            found.append(module)
        found.append("mlcroissant")
    named = [tag.lower() for tag in names_at(card, "tags") if tag.lower() in _NAMED_LIBRARIES]
    return list(dict.fromkeys([*found, *named]))


def _split_infos(info: Mapping[str, object] | None) -> dict[str, Mapping[str, object]]:
    splits = (info or {}).get("splits")
    items = splits if isinstance(splits, list) else []
    return {str(item.get("name")): item for item in items[:MAX_CONFIGS] if is_mapping(item)}


def _shown(config: Config, info: Mapping[str, object] | None) -> dict[str, object]:
    """Return a config as JSON: ``config_name``, ``default``, ``splits``, and what the card says of its size."""
    sizes = _split_infos(info)
    shown: dict[str, object] = {
        "config_name": config.name,
        "default": config.is_default,
        "splits": [
            {
                "name": split.name,
                **({"patterns": list(split.patterns)} if split.patterns is not None else {}),
                "files": list(split.files[:_MAX_FILES]),
                "num_files": len(split.files),
                **_numbers(sizes.get(split.name), ("num_examples", "num_bytes")),
            }
            for split in config.splits
        ],
        **_numbers(info, ("download_size", "dataset_size")),
    }
    features = (info or {}).get("features")
    if isinstance(features, list):
        shown["features"] = features[:_MAX_FEATURES]
    return shown


def _numbers(values: Mapping[str, object] | None, keys: Iterable[str]) -> dict[str, int]:
    found = {key: _count((values or {}).get(key)) for key in keys}
    return {key: count for key, count in found.items() if count is not None}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)

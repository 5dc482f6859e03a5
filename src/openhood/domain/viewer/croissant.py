"""A dataset in the words of Croissant 1.1: its Parquet files, its record sets, and the types of their fields.

Crumbs are what is known of the data; the whole adds what the card says of the dataset.

**Source**: the Croissant 1.1 specification; dataset-viewer ``croissant_crumbs.py`` for the shape that the Hub gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from openhood.base.errors import ViewerError
from openhood.domain.access import Viewer
from openhood.domain.repos import listing
from openhood.domain.repos.describing.values import names_at
from openhood.domain.services import Services
from openhood.domain.viewer import planning
from openhood.domain.viewer.links import is_open
from openhood.domain.viewer.measuring import Measured
from openhood.domain.viewer.publishing import REF, path_of
from openhood.domain.viewer.summaries import Question, Summary, Surveyed, survey

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
MAX_CONFIGS = 100
MAX_COLUMNS = 1000
_REPO = "repo"
_MAX_DEPTH = 30
_PLAIN_KEY = re.compile(r"[a-zA-Z0-9_]+")

_VALUES: Mapping[str, str] = {
    "bool": "sc:Boolean",
    "string": "sc:Text",
    "large_string": "sc:Text",
    "string_view": "sc:Text",
    "binary": "sc:Text",
    "large_binary": "sc:Text",
    "date32": "sc:Date",
    "date64": "sc:Date",
    "float16": "cr:Float16",
    "float32": "cr:Float32",
    "float64": "cr:Float64",
    **{f"int{bits}": f"cr:Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"cr:UInt{bits}" for bits in (8, 16, 32, 64)},
}
_MEDIA: Mapping[str, str] = {"Image": "sc:ImageObject", "Audio": "sc:AudioObject", "Video": "sc:VideoObject"}

_TERMS = (
    "annotation arrayShape citeAs column containedIn dataBiases dataCollection equivalentProperty excludes extract "
    "field fileProperty fileObject fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path "
    "personalSensitiveInformation readLines recordSet references regex repeated replace samplingRate separator source "
    "subField transform unArchive value"
)
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def record_set_name(dataset: str, config: str) -> str:
    """Return the name of a config's records, which must not be that of the dataset."""
    return f"record_set_{config}" if dataset == config else config


def croissant_crumbs(sv: Services, viewer: Viewer, asked: Question, *, full: bool = True) -> Summary:
    """``/croissant-crumbs``: files and records; not ``full``: at most a thousand fields of each config."""
    seen = survey(sv, viewer, asked)
    return seen.answer(_crumbs(seen, asked.base_url, full=full))


def croissant(sv: Services, viewer: Viewer, asked: Question) -> Summary:
    """``/croissant`` of the Hub: a dataset's card and, where its data can be read, files and records.

    Raises: what `planning.locate` raises.
    """
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    repo = at.repo
    tip = listing.tip_at(sv, repo, at.commit)
    card = tip.card or {}
    is_final = True
    try:
        seen = survey(sv, viewer, asked)
        crumbs = _crumbs(seen, asked.base_url, full=False)
        is_final = seen.answer({}).is_final
    except ViewerError:
        crumbs = {"@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS_TO}
    owner = repo.repo_id.namespace
    said: dict[str, Any] = {
        **crumbs,
        "name": repo.repo_id.name,
        "description": tip.extras.get("description") or f"The dataset {repo.repo_id}.",
        "alternateName": [str(repo.repo_id), *names_at(card, "pretty_name")],
        "creator": {"@type": "Organization", "name": owner, "url": f"{asked.base_url}/{quote(owner)}"},
        "keywords": [tag for tag in tip.tags if tag != "region:us"],
        "url": f"{asked.base_url}{quote(repo.web_path)}",
        "dateCreated": repo.created_at.isoformat(),
        "dateModified": repo.last_modified.isoformat(),
    }
    licenses = names_at(card, "license")
    links = names_at(card, "license_link")
    if licenses:
        said["license"] = links[0] if links else f"https://choosealicense.com/licenses/{licenses[0].lower()}/"
    if tip.extras.get("citation"):
        said["citeAs"] = tip.extras["citation"]
    return Summary(said, at.commit, is_open(repo), is_final)


def _crumbs(seen: Surveyed, base_url: str, *, full: bool) -> dict[str, Any]:
    tree = f"{base_url}{quote(seen.at.repo.web_path)}/tree/{quote(REF, safe='')}"
    distribution: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": _REPO,
            "name": _REPO,
            "description": "The Git repository of the dataset, as Parquet files.",
            "contentUrl": tree,
            "encodingFormat": "git+https",
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        }
    ]
    records: list[dict[str, Any]] = []
    names = {_REPO}
    ready = list(seen.ready.items())
    for _config, splits in ready[:MAX_CONFIGS]:
        files, sets = _of_config(seen.name, splits, names, full=full, is_cut=len(ready) > MAX_CONFIGS)
        distribution.append(files)
        records += sets
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "distribution": distribution,
        "recordSet": records,
    }


def _of_config(
    dataset: str, splits: Sequence[Measured], names: set[str], *, full: bool, is_cut: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the files of a config, and its two record sets: of its splits, and of its rows."""
    config = splits[0].config.name
    files = _free_name(f"parquet-files-for-config-{config}", names)
    folder = path_of(config, "", 0, 1, is_partial=False).split("/", 1)[0]
    fileset = {
        "@type": "cr:FileSet",
        "@id": files,
        "containedIn": {"@id": _REPO},
        "encodingFormat": "application/x-parquet",
        "includes": f"{folder}/*/*.parquet",
    }
    records = _free_name(record_set_name(dataset, config), names)
    of_splits = _free_name(f"{records}_splits", names)
    split_names = [each.split.name for each in splits]
    split_set = {
        "@type": "cr:RecordSet",
        "@id": of_splits,
        "name": of_splits,
        "dataType": "cr:Split",
        "description": f"Splits of the config {config}.",
        "key": {"@id": f"{of_splits}/split_name"},
        "field": [{"@type": "cr:Field", "@id": f"{of_splits}/split_name", "dataType": "sc:Text"}],
        "data": [{f"{of_splits}/split_name": name} for name in split_names],
    }
    pattern = "|".join(re.escape(name) for name in split_names)
    fields: list[dict[str, Any]] = [
        {
            "@type": "cr:Field",
            "@id": f"{records}/split",
            "dataType": "sc:Text",
            "source": {
                "fileSet": {"@id": files},
                "extract": {"fileProperty": "fullpath"},
                "transform": {"regex": f"{re.escape(folder)}/(?:partial-)?({pattern})/.+parquet$"},
            },
            "references": {"field": {"@id": f"{of_splits}/split_name"}},
        }
    ]
    skipped = []
    used: set[str] = {"split"}
    for column, feature in (splits[0].features or {}).items():
        field = _field(files, f"{records}/{_free_name(column, used)}", column, feature, (), 0)
        if field is None:
            skipped.append(column)
        else:
            fields.append(field)
    described = f"{dataset} - '{config}' subset"
    if any(each.is_partial for each in splits):
        described += " (only its first part was converted)"
    if is_cut:
        described += f" (only the first {MAX_CONFIGS} subsets are described)"
    more = []
    if len(split_names) > 1:
        more.append(f"{len(split_names)} splits: {', '.join(split_names)}")
    if skipped:
        more.append(f"{len(skipped)} skipped columns: {', '.join(skipped[:MAX_COLUMNS])}")
    if not full and len(fields) > MAX_COLUMNS:
        more.append(f"{len(fields) - MAX_COLUMNS} skipped columns (too many to be described)")
        fields = fields[:MAX_COLUMNS]
    if more:
        described += "\n\nAdditional information:" + "".join(f"\n- {line}" for line in more)
    row_set = {
        "@type": "cr:RecordSet",
        "@id": records,
        "name": records,
        "description": described,
        "field": fields,
    }
    return fileset, [split_set, row_set]


def _free_name(name: str, used: set[str]) -> str:
    """Return a name as an id may be, and as none is yet."""
    escaped = re.sub(r"[^a-zA-Z0-9\-_.]", "_", name)
    while escaped in used:
        escaped += "_0"
    used.add(escaped)
    return escaped


def _field(
    files: str, name: str, column: str, feature: Any, path: tuple[str, ...], depth: int
) -> dict[str, Any] | None:
    """Return the field of a column or of something within it (``path``), None for types that Croissant has not."""
    if depth > _MAX_DEPTH or not isinstance(feature, Mapping):
        return None
    kind = feature.get("_type")
    base: dict[str, Any] = {"@type": "cr:Field", "@id": name}
    if not isinstance(kind, str):
        used: set[str] = set()
        below = [
            _field(files, f"{name}/{_free_name(key, used)}", column, each, (*path, _json_key(key)), depth + 1)
            for key, each in feature.items()
        ]
        known = [field for field in below if field is not None]
        return {**base, "subField": known} if known else None
    if kind in ("List", "LargeList"):
        return _list_field(files, name, column, feature, path, depth)
    if kind in _MEDIA:
        return {**base, "dataType": _MEDIA[kind], "source": _source(files, column, (*path, "bytes"))}
    data_type = "sc:Integer" if kind == "ClassLabel" else _value_type(kind, feature)
    return (
        None if data_type is None else {**base, "dataType": data_type, "source": _source(files, column, path)}
    )


def _value_type(kind: str, feature: Mapping[str, Any]) -> str | None:
    if kind == "Json":
        return "sc:Text"
    if kind != "Value":
        return None
    dtype = str(feature.get("dtype"))
    if dtype.startswith("timestamp"):
        return "sc:DateTime"
    if dtype.startswith("time"):
        return "sc:Time"
    return "sc:Float" if dtype.startswith("decimal") else _VALUES.get(dtype)


def _list_field(
    files: str, name: str, column: str, feature: Mapping[str, Any], path: tuple[str, ...], depth: int
) -> dict[str, Any] | None:
    shape = []
    inner: Any = feature
    while isinstance(inner, Mapping) and inner.get("_type") in ("List", "LargeList"):
        shape.append(str(inner.get("length", -1)))
        inner = inner.get("feature")
    field = _field(files, name, column, inner, path, depth + 1)
    return None if field is None else {**field, "isArray": True, "arrayShape": ",".join(shape)}


def _source(files: str, column: str, path: tuple[str, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": column}}
    steps = [{"jsonPath": step} for step in path]
    if steps:
        said["transform"] = steps[0] if len(steps) == 1 else steps
    return said


def _json_key(name: str) -> str:
    """Return a name as a step of a JSON path."""
    if _PLAIN_KEY.fullmatch(name):
        return name
    return "['" + re.sub(r"(['\[\]])", r"\\\1", name) + "']"

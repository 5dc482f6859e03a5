"""How the ``datasets`` library reads files: by which of its modules, with which parameters, told by their names.

**Source**: ``packaged_modules/__init__.py`` and ``load.py::infer_module_for_data_files`` of ``datasets`` 5.2, with
which a test compares.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from openhood.base.errors import BadDatasetConfig, DataFilesNotFound

ListArchive = Callable[[Sequence[str]], Sequence[str]]
"""Gives the names of what some zip files of the repository hold, to tell of what kind they are."""

MAX_ARCHIVES = 10
"""So many zip files are looked into."""

METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FOLDERS = frozenset(
    {
        "imagefolder",
        "audiofolder",
        "videofolder",
        "pdffolder",
        "meshfolder",
        "niftifolder",
        "pdb",
        "mmcif",
    }
)
"""Modules whose rows are files, with what metadata files say of them."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the library, with the parameters that an ending brings along."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)


# Module, endings in lower case, parameters that go with them.
_TABLE: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("csv", "csv", {}),
    ("csv", "tsv", {"sep": "\t"}),
    ("json", "json jsonl ndjson", {}),
    ("parquet", "parquet geoparquet gpq", {}),
    ("arrow", "arrow", {}),
    ("text", "txt", {}),
    ("conll", "conll", {}),
    ("conll", "conllu", {"comment_prefix": "#"}),
    ("webdataset", "tar", {}),
    ("xml", "xml", {}),
    ("hdf5", "hdf5 h5", {}),
    ("eval", "eval", {}),
    ("harbor", "toml md", {}),
    ("lance", "lance", {}),
    ("tsfile", "tsfile", {}),
    ("vortex", "vortex", {}),
    ("fasta", "fa fasta fna ffn faa frn afa", {}),
    ("genbank", "gb gbk genbank", {}),
    ("fastq", "fq fastq", {}),
    ("pdb", "pdb ent", {}),
    ("mmcif", "cif mmcif", {}),
    (
        "imagefolder",
        "blp bmp dib bufr cur pcx dcx dds ps eps fit fits fli flc ftc ftu gbr gif grib png apng jp2 j2k jpc jpf jpx "
        "j2c icns ico im iim tif tiff jfif jpe jpg jpeg msp pcd pxr pbm pgm ppm pnm psd bw rgb rgba sgi ras tga icb "
        "vda vst webp wmf emf xbm xpm",
        {},
    ),
    (
        "audiofolder",
        "mpg aiff au avr caf flac htk svx mat4 mat5 mpc2k ogg paf pvf raw rf64 sd2 sds ircam voc w64 wav nist wavex "
        "wve xi mp3 opus 3gp 3g2 asf flv m4v webm f4v wmv wma ogm mxf nut",
        {},
    ),
    ("videofolder", "mpeg avi mp4 mov mkv", {}),
    ("meshfolder", "glb gltf ply stl", {}),
    ("pdffolder", "pdf", {}),
    ("niftifolder", "nii", {}),
)
_MODULE_OF: Mapping[str, Module] = {
    ending: Module(name, options) for name, endings, options in _TABLE for ending in endings.split()
}
_ENDINGS: Mapping[str, tuple[str, ...]] = {
    name: tuple(ending for ending, module in _MODULE_OF.items() if module.name == name)
    for name in {name for name, _endings, _options in _TABLE}
}
_ANY_CASE = FOLDERS - {"mmcif"}
"""Modules whose endings count in upper case too; all others, and mixed case, are passed over."""
_METADATA_ENDINGS: Mapping[str, tuple[str, ...]] = {"lance": ("idx", "txn", "manifest")}
_METADATA_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(FOLDERS, METADATA_NAMES),
    "lance": ("latest_version_hint.json",),
    "harbor": ("task.toml", "instruction.md"),
}
_ALL_METADATA_NAMES = frozenset(name for names in _METADATA_OF.values() for name in names)
# Where as many files have one ending as another, the first of these is meant.
_FAVOURITES = ("parquet", "lance", "vortex", "arrow", "jsonl", "json", "csv")

_FOLDER_OPTIONS = "features drop_labels drop_metadata metadata_filenames filters decode_num_threads"
_BIO_OPTIONS = "features batch_size max_batch_bytes columns"
_COMMON_OPTIONS = frozenset({"version", "description"})
_OPTIONS: Mapping[str, frozenset[str]] = {
    name: frozenset(options.split())
    for name, options in {
        **dict.fromkeys(FOLDERS, _FOLDER_OPTIONS),
        **dict.fromkeys(("fasta", "fastq", "genbank"), _BIO_OPTIONS),
        "arrow": "features",
        "conll": "features column_names delimiter encoding encoding_errors skip_docstart comment_prefix",
        "csv": "sep delimiter header names column_names index_col usecols prefix mangle_dupe_cols engine converters "
        "true_values false_values skipinitialspace skiprows nrows na_values keep_default_na na_filter verbose "
        "skip_blank_lines thousands decimal lineterminator quotechar quoting escapechar comment encoding dialect "
        "error_bad_lines warn_bad_lines skipfooter doublequote memory_map float_precision chunksize features "
        "encoding_errors on_bad_lines date_format",
        "eval": "",
        "harbor": "features strip_canary include_files",
        "hdf5": "batch_size features",
        "json": "features encoding encoding_errors field use_threads block_size chunksize newlines_in_values "
        "on_mixed_types parse_agent_traces",
        "lance": "features columns batch_size",
        "parquet": "batch_size columns features filters fragment_scan_options on_bad_files",
        "text": "features encoding encoding_errors chunksize keep_linebreaks sample_by",
        "tsfile": "table_name columns start_time end_time input_batch_size output_batch_size features on_bad_files "
        "timestamp_unit timestamp_tz",
        "vortex": "batch_size columns features filters on_bad_files",
        "webdataset": "",
        "xml": "features encoding encoding_errors",
    }.items()
}


def _spellings(ending: str, module: str) -> tuple[str, ...]:
    return (ending, ending.upper()) if module in _ANY_CASE else (ending,)


_ALLOWED = frozenset(
    [
        *(spelt for ending, module in _MODULE_OF.items() for spelt in _spellings(ending, module.name)),
        *(ending for endings in _METADATA_ENDINGS.values() for ending in endings),
        "zip",
    ]
)


def is_allowed(name: str) -> bool:
    """Tell whether a file may hold data at all: some part of its name after a dot is a known ending."""
    dot = name.find(".")
    return dot >= 0 and _is_allowed_ending(name[dot:])


@lru_cache(maxsize=4096)
def _is_allowed_ending(ending: str) -> bool:
    return any(part in _ALLOWED for part in ending.split(".")[1:])


def options_of(module: str, given: Mapping[str, object]) -> dict[str, object]:
    """Return those of the parameters of a config that the module has; the library passes over the others."""
    known = _OPTIONS[module] | _COMMON_OPTIONS
    return {key: value for key, value in given.items() if key in known}


def infer_module(splits: Iterable[Sequence[str]], *, list_archive: ListArchive | None) -> Module:
    """Return how files are read, which must be the same for every split.

    Args: ``splits`` are the paths of each; ``list_archive`` None: zip files cannot be looked into here.
    Raises: DataFilesNotFound, BadDatasetConfig where splits are of different kinds.
    """
    found = [_of_list(paths, list_archive) for paths in splits]
    if not found:
        raise DataFilesNotFound("No (supported) data files found.")
    if any(module != found[0] for module in found):
        kinds = ", ".join(sorted({module.name if module else "nothing known" for module in found}))
        raise BadDatasetConfig(f"The splits must all be of the same file format, but they are: {kinds}.")
    if found[0] is None:
        raise DataFilesNotFound("No (supported) data files found.")
    return found[0]


def of_module(module: str, paths: Iterable[str]) -> list[str]:
    """Return the files that a module reads, and those that it needs to understand them."""
    pattern, names = _filter_of(module), _METADATA_OF.get(module, ())
    by_ending: dict[str, bool] = {}
    found = []
    for path in paths:
        if "\n" in path:
            is_read = pattern.match(path) is not None
        else:
            # What comes before the first dot decides nothing but for names, and most files have the same after it.
            dot = path.find(".")
            ending = path[dot:] if dot >= 0 else ""
            known = by_ending.get(ending)
            if known is None:
                known = by_ending[ending] = pattern.match(ending) is not None
            is_read = known or path.endswith(names)
        if is_read:
            found.append(path)
    return found


def sorted_out(
    module: str, paths: Sequence[str], options: Mapping[str, object]
) -> tuple[list[str], list[str]]:
    """Return the files of a split whose rows they are, and the metadata files that describe these."""
    if module not in FOLDERS:
        return list(paths), []
    stated = options.get("metadata_filenames")
    names = {str(name) for name in stated} if isinstance(stated, list) else set(METADATA_NAMES)
    known = _ENDINGS[module]
    by_ending: dict[str, tuple[bool, bool]] = {}
    files, metadata = [], []
    for path in paths:
        name = path.rpartition("/")[2]
        ending = name[name.find(".") :] if "." in name else ""
        told = by_ending.get(ending)
        if told is None:
            last = [part.lower() for part in ending.split(".")[1:]][-2:]
            told = by_ending[ending] = any(part in known for part in last), last[-1:] == ["zip"]
        is_row, is_archive = told
        if is_row or (is_archive and name not in names):
            files.append(path)
        elif name in names:
            metadata.append(path)
    return files, metadata


@lru_cache(maxsize=64)
def _filter_of(module: str) -> re.Pattern[str]:
    endings = [
        *(spelt for ending in _ENDINGS[module] for spelt in _spellings(ending, module)),
        "zip",
        *_METADATA_ENDINGS.get(module, ()),
    ]
    names = _METADATA_OF.get(module, ())
    known = rf".*\.(?:{'|'.join(map(re.escape, endings))})(?:\..+)?$"
    return re.compile(
        known if not names else rf"(?:{known})|(?:.*[/]?(?:{'|'.join(map(re.escape, names))})$)"
    )


def _of_list(paths: Sequence[str], list_archive: ListArchive | None) -> Module | None:
    # Most files have the same name after its first dot, so that is taken apart once.
    names = (path.rpartition("/")[2] for path in paths)
    endings = Counter((name.partition(".")[2], name in _ALL_METADATA_NAMES) for name in names if "." in name)
    counts: Counter[tuple[str, bool]] = Counter()
    for (ending, is_metadata), count in endings.items():
        for part in ending.split("."):
            counts[part.lower(), is_metadata] += count

    def weight(item: tuple[tuple[str, bool], int]) -> tuple[bool, int, int, str]:
        (ending, is_metadata), count = item
        rank = -_FAVOURITES.index(ending) if ending in _FAVOURITES else -len(_FAVOURITES)
        return not is_metadata, count, rank, ending

    for (ending, _is_metadata), _count in sorted(counts.items(), key=weight, reverse=True):
        if ending in _MODULE_OF:
            return _MODULE_OF[ending]
        if ending == "zip":
            return _of_archives(paths, list_archive)
    return None


def _of_archives(paths: Sequence[str], list_archive: ListArchive | None) -> Module | None:
    """Return what the most frequent ending within zip files stands for."""
    archives = [path for path in paths if path.endswith(".zip")][:MAX_ARCHIVES]
    if list_archive is None or not archives:
        return None
    endings = Counter(
        part.lower() for name in list_archive(archives) for part in name.rpartition("/")[2].split(".")[1:]
    )
    return _MODULE_OF.get(endings.most_common(1)[0][0]) if endings else None

"""Tar archives in the WebDataset form: members with the same name before the first dot are one row.

**Source**: ``datasets/packaged_modules/webdataset/webdataset.py``; of its decoders those that run no code.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from openhood.base.errors import TableCastFailed, TableTooLarge, TableUnreadable
from openhood.engines.tables.features import MEDIA, features_of
from openhood.engines.tables.readers import unpacking
from openhood.engines.tables.readers.casting import arrow_schema
from openhood.engines.tables.readers.given import Given, Stream
from openhood.engines.tables.task import Source

MAX_MEMBER_BYTES = 1 << 30
_INFERRED_ROWS = 5
_ROWS_AT_ONCE = 100
_BYTES_AT_ONCE = 64 << 20
_NAME = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")

_IMAGES = frozenset(
    [
        "blp",
        "bmp",
        "dib",
        "bufr",
        "cur",
        "pcx",
        "dcx",
        "dds",
        "ps",
        "eps",
        "fit",
        "fits",
        "fli",
        "flc",
        "ftc",
        "ftu",
        "gbr",
        "gif",
        "grib",
        "h5",
        "hdf",
        "png",
        "apng",
        "jp2",
        "j2k",
        "jpc",
        "jpf",
        "jpx",
        "j2c",
        "icns",
        "ico",
        "im",
        "iim",
        "tif",
        "tiff",
        "jfif",
        "jpe",
        "jpg",
        "jpeg",
        "mpg",
        "mpeg",
        "msp",
        "pcd",
        "pxr",
        "pbm",
        "pgm",
        "ppm",
        "pnm",
        "psd",
        "bw",
        "rgb",
        "rgba",
        "sgi",
        "ras",
        "tga",
        "icb",
        "vda",
        "vst",
        "webp",
        "wmf",
        "emf",
        "xbm",
        "xpm",
    ]
)
_SOUNDS = frozenset(
    [
        "aiff",
        "au",
        "avr",
        "caf",
        "flac",
        "htk",
        "svx",
        "mat4",
        "mat5",
        "mpc2k",
        "ogg",
        "paf",
        "pvf",
        "raw",
        "rf64",
        "sd2",
        "sds",
        "ircam",
        "voc",
        "w64",
        "wav",
        "nist",
        "wavex",
        "wve",
        "xi",
        "mp3",
        "opus",
    ]
)
_VIDEOS = frozenset(["mkv", "mp4", "avi", "mpeg", "mov"])
_MESHES = frozenset(["glb", "ply", "stl"])

Row = dict[str, Any]


def _array(data: bytes) -> Any:  # Any: numpy's arrays, as Arrow takes them
    return _plain(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return value.item()
        return value if value.ndim == 1 else [_plain(part) for part in value]
    return value


def _refused(data: bytes) -> Any:
    raise TableUnreadable(
        "The archive has members of a kind that this hub does not decode (npz, msgpack, cbor, pth, ten)."
    )


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("txt", "text", "transcript"), lambda data: data.decode("utf-8")),
    **dict.fromkeys(("cls", "cls2", "index", "inx", "id"), int),
    **dict.fromkeys(("json", "jsn"), json.loads),
    "npy": _array,
    **dict.fromkeys(("npz", "ten", "tb", "mp", "msg", "cbor", "pth"), _refused),
}


def read(given: Given) -> Stream:
    """Read tars; the features are those of the first rows of the first one."""
    if not given.sources:
        return Stream(iter(()))
    features = given.features
    if features is None:
        features = _inferred(list(islice(_rows(given, given.sources[0]), _INFERRED_ROWS)))
    return Stream(_tables(given, features), features)


def _tables(given: Given, features: Mapping[str, Any]) -> Iterator[pa.Table]:
    schema = arrow_schema(features)
    media = [
        name
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") in MEDIA
    ]
    most_bytes = min(_BYTES_AT_ONCE, max(given.chunk_bytes, 1 << 20) * 4)
    rows: list[Row] = []
    size = 0
    for source in given.sources:
        for row in _rows(given, source):
            for name in media:
                if isinstance(row.get(name), bytes):
                    size += len(row[name])
                    row[name] = {"path": f"{row['__key__']}.{name}", "bytes": row[name]}
            rows.append(row)
            if len(rows) >= _ROWS_AT_ONCE or size >= most_bytes:
                yield _table(rows, schema)
                rows, size = [], 0
    if rows:
        yield _table(rows, schema)


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [_fitting(row.get(field.name), field.type) for row in rows]
        try:
            columns.append(pa.array(values, field.type))
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise TableCastFailed(
                f"The field {field.name[:100]!r} has values that do not fit the type of the first rows: {str(error)[:200]}"
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def _fitting(value: Any, wanted: pa.DataType) -> Any:
    """Return a value without the fields that the first rows do not have."""
    if isinstance(value, dict) and pa.types.is_struct(wanted):
        return {field.name: _fitting(value.get(field.name), field.type) for field in wanted}
    if isinstance(value, list) and pa.types.is_list(wanted) and pa.types.is_nested(wanted.value_type):
        return [_fitting(item, wanted.value_type) for item in value]
    return value


def _rows(given: Given, source: Source) -> Iterator[Row]:
    """Yield the rows of one tar."""
    row: Row = {}
    with _opened(given, source) as file:
        for archive, name, member in unpacking.walk_tar(file, given.check):
            if name.rpartition("/")[2].startswith((".", "__")):
                continue
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            key, field = found.groups()
            if row and row["__key__"] != key:
                yield _finished(row)
                row = {}
            if field in row:
                raise TableUnreadable(
                    f"The tar has two members for the field {field[:60]!r} of {key[:100]!r}."
                )
            row["__key__"] = key
            row["__url__"] = given.prefix + source.name
            data = archive.extractfile(member)
            row[field] = b"" if data is None else _decoded(name, field, data, member.size)
    if row:
        yield _finished(row)


def _finished(row: Row) -> Row:
    for name in ("__key__", "__url__"):
        row[name] = row.pop(name)
    return row


def _decoded(
    name: str, field: str, file: Any, size: int
) -> Any:  # Any: a tarfile's stream; a decoder's value
    if size > MAX_MEMBER_BYTES:
        raise TableTooLarge(
            f"A member of a tar may have {MAX_MEMBER_BYTES >> 20} MiB to be read on this hub."
        )
    data: bytes = file.read()
    unpack = _UNPACKERS.get(name.rpartition(".")[2].lower())
    kind = field.rpartition(".")[2].lower()
    if unpack is not None:
        with unpack(io.BytesIO(data)) as stream:
            data = stream.read(MAX_MEMBER_BYTES + 1)
        if len(data) > MAX_MEMBER_BYTES:
            raise TableTooLarge("A compressed member of a tar unpacks to too many bytes.")
        kind = name.rpartition(".")[0].rpartition(".")[2].lower()
    decode = _DECODERS.get(kind)
    if decode is None:
        return data
    try:
        return decode(data)
    except ValueError as error:
        raise TableUnreadable(f"The member {name[:100]!r} cannot be decoded: {str(error)[:200]}") from error


_UNPACKERS: Mapping[str, Callable[[Any], Any]] = {
    ending: unpacking.stream_of(ending) for ending in ("gz", "bz2", "xz", "zst", "lz4")
}


def _opened(given: Given, source: Source) -> BinaryIO:
    return unpacking.opened_plain(source, given.check, given.progress)


def _inferred(rows: list[Row]) -> dict[str, Any]:
    """Return the features that the first rows have. **Source**: ``webdataset.py::_split_generators``."""
    if not rows:
        raise TableUnreadable("The tar has no members that could be rows: names with an ending are needed.")
    if any(row.keys() != rows[0].keys() for row in rows):
        raise TableUnreadable(
            "The tar is not in the WebDataset form: its first rows have different fields. Members of one row share "
            "their name up to the first dot, and lie next to each other."
        )
    tables = [pa.Table.from_pylist([row]) for row in rows]
    features = features_of(pa.concat_tables(tables, promote_options="default").schema)
    for name in rows[0]:
        ending = name.rpartition(".")[2].lower()
        if ending in _IMAGES:
            features[name] = {"_type": "Image"}
        if ending in _SOUNDS:
            features[name] = {"_type": "Audio"}
        if ending in _VIDEOS:
            features[name] = {"_type": "Video"}
        if ending in _MESHES:
            features[name] = {"_type": "Mesh"}
    return features

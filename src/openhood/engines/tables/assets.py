"""The bytes of one cell that holds a file, as they are or as a small picture.

Pictures of strangers are decoded here and nowhere else: with a limit on their pixels, and as pictures only.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import PIL.Image
import PIL.ImageOps
import pyarrow as pa

from openhood.base.errors import AssetNotFound, TableTooLarge, TableUnreadable
from openhood.engines import media
from openhood.engines.tables.cells import file_name
from openhood.engines.tables.columns import Ends, ends_of
from openhood.engines.tables.features import Feature, kind_of
from openhood.engines.tables.heads import read_head
from openhood.engines.tables.pages import Part, read_parts
from openhood.engines.tables.task import Reply, Source, Task
from openhood.engines.tables.truncating import MAX_ROWS

MAX_PIXELS = 100_000_000
"""A picture of more is no thumbnail: ten thousand by ten thousand are 300 MB in memory."""
MAX_ASSET_BYTES = 512 * 1024**2
INLINE_BYTES = 1024**2
"""Larger files do not pass through the memory of whoever asks: they are written where it says."""
_KEPT_BYTES = 96 * 1024**2
_KEPT_GROUP_BYTES = 48 * 1024**2
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "ICO", "TGA")
_QUALITY = 80

PIL.Image.MAX_IMAGE_PIXELS = MAX_PIXELS
PIL.Image.init()


def asset(task: Task) -> Reply:
    """Return the bytes that a cell holds; large ones as the file ``body`` in ``task.out``.

    Params: ``column``, ``path`` (inside the cell: keys and numbers as text), and where the row is: ``start`` in source
    0, a Parquet file, with the ``features`` of the split; or ``table`` as the operation ``head`` has it, and ``row``.
    Facts: type, name (or null); or ``file``, the path of a file of the repository that the cell names instead; or
    ``is_large``, where there is no ``task.out`` and one is needed. Raises: AssetNotFound, TableTooLarge.
    """
    data, name, kind = _cell(task)
    if data is None:
        return Reply({"file": name})
    if task.out is None and len(data) > INLINE_BYTES:
        return Reply({"is_large": True})
    head = data[: media.HEAD_BYTES]
    kept_as = media.audio_type(name, head) if kind == "Audio" else media.type_of(head, name)
    if task.out is None:
        return Reply({"type": kept_as, "name": name}, data)
    (task.out / "body").write_bytes(data)
    return Reply({"type": kept_as, "name": name})


def thumbnail(task: Task) -> Reply:
    """Return a cell's picture no larger than ``size`` pixels each way. Params as of `asset`. Facts: type, or file."""
    data, name, _kind = _cell(task)
    if data is None:
        return Reply({"file": name})
    made, kept_as = _small(io.BytesIO(data), int(task.params["size"]))
    return Reply({"type": kept_as}, made)


def file_thumbnail(task: Task) -> Reply:
    """Return the picture in source 0 no larger than ``size`` pixels each way. Facts: type."""
    with task.sources[0].open() as file:
        made, kept_as = _small(file, int(task.params["size"]))
    return Reply({"type": kept_as}, made)


def _small(file: Any, size: int) -> tuple[bytes, str]:  # Any: a file object of bytes
    try:
        with PIL.Image.open(file, formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise TableTooLarge(
                    f"A picture of {picture.width} by {picture.height} pixels is too large for this."
                )
            picture.draft("RGB", (size * 2, size * 2))
            turned = PIL.ImageOps.exif_transpose(picture)
            turned.thumbnail((size, size))
            has_alpha = turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info
            out = io.BytesIO()
            if has_alpha:
                turned.convert("RGBA").save(out, "PNG")
                return out.getvalue(), "image/png"
            turned.convert("RGB").save(out, "JPEG", quality=_QUALITY)
            return out.getvalue(), "image/jpeg"
    except PIL.Image.DecompressionBombError:
        raise TableTooLarge(f"A picture of more than {MAX_PIXELS} pixels is too large for this.") from None
    except (OSError, ValueError, SyntaxError, PIL.UnidentifiedImageError) as error:
        raise TableUnreadable(f"This is no picture that can be read: {str(error)[:200]}") from None


def _cell(task: Task) -> tuple[bytes | None, str | None, str | None]:
    """Return bytes, name and kind of feature of a cell; no bytes where the name is that of a file."""
    asked = task.params
    column: str = asked["column"]
    if "table" in asked:
        table = asked["table"]
        given = table.get("options") or {}, table.get("features"), task.sources, MAX_ROWS, task
        found = read_head(table["format"], *given)
        if asked["row"] >= len(found.table) or column not in found.features:
            raise AssetNotFound
        value = _value(found.table.column(column), asked["row"], found.features[column])
        return _file_in(value, found.features[column], asked["path"])
    source = task.sources[0]
    ends = ends_of(source)
    features = asked["features"]
    if column not in features or column not in ends.leaves:
        raise AssetNotFound
    kept, at = _column(task, source, ends, column, features[column], asked["start"])
    return _file_in(_value(kept, at, features[column]), features[column], asked["path"])


def _column(
    task: Task, source: Source, ends: Ends, column: str, feature: Feature, start: int
) -> tuple[pa.ChunkedArray, int]:
    """Return a column of the row group that has a row, and where in it the row is; the row alone of large ones.

    Whoever looks at one picture looks at its neighbours, and decoding is by the page.
    """
    first = 0
    for group in range(ends.footer.num_row_groups):
        described = ends.footer.row_group(group)
        if start < first + described.num_rows:
            break
        first += described.num_rows
    else:
        raise AssetNotFound
    key = (source.key, group, column)
    size = sum(described.column(leaf).total_uncompressed_size for leaf in ends.leaves[column])
    if size > _KEPT_GROUP_BYTES:
        return _read(task, source, column, feature, start, 1), 0
    known = _kept.pop(key, None)
    if known is None:
        known = _read(task, source, column, feature, first, described.num_rows)
    _kept[key] = known
    held = sum(each.nbytes for each in _kept.values())
    while len(_kept) > 1 and held > _KEPT_BYTES:
        held -= _kept.popitem(last=False)[1].nbytes
    return known, start - first


def _read(
    task: Task, source: Source, column: str, feature: Feature, start: int, count: int
) -> pa.ChunkedArray:
    # Media that are named by a feature are left out where they are many; what is asked for here is the media.
    plain = {column: None if count == 1 else feature}
    return read_parts(task, [Part(source, start, count)], plain).column(0)


def _value(column: pa.ChunkedArray, row: int, feature: Feature) -> Any:
    scalar = column[row]
    if isinstance(scalar, pa.ExtensionScalar):
        scalar = scalar.value
    return scalar.as_py() if scalar is not None and scalar.is_valid else None


def _file_in(
    value: Any, feature: Feature, path: Sequence[str]
) -> tuple[bytes | None, str | None, str | None]:
    for part in path:
        value, feature = _step(value, feature, part)
    kind = kind_of(feature) if feature is not None else None
    name: Any = None
    if isinstance(value, dict) and ("bytes" in value or "path" in value):
        value, name = value.get("bytes"), value.get("path")
    elif isinstance(value, str) and kind in ("Image", "Audio", "Video", "Pdf"):
        value, name = None, value
    name = name if isinstance(name, str) else None
    if isinstance(value, bytes):
        if len(value) > MAX_ASSET_BYTES:
            raise TableTooLarge("The file in this cell is too large to be sent.")
        return value, name, kind
    file = file_name(name)
    if value is not None or file is None:
        raise AssetNotFound
    return None, file, kind


def _step(value: Any, feature: Feature, part: str) -> tuple[Any, Feature]:
    """Return what is inside a value, and its feature."""
    if isinstance(value, dict) and part in value:
        inner = feature.get(part) if isinstance(feature, dict) and "_type" not in feature else None
        return value[part], inner
    if isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
        return value[int(part)], feature.get("feature") if isinstance(feature, dict) else None
    raise AssetNotFound


_kept: OrderedDict[tuple[str, int, str], pa.ChunkedArray] = OrderedDict()

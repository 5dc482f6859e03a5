"""Files that were made to harm whoever reads them; each is small where it lies, whatever it claims or unpacks to.

Every function returns the bytes of one file. Parquet files are written well first, and then changed where it hurts.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.engines.tables import thrift
from viewer import samples

GIB = 1024**3
_BLOCK = 64 * 1024**2
EVIL_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)" width="9" height="9">'
    b'<script>fetch("/api/whoami-v2")</script><image href="file:///etc/passwd"/></svg>'
)
EVIL_HTML = b"<!doctype html><html><script>fetch('/api/whoami-v2')</script><h1>hello</h1></html>"

# --- Parquet --------------------------------------------------------------------------------


def edited(data: bytes, change: Callable[[Any], None]) -> bytes:
    """Return a Parquet file whose footer was changed by a function of its parsed form."""
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = thrift.Reader(data[-8 - size : -8]).struct()
    change(footer)
    written = thrift.write_struct(footer)
    return data[: -8 - size] + written + struct.pack("<I", len(written)) + b"PAR1"


def groups_of(footer: Any) -> list[Any]:
    """Return the row groups of a parsed footer."""
    found: list[Any] = footer[4][1][1]
    return found


def chunks_of(footer: Any) -> list[Any]:
    """Return the parts of a parsed footer that say where columns are."""
    return [column[3][1] for group in groups_of(footer) for column in group[1][1][1]]


def schema_of(footer: Any) -> list[Any]:
    """Return the elements of the schema of a parsed footer, the root first."""
    found: list[Any] = footer[2][1][1]
    return found


def _of_chunks(number: int, value: int, kind: int = thrift.I64) -> Callable[[Any], None]:
    def change(footer: Any) -> None:
        for chunk in chunks_of(footer):
            chunk[number] = (kind, value)

    return change


def _of_groups(number: int, value: int) -> Callable[[Any], None]:
    def change(footer: Any) -> None:
        for group in groups_of(footer):
            group[number] = (thrift.I64, value)

    return change


def _rows(footer: Any) -> None:
    footer[3] = (thrift.I64, 2**40)
    _of_groups(3, 2**40)(footer)


def _children(at: int, count: int) -> Callable[[Any], None]:
    def change(footer: Any) -> None:
        schema_of(footer)[at][5] = (thrift.I32, count)

    return change


def _no_columns(footer: Any) -> None:
    for group in groups_of(footer):
        del group[1][1][1][1:]


LIES: Mapping[str, Callable[[Any], None]] = {
    "rows": _rows,
    "rows of the file only": lambda footer: footer.__setitem__(3, (thrift.I64, 2**62)),
    "negative rows": _of_groups(3, -5),
    "negative rows of the file": lambda footer: footer.__setitem__(3, (thrift.I64, -1)),
    "pages beyond the end": _of_chunks(9, 2**50),
    "pages before the start": _of_chunks(9, -(2**40)),
    "dictionaries beyond the end": _of_chunks(11, 2**50),
    "sizes": _of_chunks(7, 2**62),
    "negative sizes": _of_chunks(7, -(2**40)),
    "unpacked sizes": _of_chunks(6, 2**62),
    "values": _of_chunks(5, 2**62),
    "negative values": _of_chunks(5, -7),
    "codec": _of_chunks(4, 99, thrift.I32),
    "another codec": _of_chunks(4, 6, thrift.I32),
    "bytes of groups": _of_groups(2, -(2**50)),
    "children of the root": _children(0, 2**30),
    "negative children": _children(0, -3),
    "children of a column": _children(1, 2**31 - 1),
    "few columns": _no_columns,
    "no groups": lambda footer: groups_of(footer).clear(),
    "no schema": lambda footer: schema_of(footer).clear(),
}
"""Changes of a good footer, by what they lie about."""


def lying(change: Callable[[Any], None]) -> bytes:
    """Return a table of a thousand rows with a footer that lies."""
    return edited(samples.parquet(samples.table(1000)), change)


def giant_page(values: int, *, claimed: int | None = None) -> bytes:
    """Return one column of one page with so many zeros, packed to almost nothing; ``claimed``: bytes it says it has."""
    plain = pa.table({"x": pa.array([0], pa.int64())})
    data = samples.parquet(
        plain, index=False, use_dictionary=False, compression="zstd", write_statistics=False
    )
    sink = pa.BufferOutputStream()
    zeros = bytes(_BLOCK)
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        for _block in range(values * 8 // _BLOCK):
            packed.write(zeros)
    body = sink.getvalue().to_pybytes()
    size = values * 8 if claimed is None else claimed
    header = thrift.write_struct(
        {
            1: (thrift.I32, 0),
            2: (thrift.I32, size),
            3: (thrift.I32, len(body)),
            5: (thrift.STRUCT, {i: (thrift.I32, v) for i, v in ((1, values), (2, 0), (3, 3), (4, 3))}),
        }
    )

    def change(footer: Any) -> None:
        footer[3] = (thrift.I64, values)
        _of_groups(3, values)(footer)
        _of_chunks(5, values)(footer)
        _of_chunks(6, size)(footer)
        _of_chunks(7, len(header) + len(body))(footer)
        _of_chunks(9, 4)(footer)
        schema_of(footer)[1][3] = (thrift.I32, 0)  # required: there are no levels

    size_of_footer = struct.unpack("<I", data[-8:-4])[0]
    return edited(b"PAR1" + header + body + data[-8 - size_of_footer :], change)


def deep_lists(levels: int) -> bytes:
    """Return a list of lists of lists…"""
    kind, inner = pa.int8(), 7
    for _level in range(levels):
        kind, inner = pa.list_(kind), [inner]
    return samples.parquet(pa.table({"x": pa.array([inner], kind)}))


def deep_structs(levels: int) -> bytes:
    """Return an object in an object in an object…"""
    kind, inner = pa.int8(), 7
    for _level in range(levels):
        kind, inner = pa.struct([("a", kind)]), {"a": inner}
    return samples.parquet(pa.table({"x": pa.array([inner], kind)}))


def said_features(text: str) -> bytes:
    """Return a table whose metadata says something of its features."""
    made = pa.table({"x": [1, 2]}).replace_schema_metadata({"huggingface": text})
    return samples.parquet(made)


def broken_arrow_schema() -> bytes:
    """Return a table whose Arrow schema is no schema: a flat buffer with offsets to nowhere."""
    data = samples.parquet(samples.table(20))

    def change(footer: Any) -> None:
        for pair in footer[5][1][1]:
            if pair[1][1] == b"ARROW:schema":
                raw = bytearray(base64.b64decode(pair[2][1]))
                raw[8:40] = b"\xff\xff\xff\x7f" * 8
                pair[2] = (pair[2][0], base64.b64encode(bytes(raw)))

    return edited(data, change)


# --- what unpacks to more than there is -----------------------------------------------------


def gzip_bomb(size: int, *, of: bytes = b"0") -> bytes:
    """Return gzip that unpacks to so many bytes."""
    member = gzip.compress(of * (_BLOCK // len(of)), 9)
    return member * (size // _BLOCK)


def bz2_bomb(size: int, *, of: bytes = b"0") -> bytes:
    """Return bzip2 that unpacks to so many bytes."""
    return bz2.compress(of * (_BLOCK // len(of)), 9) * (size // _BLOCK)


def zstd_bomb(size: int, *, of: bytes = b"0") -> bytes:
    """Return zstd that unpacks to so many bytes."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        block = of * (_BLOCK // len(of))
        for _block in range(size // _BLOCK):
            packed.write(block)
    return sink.getvalue().to_pybytes()


def zip_bomb(size: int, members: int, *, name: str = "%d.csv", of: bytes = b"0") -> bytes:
    """Return a zip of which each member unpacks to so many bytes: all are the same bytes of the archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open(name % 0, "w", force_zip64=True) as member:
            for _block in range(size // _BLOCK):
                member.write(of * (_BLOCK // len(of)))
        first = archive.infolist()[0]
        for number in range(1, members):
            twin = zipfile.ZipInfo(name % number)
            for field in ("header_offset", "compress_type", "CRC", "compress_size", "file_size", "flag_bits"):
                setattr(twin, field, getattr(first, field))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
    return out.getvalue()


# --- archives that lead elsewhere -----------------------------------------------------------


def tar_of(members: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w") -> bytes:
    """Return a tar of files and of whatever else is described."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, given in members.items():
            if isinstance(given, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(given)
                archive.addfile(info, io.BytesIO(given))
            else:
                archive.addfile(given)
    return out.getvalue()


def zip_of(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a zip of the same: links are files there, whose content says where they lead."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, given in members.items():
            info = zipfile.ZipInfo(name)
            if isinstance(given, bytes):
                archive.writestr(info, given)
            else:
                info.external_attr = 0o120777 << 16
                archive.writestr(info, given.linkname)
    return out.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """Return a member that is a link, or whatever ``kind`` says."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def leading_out(inner: bytes) -> dict[str, bytes | tarfile.TarInfo]:
    """Return members that are or lead to files outside of the archive, and one honest one."""
    return {
        "sym.txt": link("sym.txt", "/etc/passwd"),
        "hard.txt": link("hard.txt", "../../etc/passwd", tarfile.LNKTYPE),
        "device.txt": link("device.txt", "", tarfile.CHRTYPE),
        "pipe.txt": link("pipe.txt", "", tarfile.FIFOTYPE),
        "folder": link("folder", "/etc"),
        "folder/passwd.txt": inner,
        "../up.txt": inner,
        "a/../../up.txt": inner,
        "/etc/abs.txt": inner,
        "ok.txt": inner,
    }


def tar_of_size(size: int) -> bytes:
    """Return a tar whose member says that it has so many bytes."""
    info = tarfile.TarInfo("a.txt")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + b"only this" + bytes(2000)


def tar_of_long_headers(size: int) -> bytes:
    """Return a packed tar with a header of extensions that has so many bytes."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT)) + gzip_bomb(size)


# --- pictures -------------------------------------------------------------------------------


def png_of(width: int, height: int, *, rows: int = 0) -> bytes:
    """Return a picture that says it has this size, with so many rows of zeros in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(bytes((1 + 3 * width) * rows), 9))
        + chunk(b"IEND", b"")
    )


def png_of_text(size: int) -> bytes:
    """Return a small picture with a packed comment of so many bytes."""
    plain = samples.png(4, 4)
    data = b"Comment\0\0" + zlib.compress(bytes(size), 9)
    comment = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return plain[:33] + comment + plain[33:]


def gif_of(width: int, height: int) -> bytes:
    """Return an animation whose frames say that they are of this size."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + frame * 50 + b"\x3b"


def pictures(files: list[bytes], names: list[str]) -> bytes:
    """Return a table of pictures, as the cells of a column."""
    made = pa.table({"image": samples.media(files, names=names)})
    out = io.BytesIO()
    pq.write_table(samples.with_features(made, {"image": {"_type": "Image"}}), out)
    return out.getvalue()


def films(files: list[bytes]) -> bytes:
    """Return a table of films, as the cells of a column, packed."""
    made = pa.table({"video": samples.media(files, names=["film.mp4"] * len(files))})
    out = io.BytesIO()
    pq.write_table(samples.with_features(made, {"video": {"_type": "Video"}}), out, compression="zstd")
    return out.getvalue()


# --- text -----------------------------------------------------------------------------------


def wide_csv(columns: int) -> bytes:
    """Return two lines of so many columns."""
    return (",".join(f"c{n}" for n in range(columns)) + "\n" + "1," * (columns - 1) + "1\n").encode()


def deep_json(levels: int, *, array: bool) -> bytes:
    """Return one line whose value is nested so deep."""
    inner = "[" * levels + "]" * levels if array else '{"a":' * levels + "1" + "}" * levels
    return f'{{"x":{inner}}}\n'.encode() * 3


def many_keys(count: int) -> bytes:
    """Return lines of objects none of which has a key of another."""
    return b"".join(json.dumps({f"k{n}": n}).encode() + b"\n" for n in range(count))


def long_texts(rows: int, size: int) -> bytes:
    """Return a table of texts of so many characters, packed."""
    return samples.parquet(pa.table({"text": ["a" * size] * rows}), compression="zstd")

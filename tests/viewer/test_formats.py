"""CSV, JSON, text, Arrow, XML and CoNLL become the rows and types that ``datasets`` gives, packed or not.

What is expected was seen with ``datasets`` 5.2; a test with the real client compares again.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import (
    FormatNotSupported,
    HubError,
    TableCastFailed,
    TableTimeout,
    TableTooLarge,
    TableUnreadable,
    TooManyColumns,
)
from openhood.engines.tables.process import perform
from openhood.engines.tables.readers import unpacking
from openhood.engines.tables.task import Task
from viewer.reading import Files, listed, value


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# --- CSV ------------------------------------------------------------------------------------


def test_csv_types_are_those_of_pandas(files: Files) -> None:
    files.add("a.csv", "a,b,c,d,e,f\n1,x,True,,1.5,007\n2,,False,,NA,x\n,z,,,3,\n")
    table, facts = files.convert("csv", ["a.csv"])
    text = facts["features"]["b"]
    assert text in (value("large_string"), value("string"))
    assert facts["features"] == {
        "a": value("float64"), "b": text, "c": value("bool"), "d": value("float64"), "e": value("float64"), "f": text,
    }  # fmt: skip
    assert table.to_pydict() == {
        "a": [1.0, 2.0, None], "b": ["x", None, "z"], "c": [True, False, None], "d": [None, None, None],
        "e": [1.5, None, 3.0], "f": ["007", "x", None],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("a\tb\n1\t2\n", {"sep": "\t"}, [{"a": 1, "b": 2}]),
        ("a;b\n1;2,5\n", {"delimiter": ";", "decimal": ","}, [{"a": 1, "b": 2.5}]),
        ("1,2\n3,4\n", {"names": ["x", "y"]}, [{"x": 1, "y": 2}, {"x": 3, "y": 4}]),
        ("1,2\n", {"header": None, "column_names": ["x", "y"]}, [{"x": 1, "y": 2}]),
        ("# note\na,b\n1,2\n", {"skiprows": 1}, [{"a": 1, "b": 2}]),
        ("# note\na,b\n1,2\n", {"comment": "#"}, [{"a": 1, "b": 2}]),
        ("a,b\n'1,5',2\n", {"quotechar": "'"}, [{"a": "1,5", "b": 2}]),
        ('a,b\n1,"two\nlines"\n', {}, [{"a": 1, "b": "two\nlines"}]),
        ("a,b\n-,1\n", {"na_values": ["-"]}, [{"a": None, "b": 1}]),
        ("a,b\nNA,1\n", {"keep_default_na": False}, [{"a": "NA", "b": 1}]),
        ("a,b\n1,2\n3,4\n5,6\n", {"nrows": 2}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ("a,b,c\n1,2,3\n", {"usecols": ["c", "a"]}, [{"a": 1, "c": 3}]),
        ("a,b\n1,2\n1,2,3\n", {"on_bad_lines": "skip"}, [{"a": 1, "b": 2}]),
        ("\ufeffa,b\n1,2\n", {}, [{"a": 1, "b": 2}]),
        (",b\n0,x\n", {}, [{"Unnamed: 0": 0, "b": "x"}]),
        ("a,a\n1,2\n", {}, [{"a": 1, "a.1": 2}]),
        ("a\r1\r2\r", {}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_csv_options_of_the_card(files: Files, text: str, options: dict[str, Any], rows: list[Any]) -> None:
    files.add("a.csv", text)
    assert files.rows("csv", ["a.csv"], options=options) == rows
    head = files.head("csv", ["a.csv"], options=options)
    assert head.table.to_pylist() == rows
    assert head.is_all


def test_csv_in_another_encoding(files: Files) -> None:
    files.add("a.csv", "ä,b\nü,2\n".encode("latin-1"))
    assert files.rows("csv", ["a.csv"], options={"encoding": "latin-1"}) == [{"ä": "ü", "b": 2}]
    with pytest.raises(HubError, match="utf-8"):
        _performed(files, "csv", ["a.csv"])


def test_features_of_the_card_win(files: Files) -> None:
    files.add("a.csv", "a,b,c\n1,2,cat\n3,,dog\n")
    features = {
        "a": value("string"), "b": value("float32"), "c": {"names": ["dog", "cat"], "_type": "ClassLabel"},
    }  # fmt: skip
    table, facts = files.convert("csv", ["a.csv"], features=features)
    assert table.to_pylist() == [{"a": "1", "b": 2.0, "c": 1}, {"a": "3", "b": None, "c": 0}]
    assert facts["features"] == features
    assert [str(field.type) for field in table.schema] == ["string", "float", "int64"]


def test_columns_that_the_card_does_not_declare_are_left_out(files: Files) -> None:
    files.add("a.csv", "a,b\n1,2\n")
    assert files.rows("csv", ["a.csv"], features={"b": value("string")}) == [{"b": "2"}]


def test_files_that_differ_say_where(files: Files) -> None:
    files.add("a.csv", "a\n" + "1\n" * 10_000 + "1.5\n")
    with pytest.raises(TableCastFailed, match=r"column 'a'.*truncated"):
        files.rows("csv", ["a.csv"])
    files.add("b.csv", "a\n1\n")
    files.add("c.csv", "a,extra\n1,2\n")
    with pytest.raises(TableCastFailed, match="'extra'"):
        files.rows("csv", ["b.csv", "c.csv"])


def test_columns_that_a_later_file_lacks_are_null(files: Files) -> None:
    files.add("a.csv", "a,b\n1,2\n")
    files.add("b.csv", "a\n3\n")
    assert files.rows("csv", ["a.csv", "b.csv"]) == [{"a": 1, "b": 2}, {"a": 3, "b": None}]


def test_an_empty_csv_has_columns_and_no_rows(files: Files) -> None:
    files.add("a.csv", "a,b\n")
    table, facts = files.convert("csv", ["a.csv"])
    assert (table.column_names, facts["rows"], len(facts["files"])) == (["a", "b"], 0, 1)
    files.add("b.csv", "")
    assert files.head("csv", ["b.csv"]).is_all


# --- JSON -----------------------------------------------------------------------------------


def _lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("text", "options", "features", "rows"),
    [
        (
            _lines({"a": 1, "b": "x", "c": None, "d": {"p": 1}}, {"a": 2.5, "b": "2024-01-01", "c": None, "d": {"p": None}}),
            {},
            {"a": value("float64"), "b": value("string"), "c": value("null"), "d": {"p": value("int64")}},
            [{"a": 1.0, "b": "x", "c": None, "d": {"p": 1}}, {"a": 2.5, "b": "2024-01-01", "c": None, "d": {"p": None}}],
        ),
        (
            _lines({"a": 1, "t": "2024-01-01 10:00:00"}, {"a": "x", "t": "2024-01-01 10:00:01"}),
            {},
            {"a": {"_type": "Json"}, "t": value("timestamp[s]")},
            [{"a": "1", "t": datetime(2024, 1, 1, 10)}, {"a": '"x"', "t": datetime(2024, 1, 1, 10, 0, 1)}],
        ),
        # pandas writes ten digits, and an array goes through it.
        (
            '[{"a":1,"f":0.123456789012345},{"a":2,"b":[1,2]}]',
            {},
            {"a": value("int64"), "f": value("float64"), "b": listed(value("int64"))},
            [{"a": 1, "f": 0.123456789, "b": None}, {"a": 2, "f": None, "b": [1, 2]}],
        ),
        (
            '{"data":[{"a":1,"b":"x"},{"a":2,"b":"y"}],"v":1}',
            {"field": "data"},
            {"a": value("int64"), "b": value("string")},
            [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        ),
        ('{\n"a":[1,2],\n"b":["x","y"]\n}', {}, {"a": listed(value("int64")), "b": listed(value("string"))},
         [{"a": [1, 2], "b": ["x", "y"]}]),
        ('["x","y"]', {}, {"text": value("string")}, [{"text": "x"}, {"text": "y"}]),
        (
            _lines({"m": [{"role": "u", "content": "x"}, {"role": "a", "content": [{"t": 1}]}]}, {"m": []}),
            {},
            {"m": listed({"role": value("string"), "content": {"_type": "Json"}})},
            [{"m": [{"role": "u", "content": '"x"'}, {"role": "a", "content": '[{"t":1}]'}]}, {"m": []}],
        ),
        (_lines({"d": {"a": 1}}, {"d": {"b": 2}}), {}, {"d": {"_type": "Json"}}, [{"d": '{"a":1}'}, {"d": '{"b":2}'}]),
        ("\ufeff" + _lines({"a": 1}), {}, {"a": value("int64")}, [{"a": 1}]),
        (_lines({"a": 1}).rstrip(), {}, {"a": value("int64")}, [{"a": 1}]),
    ],
    ids=["types", "mixed", "array", "field", "document", "texts", "chat", "structs", "bom", "no newline"],
)  # fmt: skip
def test_json(
    files: Files, text: str, options: dict[str, Any], features: dict[str, Any], rows: list[Any]
) -> None:
    files.add("a.jsonl", text)
    table, facts = files.convert("json", ["a.jsonl"], options=options)
    assert facts["features"] == features
    assert table.to_pylist() == rows
    head = files.head("json", ["a.jsonl"], options=options)
    assert (head.features, head.table.to_pylist(), head.is_all) == (features, rows, True)


def test_json_columns_are_known_as_such_in_parquet(files: Files) -> None:
    files.add("a.jsonl", _lines({"d": {"a": 1}}, {"d": {"b": 2}}))
    table, _facts = files.convert("json", ["a.jsonl"])
    assert isinstance(table.schema.field("d").type, pa.JsonType)
    said = json.loads(table.schema.metadata[b"huggingface"])
    assert said["info"]["features"] == {"d": {"_type": "Json"}}


def test_another_split_says_the_features(files: Files) -> None:
    files.add("test.jsonl", _lines({"a": 2}, {"a": 3}))
    table, _facts = files.convert(
        "json", ["test.jsonl"], features={"a": value("float64"), "b": value("string")}
    )
    assert table.to_pylist() == [{"a": 2.0, "b": None}, {"a": 3.0, "b": None}]


def test_many_chunks_of_json(files: Files) -> None:
    text = _lines(*({"id": n, "text": "word " * 200} for n in range(25_000)))
    files.add("a.jsonl", text)
    table, facts = files.convert("json", ["a.jsonl"])
    assert table["id"].to_pylist() == list(range(25_000))
    assert len(text) > 20 << 20
    assert facts["partial"] is False


# --- text, XML, CoNLL, Arrow ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "texts"),
    [("line", ["a", "", "b", "c", "d"]), ("paragraph", ["a", "b\nc\nd"]), ("document", ["a\n\nb\nc\nd"])],
)
def test_text(files: Files, how: str, texts: list[str]) -> None:
    files.add("a.txt", "a\n\nb\r\nc\rd")
    assert [row["text"] for row in files.rows("text", ["a.txt"], options={"sample_by": how})] == texts


def test_text_that_keeps_its_line_ends(files: Files) -> None:
    files.add("a.txt", "a\nb\n")
    assert files.rows("text", ["a.txt"], options={"keep_linebreaks": True}) == [
        {"text": "a\n"},
        {"text": "b\n"},
    ]
    with pytest.raises(TableUnreadable, match="sample_by"):
        files.rows("text", ["a.txt"], options={"sample_by": "word"})


def test_xml_is_a_row_a_file(files: Files) -> None:
    names = [files.add("a.xml", "<a>\n<b/></a>"), files.add("b.xml", "<c/>")]
    assert files.rows("xml", names) == [{"xml": "<a>\n<b/></a>"}, {"xml": "<c/>"}]


def test_conll_is_a_row_a_sentence(files: Files) -> None:
    files.add("a.conll", "-DOCSTART- x\n\nEU NNP extra\nre VB\n\n# no\nP")
    rows = files.rows(
        "conll", ["a.conll"], options={"column_names": ["tokens", "pos"], "comment_prefix": "#"}
    )
    assert rows == [{"tokens": ["EU", "re"], "pos": ["NNP", "VB"]}, {"tokens": ["P"], "pos": [""]}]


def _arrow(table: pa.Table, *, is_stream: bool) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if is_stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("is_stream", [True, False])
def test_arrow(files: Files, is_stream: bool) -> None:
    table = pa.table(
        {
            "a": [1, 2, None],
            "s": pa.array(["x", "y", "x"]).dictionary_encode(),
            "l": [[1], None, []],
            "d": pa.array([None, 1, 2], pa.decimal128(9, 2)),
            "f": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
        }
    )
    files.add("a.arrow", _arrow(table, is_stream=is_stream))
    got, facts = files.convert("arrow", ["a.arrow"])
    assert got.to_pylist() == table.to_pylist()
    assert facts["features"]["f"] == {"feature": value("int8"), "length": 2, "_type": "List"}
    assert facts["features"]["s"] == value("string")


# --- packed ---------------------------------------------------------------------------------

CSV = b"a,b\n" + b"".join(b"%d,t%d\n" % (n, n) for n in range(500))


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lz4.frame.compress,
        lambda data: pa.compress(data, "zstd", asbytes=True),
    ],
    ids=["gz", "bz2", "xz", "lz4", "zst"],
)
def test_compressed_files_whatever_their_name(files: Files, pack: Any) -> None:
    files.add("a.csv", pack(CSV))
    table, _facts = files.convert("csv", ["a.csv"])
    assert table["a"].to_pylist() == list(range(500))
    assert len(files.head("csv", ["a.csv"], rows=10).table) == 10


def _zip(members: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return made.getvalue()


def _tar(members: dict[str, str | tarfile.TarInfo], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, text in members.items():
            if isinstance(text, tarfile.TarInfo):
                archive.addfile(text)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


MEMBERS = {
    "z/b.csv": "a\n1\n",
    "c.csv": "a\n2\n",
    "a/x.csv": "a\n3\n",
    ".hidden.csv": "a\n4\n",
    "__MACOSX/c.csv": "a\n5\n",
}


@pytest.mark.parametrize("made", [_zip(MEMBERS), _tar(MEMBERS), _tar(MEMBERS, "w:gz"), _tar(MEMBERS, "w:xz")])
def test_archives_are_walked_as_the_library_does(files: Files, made: bytes) -> None:
    files.add("data.csv.archive", made)
    assert [row["a"] for row in files.rows("csv", ["data.csv.archive"])] == [2, 3, 1]


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_links_and_names_that_lead_out_are_passed_over(files: Files) -> None:
    members: dict[str, Any] = {
        "sym.csv": _link("sym.csv", "/etc/passwd", tarfile.SYMTYPE),
        "hard.csv": _link("hard.csv", "../../etc/passwd", tarfile.LNKTYPE),
        "dev.csv": _link("dev.csv", "", tarfile.CHRTYPE),
        "/abs.csv": "a\n7\n",
        "../up.csv": "a\n8\n",
        "ok/./fine.csv": "a\n9\n",
    }
    files.add("a.tar", _tar(members))
    assert files.rows("csv", ["a.tar"]) == [{"a": 9}]
    files.add("a.zip", _zip({name: text for name, text in members.items() if isinstance(text, str)}))
    assert files.rows("csv", ["a.zip"]) == [{"a": 9}]


# --- hostile --------------------------------------------------------------------------------


def _performed(
    files: Files, fmt: str, names: list[str], seconds: float = 60, **options: Any
) -> dict[str, Any]:
    """Convert as a worker does: whatever happens is an error with a message for people."""
    out = files.root / f"hostile-{time.monotonic_ns()}"
    out.mkdir()
    table = {"format": fmt, "options": options, "features": None}
    task = Task("convert", {"table": table}, [files.source(name) for name in names], out, seconds)
    return perform(task).facts


def test_a_csv_of_a_million_columns(files: Files) -> None:
    files.add("a.csv", ",".join(f"c{n}" for n in range(1_000_000)) + "\n" + "1," * 999_999 + "1\n")
    started = time.monotonic()
    with pytest.raises(TooManyColumns, match="columns"):
        _performed(files, "csv", ["a.csv"])
    assert time.monotonic() - started < 2


def test_bombs(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_FREE_BYTES", 1 << 20)
    text = "a,b\n" + "0,0\n" * 3_000_000
    files.add("a.csv.gz", gzip.compress(text.encode()))
    with pytest.raises(TableTooLarge, match="unpacks to far more"):
        _performed(files, "csv", ["a.csv.gz"])
    files.add("b.zip", _zip({"a.csv": text}))
    with pytest.raises(TableTooLarge, match="unpacks to far more"):
        _performed(files, "csv", ["b.zip"])


def test_too_many_members(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    files.add("a.tar", _tar(MEMBERS))
    files.add("a.zip", _zip(MEMBERS))
    for name in ("a.tar", "a.zip"):
        with pytest.raises(TableTooLarge, match="at most 3 files"):
            _performed(files, "csv", [name])


@pytest.mark.parametrize(
    ("fmt", "data"),
    [
        ("csv", gzip.compress(CSV)[:-30]),
        ("csv", b"\x1f\x8b" + b"\xff" * 100),
        ("csv", _zip(MEMBERS)[:-40]),
        ("csv", b"PK\x03\x04" + b"\0" * 100),
        ("csv", _tar(MEMBERS)[:700]),
        ("csv", b"7z\xbc\xaf\x27\x1c" + b"\0" * 100),
        ("csv", b'a,b\n"1,2\n'),
        ("csv", b"a,b\n1,2\n1,2,3\n"),
        ("csv", b"\0" * 5000),
        ("json", b"{" * 100_000),
        ("json", b'{"a":' * 3000 + b"1" + b"}" * 3000),
        ("json", b"[" * 200_000),
        ("json", b"no json\n"),
        ("json", b'{"a": 1}\n{"a": \n'),
        ("arrow", b"ARROW1\0\0" + b"\xff" * 100),
        ("arrow", _arrow(pa.table({"a": list(range(1000))}), is_stream=False)[:-500]),
        ("arrow", b"nothing of the kind"),
        ("text", b"\xff\xfe\xff"),
        ("parquet", b"PAR1" + b"\0" * 20 + b"PAR1"),
    ],
)
def test_broken_files_have_clear_errors(files: Files, fmt: str, data: bytes) -> None:
    files.add("a", data)
    with suppress_clear_error(files):
        # The library reads some of these too, as one strange row or none.
        assert _performed(files, fmt, ["a"])["rows"] < 2


@contextmanager
def suppress_clear_error(files: Files) -> Iterator[None]:
    """Let an error for people pass that tells nothing of this machine."""
    told = None
    try:
        yield
    except HubError as error:
        told = error.message
    if told is not None:
        assert len(told) > 20
        assert str(files.root) not in told
        assert "Traceback" not in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x":' + "[" * 10_000 + "]" * 10_000 + "}\n", "deeply"),
        ('{"x":' + '{"a":' * 500 + "1" + "}" * 500 + "}\n", "deeply"),
        ("".join(f'{{"k{n}": {n}}}\n' for n in range(20_001)), "20,000 names"),
    ],
)
def test_json_that_would_keep_arrow_busy(files: Files, text: str, message: str) -> None:
    files.add("a.jsonl", text)
    # Without a time limit that would end it: it is refused for what it is.
    with pytest.raises(HubError, match=message):
        _performed(files, "json", ["a.jsonl"], seconds=10_000)


def test_lying_offsets_of_arrow(files: Files) -> None:
    data = bytearray(_arrow(pa.table({"a": ["one", "two", "three"]}), is_stream=True))
    at = data.rindex(b"onetwothree")
    # The offsets lie before the text: 0 3 6 11.
    where = data.rindex((3).to_bytes(4, "little") + (6).to_bytes(4, "little"), 0, at)
    data[where : where + 4] = (0x7FFFFFFF).to_bytes(4, "little")
    files.add("a.arrow", bytes(data))
    with pytest.raises(TableUnreadable):
        _performed(files, "arrow", ["a.arrow"])


def test_time_is_bounded(files: Files) -> None:
    files.add("a.csv", b"a,b\n" + b"1,2\n" * 200_000)
    with pytest.raises(TableTimeout):
        _performed(files, "csv", ["a.csv"], seconds=0)


def test_options_that_name_code_or_files_do_nothing(files: Files) -> None:
    files.add("a.csv", "a\n1\n")
    options = {
        "converters": {"a": "eval"},
        "engine": "pyarrow",
        "storage_options": {"x": 1},
        "memory_map": True,
    }
    assert files.rows("csv", ["a.csv"], options=options) == [{"a": 1}]
    with pytest.raises(TableUnreadable, match="'skiprows'"):
        files.rows("csv", ["a.csv"], options={"skiprows": "lambda: 1"})


def test_unknown_formats_are_named(files: Files) -> None:
    files.add("a.h5", b"\x89HDF")
    with pytest.raises(FormatNotSupported, match="hdf5"):
        files.rows("hdf5", ["a.h5"])


# --- heads and files ------------------------------------------------------------------------


def test_a_head_reads_little(files: Files) -> None:
    files.add("a.csv", b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"x" * 100) for n in range(100_000)))
    files.add("a.jsonl", b"".join(b'{"id":%d,"text":"%s"}\n' % (n, b"x" * 100) for n in range(100_000)))
    for fmt, name in (("csv", "a.csv"), ("json", "a.jsonl")):
        files.asked.clear()
        head = files.head(fmt, [name], is_whole=False)
        assert head.table["id"].to_pylist() == list(range(100))
        assert not head.is_all
        assert max(start + length for start, length in files.asked) <= 4 << 20


def test_a_head_goes_on_in_the_next_file(files: Files) -> None:
    names = [files.add(f"{n}.txt", f"line {n}\n") for n in range(150)]
    head = files.head("text", names)
    assert head.table["text"].to_pylist() == [f"line {n}" for n in range(100)]
    assert not head.is_all


def test_converted_files_are_laid_out_for_pages(files: Files) -> None:
    files.add("a.csv", b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"word%d " % n * 20) for n in range(250_000)))
    out = files.root / "laid"
    out.mkdir()
    table = {"format": "csv", "options": {}, "features": None}
    from openhood.engines.tables import convert

    facts = convert.convert(Task("convert", {"table": table}, [files.source("a.csv")], out, 60)).facts
    assert facts["rows"] == 250_000
    first = pq.ParquetFile(out / "0000.parquet").metadata
    assert first.row_group(0).num_rows <= 100_000
    assert first.row_group(0).total_byte_size <= 100 << 20
    assert first.row_group(0).column(0).has_offset_index
    assert first.row_group(0).column(1).compression == "SNAPPY"
    said = json.loads((out / convert.PROGRESS).read_bytes())
    assert said["rows"] == 250_000
    assert said["read_bytes"] == said["total_bytes"] == (files.root / "files" / "a.csv").stat().st_size


def test_a_capped_conversion_says_so(files: Files) -> None:
    files.add("a.csv", b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"word " * 20) for n in range(100_000)))
    table, facts = files.convert("csv", ["a.csv"], max_bytes=3_000_000)
    assert facts["partial"] is True
    assert 10_000 <= len(table) < 40_000
    assert 70_000 < facts["estimated_rows"] < 130_000

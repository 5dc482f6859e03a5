"""Features and cells: every type of Arrow and of ``datasets`` as JSON, media as links, and the cut of first rows."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import TableTooLarge, TableUnreadable, TooManyColumns
from openhood.engines import media
from openhood.engines.tables import truncating
from openhood.engines.tables.cells import dumps, file_name, page, render_rows
from openhood.engines.tables.columns import ends_of
from openhood.engines.tables.features import features_of, normal
from openhood.engines.tables.pages import Part, read_parts, recut
from openhood.engines.tables.slicer import has_index, read_slice
from openhood.engines.tables.task import Source, Task
from viewer import samples

LINKS = {"asset": "http://h/a", "query": "token=x", "resolve": "http://h/r"}
VALUE = "Value"


def value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": VALUE}


def cells(made: pa.Table, **more: Any) -> list[dict[str, Any]]:
    """Rows as JSON says them, after a turn through a Parquet file, as every page takes it."""
    features = features_of(made.schema, **more)
    items = render_rows(made, features, range(len(made)), LINKS)
    return [each["row"] for each in orjson.loads(dumps(items))]


def source(directory: Path, data: bytes, *, is_whole: bool = True, asked: list[Any] | None = None) -> Source:
    path = directory / f"{len(list(directory.iterdir()))}.parquet"
    path.write_bytes(data)

    def bring(ranges: Sequence[tuple[int, int]]) -> None:
        assert asked is not None
        asked.append(list(ranges))

    return Source(path.name, str(path), len(data), str(path), is_whole, bring)


def task() -> Task:
    return Task("page", {}, [], None, 30)


# --- features -------------------------------------------------------------------------------


def test_the_features_of_types() -> None:
    schema = pa.schema(
        [
            ("null", pa.null()),
            ("bool", pa.bool_()),
            ("int8", pa.int8()),
            ("uint64", pa.uint64()),
            ("half", pa.float16()),
            ("float", pa.float32()),
            ("double", pa.float64()),
            ("date32", pa.date32()),
            ("date64", pa.date64()),
            ("time32", pa.time32("ms")),
            ("time64", pa.time64("us")),
            ("stamp", pa.timestamp("ns")),
            ("zoned", pa.timestamp("us", tz="Europe/Paris")),
            ("duration", pa.duration("s")),
            ("decimal", pa.decimal128(10, 2)),
            ("decimal256", pa.decimal256(60, -3)),
            ("binary", pa.binary()),
            ("large", pa.large_string()),
            ("fixed", pa.binary(7)),
            ("dictionary", pa.dictionary(pa.int8(), pa.string())),
            ("list", pa.list_(pa.int32())),
            ("large_list", pa.large_list(pa.struct([("a", pa.string())]))),
            ("four", pa.list_(pa.int8(), 4)),
            ("struct", pa.struct([("a", pa.list_(pa.string()))])),
            ("map", pa.map_(pa.string(), pa.int32())),
            ("json", pa.json_()),
        ]
    )
    found = features_of(schema)
    assert found["null"] == value("null")
    assert found["half"] == value("float16")
    assert [found[name]["dtype"] for name in ("date32", "date64", "time32", "time64")] == [
        "date32",
        "date64",
        "time32[ms]",
        "time64[us]",
    ]
    assert found["stamp"] == value("timestamp[ns]")
    assert found["zoned"] == value("timestamp[us, tz=Europe/Paris]")
    assert found["decimal"] == value("decimal128(10, 2)")
    assert found["decimal256"] == value("decimal256(60, -3)")
    assert found["fixed"] == value("fixed_size_binary[7]")
    assert found["dictionary"] == value("string")
    assert found["large_list"] == {"feature": {"a": value("string")}, "_type": "LargeList"}
    assert found["four"] == {"feature": value("int8"), "length": 4, "_type": "List"}
    assert found["struct"] == {"a": {"feature": value("string"), "_type": "List"}}
    assert found["map"]["feature"] == {"key": value("string"), "value": value("int32")}
    assert found["json"] == {"_type": "Json"}


def test_what_datasets_wrote_counts_where_it_is_true() -> None:
    made = pa.table({"label": pa.array([1]), "image": samples.media([b"x"]), "lie": pa.array(["text"])})
    label = {"names": ["a", "b"], "_type": "ClassLabel"}
    said = {"label": label, "image": {"decode": True, "id": None, "_type": "Image"}, "lie": label}
    found = features_of(samples.with_features(made, said).schema)
    assert found == {"label": label, "image": {"_type": "Image"}, "lie": value("string")}
    for nonsense in (b"{", b"[]", b'{"info": 1}', b'{"info": {"features": {"label": {"_type": "Evil"}}}}'):
        schema = made.schema.with_metadata({b"huggingface": nonsense})
        assert features_of(schema)["label"] == value("int64")


def test_what_the_card_declares_counts_where_it_can_be_meant() -> None:
    made = pa.table({"image": pa.array(["a.png"]), "n": pa.array([1], pa.int32()), "other": pa.array([1])})
    declared = {
        "n": {"names": ["no", "yes"], "_type": "ClassLabel"},
        "image": {"_type": "Image"},
        "other": {"feature": value("string"), "_type": "List"},
        "missing": value("string"),
    }
    found = features_of(made.schema, declared)
    assert list(found) == ["n", "image", "other"]
    assert found["n"] == declared["n"]
    assert found["image"] == {"_type": "Image"}
    assert found["other"] == value("int64")


def test_old_spellings_of_features() -> None:
    old = {
        "feature": {"a": value("int32"), "b": value("string")},
        "length": -1,
        "id": None,
        "_type": "Sequence",
    }
    assert normal(old)["a"] == {"feature": value("int32"), "_type": "List"}
    assert normal([value("double")]) == {"feature": value("float64"), "_type": "List"}
    assert normal({"num_classes": 2, "_type": "ClassLabel"}) == {"names": ["0", "1"], "_type": "ClassLabel"}
    assert normal({"sampling_rate": 8000, "mono": True, "_type": "Audio"}) == {
        "sampling_rate": 8000,
        "_type": "Audio",
    }


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(TableUnreadable, match="same name"):
        features_of(pa.schema([("a", pa.int8()), ("a", pa.int8())]))


# --- cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([float("nan"), float("inf"), 1.5], pa.float64(), [None, None, 1.5]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([b"\xff\x00", b"text"], pa.binary(), ["/wA=", "dGV4dA=="]),
        ([decimal.Decimal("1.50"), None], pa.decimal128(10, 2), ["1.50", None]),
        ([decimal.Decimal(10**60)], pa.decimal256(70, 2), [f"{10**60}.00"]),
        ([1_700_000_000_123_456_789], pa.timestamp("ns"), ["2023-11-14T22:13:20.123456"]),
        ([1_700_000_000], pa.timestamp("s", tz="UTC"), ["2023-11-14T22:13:20Z"]),
        ([1_700_000_000], pa.timestamp("s", tz="+02:00"), ["2023-11-15T00:13:20+02:00"]),
        ([1_700_000_000], pa.timestamp("s", tz="Europe/Paris"), ["2023-11-14T23:13:20+01:00"]),
        ([datetime.date(2024, 1, 31)], pa.date64(), ["2024-01-31"]),
        ([3_661_000_000_001], pa.time64("ns"), ["01:01:01"]),
        ([90_061], pa.duration("s"), ["1 day, 1:01:01"]),
        ([90_061_000_000_000], pa.duration("ns"), ["1 days 01:01:01"]),
        ([[("a", 1), ("b", None)]], pa.map_(pa.string(), pa.int8()), [[{"key": "a", "value": 1}, {"key": "b", "value": None}]]),
        (["view"], pa.string_view(), ["view"]),
        ([[1], None], pa.list_view(pa.int8()), [[1], None]),
        ([(1, 2, 3)], pa.month_day_nano_interval(), ['1 months, 2 days, 3e-09 seconds']),
        (['{"a": [1]}', "no json", "[" * 5000], pa.json_(), [{"a": [1]}, "no json", "[" * 5000]),
        (["[" * 200 + "]" * 200], pa.json_(), ["[" * 200 + "]" * 200]),
        ([[{"t": 1_700_000_000_000_000_001, "b": b"\xfe"}]], pa.list_(pa.struct([("t", pa.timestamp("ns")), ("b", pa.binary())])),
         [[{"t": "2023-11-14T22:13:20", "b": "/g=="}]]),
    ],
)  # fmt: skip
def test_values(values: list[Any], kind: pa.DataType, expected: list[Any]) -> None:
    storage = pa.string() if isinstance(kind, pa.JsonType) else kind
    array = pa.array(values, storage)
    made = pa.table({"x": pa.ExtensionArray.from_storage(kind, array) if storage is not kind else array})
    assert [row["x"] for row in cells(made)] == expected


def test_packed_values() -> None:
    made = pa.table(
        {
            "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
            "runs": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
        }
    )
    assert cells(made) == [
        {"dictionary": "x", "runs": "a"},
        {"dictionary": "y", "runs": "a"},
        {"dictionary": "x", "runs": "b"},
    ]


def test_what_python_cannot_hold_breaks_nothing() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xffa")]
    )
    made = pa.table(
        {
            "far": pa.array([2**62], pa.timestamp("ms")),
            "date": pa.array([2**31 - 1], pa.date32()),
            "text": broken,
        }
    )
    (row,) = cells(made)
    assert row["text"] == "\ufffda"
    assert isinstance(row["far"], str | None)
    assert isinstance(row["date"], str | None)


def test_a_hundred_levels_deep() -> None:
    kind, inner = pa.int8(), 7
    for _level in range(100):
        kind, inner = pa.list_(kind), [inner]
    (row,) = cells(pa.table({"x": pa.array([inner], kind)}))
    assert row["x"] == inner


def test_values_that_the_card_casts() -> None:
    made = pa.table({"n": pa.array([1, None]), "label": pa.array(["yes", "what"])})
    declared = {"n": value("string"), "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    assert cells(made, declared=declared) == [{"n": "1", "label": 1}, {"n": None, "label": "what"}]


# --- media ----------------------------------------------------------------------------------


def test_media_are_links() -> None:
    made = pa.table(
        {
            "a/b ?": samples.media([samples.png(8, 6), None, b"no picture"]),
            "audio": samples.media([samples.wav(), samples.wav(), None], names=["x.wav", None, None]),
            "video": samples.media([b"....ftypisom", None, None], names=["v.mp4", "hf://datasets/a/b@main/v/é.mp4", "/etc/passwd"]),
            "pdf": samples.media([b"%PDF-1.4", None, None]),
        }
    )  # fmt: skip
    declared = {
        "a/b ?": {"_type": "Image"},
        "audio": {"_type": "Audio"},
        "video": {"_type": "Video"},
        "pdf": {"_type": "Pdf"},
    }
    first, second, third = cells(made, declared=declared)
    assert first["a/b ?"] == {"src": "http://h/a/0/a%2Fb%20%3F?token=x", "height": 6, "width": 8}
    assert first["audio"] == [{"src": "http://h/a/0/audio?token=x", "type": "audio/wav"}]
    assert second["audio"][0]["type"] == "audio/wav"
    assert first["video"] == {"src": "http://h/a/0/video?token=x"}
    assert first["pdf"] == {"src": "http://h/a/0/pdf?token=x", "size_bytes": 8, "thumbnail": None}
    assert second["a/b ?"] is None
    assert second["video"] == {"src": "http://h/r/v/%C3%A9.mp4"}
    assert third["video"] is None
    assert third["a/b ?"] == {"src": "http://h/a/2/a%2Fb%20%3F?token=x", "height": None, "width": None}


def test_media_in_lists_and_structs() -> None:
    kept = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    made = pa.table({"x": pa.array([[{"one": {"bytes": samples.jpeg(64, 48), "path": None}, "n": 1}]], pa.list_(pa.struct([("one", kept), ("n", pa.int8())])))})  # fmt: skip
    declared = {"x": {"feature": {"one": {"_type": "Image"}, "n": value("int8")}, "_type": "List"}}
    (row,) = cells(made, declared=declared)
    assert row["x"] == [{"one": {"src": "http://h/a/0/x/0/one?token=x", "height": 48, "width": 64}, "n": 1}]


def test_a_path_leads_nowhere_but_into_the_repository() -> None:
    assert file_name("hf://datasets/a/b@0123/dir/x.png") == "dir/x.png"
    assert file_name("dir/x.png") == "dir/x.png"
    for bad in (None, "", "/etc/passwd", "../x", "a/../../x", "http://x/y", "zip://a::b", "~/x", "a\0b"):
        assert file_name(bad) is None


def test_sizes_of_pictures_are_read_from_their_heads() -> None:
    import io

    from PIL import Image

    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        out = io.BytesIO()
        Image.new("RGB", (123, 45), (1, 2, 3)).save(out, kind)
        assert media.size_of(out.getvalue()[:4096]) == (123, 45), kind
    out = io.BytesIO()
    Image.new("RGBA", (123, 45)).save(out, "WEBP", lossless=True)
    assert media.size_of(out.getvalue()) == (123, 45)
    for cut in (b"", b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xd8" + b"\xff" * 100, b"RIFF....WEBPVP8 "):
        assert media.size_of(cut) in (None, (0, 0))


def test_types_of_files() -> None:
    assert media.type_of(samples.png(), None) == "image/png"
    assert media.type_of(samples.wav(), None) == "audio/wav"
    assert media.type_of(b"<svg/>", "x.svg") == "image/svg+xml"
    assert not media.is_safe("image/svg+xml")
    assert not media.is_safe("text/html")
    assert media.audio_type("x.opus", b"") == "audio/ogg"


# --- first rows -----------------------------------------------------------------------------


def first(made: pa.Table, **more: Any) -> dict[str, Any]:
    features = features_of(made.schema)
    items = render_rows(made, features, range(len(made)), LINKS)
    names = {"dataset": "a/b", "config": "c", "split": "s"}
    answer: dict[str, Any] = orjson.loads(
        truncating.first_rows(features, items, names=names, is_all=True, **more)
    )
    return answer


def test_rows_that_fit_are_not_cut() -> None:
    answer = first(samples.table(100))
    assert len(answer["rows"]) == 100
    assert answer["truncated"] is False
    assert all(each["truncated_cells"] == [] for each in answer["rows"])


def test_rows_that_do_not_fit_are_left_out() -> None:
    answer = first(pa.table({"x": ["a" * 30_000] * 100}))
    assert answer["truncated"] is True
    assert 10 < len(answer["rows"]) < 34
    assert len(orjson.dumps(answer)) <= truncating.MAX_BYTES


def test_cells_are_cut_from_the_last_row_on() -> None:
    made = pa.table(
        {"text": ["é" * 100_000] * 12, "short": ["x"] * 12, "link": ["https://x/" + "y" * 200] * 12}
    )
    answer = first(made)
    assert len(answer["rows"]) == 10
    cut = [each["truncated_cells"] for each in answer["rows"]]
    assert cut[0] == []
    assert cut[-1] == ["text"]
    last = answer["rows"][-1]["row"]
    assert len(last["text"].encode()) <= 100
    assert last["text"].startswith('"éé')
    assert last["link"].startswith("https://x/")
    assert len(last["link"]) == 210


def test_too_many_columns() -> None:
    with pytest.raises(TooManyColumns, match="1001"):
        first(pa.table({str(number): [1] for number in range(1001)}))
    assert len(first(pa.table({str(number): [1] for number in range(1000)}))["features"]) == 1000
    with pytest.raises(TableTooLarge, match="even after truncation"):
        first(pa.table({"x" * 1_000_001: [1]}))


# --- reading --------------------------------------------------------------------------------


def odd_table(rows: int) -> pa.Table:
    """Every kind of nesting, with nulls, whose pages begin at different rows."""
    made = samples.table(rows)
    more = {
        "structs": pa.array([[{"a": n, "b": "x" * (n % 40)} for n in range(k % 4)] for k in range(rows)]),
        "struct": pa.array(
            [None if k % 11 == 0 else {"x": k, "y": {"z": "y" * (k % 90)}} for k in range(rows)]
        ),
        "map": pa.array([[("k", k)][: k % 2] for k in range(rows)], pa.map_(pa.string(), pa.int64())),
        "a.b": pa.array(range(rows)),
        "fixed": pa.array([[k, k + 1] for k in range(rows)], pa.list_(pa.int16(), 2)),
    }
    for name, array in more.items():
        made = made.append_column(name, array)
    made = made.append_column(pa.field("sure", pa.string(), nullable=False), pa.array(map(str, range(rows))))
    return made.append_column(pa.field("yes", pa.bool_(), nullable=False), pa.array([True] * rows))


@pytest.mark.parametrize(
    "how",
    [
        {"data_page_size": 2000},
        {"data_page_size": 1500, "data_page_version": "2.0", "compression": "zstd"},
        {"data_page_size": 1000, "use_dictionary": False, "compression": "none"},
        {"data_page_size": 3000, "use_content_defined_chunking": True},
    ],
)
def test_slices_by_the_page_index_are_the_rows(tmp_path: Path, how: dict[str, Any]) -> None:
    made = odd_table(4000)
    opened = source(tmp_path, samples.parquet(made, group=2500, **how))
    ends = ends_of(opened)
    whole = pq.read_table(opened.path)
    for group, start, count in ((0, 0, 100), (0, 1234, 100), (0, 2499, 1), (1, 1400, 100), (1, 700, 7)):
        for columns in (made.column_names, ["id"], ["structs", "a.b"], ["sure", "yes", "text"]):
            assert has_index(ends, group, ends.numbers(columns))
            got = read_slice(opened, ends, group, start, count, columns)
            assert (
                got.to_pylist()
                == whole.slice(group * 2500 + start, count).select(got.column_names).to_pylist()
            )


def test_a_slice_of_a_far_file_reads_little(tmp_path: Path) -> None:
    made = pa.table({"id": range(200_000), "text": [f"{n:040}" for n in range(200_000)]})
    data = samples.parquet(
        made, group=200_000, use_dictionary=False, data_page_size=64_000, compression="none"
    )
    asked: list[list[tuple[int, int]]] = []
    opened = source(tmp_path, data, is_whole=False, asked=asked)
    got = read_slice(opened, ends_of(opened), 0, 123_456, 100, ["id", "text"])
    assert got.column("id").to_pylist() == list(range(123_456, 123_556))
    once = {span for ranges in asked for span in ranges}
    assert sum(length for _start, length in once) < len(data) // 10


def test_pages_across_groups_and_files(tmp_path: Path) -> None:
    tables = [samples.table(250, start=start) for start in (0, 250, 500)]
    opened = [source(tmp_path, samples.parquet(each, group=60)) for each in tables]
    features = features_of(tables[0].schema)
    parts = [Part(opened[0], 200, 50), Part(opened[1], 0, 250), Part(opened[2], 0, 30)]
    got = read_parts(task(), parts, features)
    assert got.column("id").to_pylist() == list(range(200, 530))
    assert (
        got.column("tags").to_pylist() == pa.concat_tables(tables).slice(200, 330).column("tags").to_pylist()
    )


def test_files_of_a_split_may_differ(tmp_path: Path) -> None:
    one = source(tmp_path, samples.parquet(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]})))
    two = source(tmp_path, samples.parquet(pa.table({"a": pa.array([2], pa.int64())})))
    features = features_of(ends_of(one).schema)
    got = orjson.loads(
        page(
            read_parts(task(), [Part(one, 0, 1), Part(two, 0, 1)], features),
            features,
            range(2),
            LINKS,
            total=2,
            partial=False,
        )
    )
    assert [each["row"] for each in got["rows"]] == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


def test_large_media_are_not_read_for_a_page(tmp_path: Path) -> None:
    films = [bytes([number]) * 40_000_000 for number in range(2)]
    made = pa.table({"n": [1, 2], "video": samples.media(films, names=["a.mp4", "b.mp4"])})
    opened = source(tmp_path, samples.parquet(made))
    features = features_of(made.schema, {"n": value("int64"), "video": {"_type": "Video"}})
    got = read_parts(task(), [Part(opened, 0, 2)], features)
    assert got.nbytes < 1000
    rows = render_rows(got, features, range(2), LINKS)
    assert rows[1]["row"]["video"] == {"src": "http://h/a/1/video?token=x"}


def test_a_row_group_is_cut_into_small_ones(tmp_path: Path) -> None:
    made = odd_table(25_000)
    opened = source(tmp_path, samples.parquet(made, group=20_000, index=False))
    reply = recut(Task("recut", {"group": 0}, [opened], tmp_path, 60))
    assert reply.facts == {"rows": 20_000}
    cut = pq.ParquetFile(tmp_path / "group.parquet")
    assert [cut.metadata.row_group(at).num_rows for at in range(cut.metadata.num_row_groups)] == [
        10_000,
        10_000,
    ]
    assert cut.metadata.row_group(0).column(0).has_offset_index
    assert cut.read().to_pylist() == pq.read_table(opened.path).slice(0, 20_000).to_pylist()

"""Folders of media and tars become the rows and features that ``datasets`` gives, without their bytes being copied.

What is expected was seen with ``datasets`` 5.2; a test with the real client compares again.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import TableCastFailed, TableUnreadable
from openhood.base.names import Oid
from openhood.domain.viewer import converting
from openhood.domain.viewer.types import Config, DataFile, Split
from openhood.engines.tables.readers import folders
from viewer import samples
from viewer.reading import Files, listed, value

IMAGE = {"_type": "Image"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def _at(path: str) -> dict[str, Any]:
    return {"bytes": None, "path": path}


def _config(
    fmt: str,
    splits: Mapping[str, Sequence[str]],
    *,
    metadata: Mapping[str, Sequence[str]] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    def files_of(paths: Sequence[str]) -> tuple[DataFile, ...]:
        return tuple(DataFile(path, Oid("0" * 40), "0" * 40, 1) for path in paths)

    made = tuple(
        Split(name, files_of(paths), files_of((metadata or {}).get(name, ())))
        for name, paths in splits.items()
    )
    return Config("default", fmt, made, options or {})


def _reading(
    config: Config, split: str = "train", *, rows: int | None = None
) -> tuple[Sequence[DataFile], dict[str, Any]]:
    """Return the files that are opened to read a split, and the options it is read with."""
    if config.format not in converting.KINDS:
        return config.split(split).files, dict(config.options)
    folder = converting.folder_of(config, config.split(split))
    return folder.opened, converting.options_of(config, folder, rows=rows)


def _rows(
    files: Files, config: Config, split: str = "train", **more: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Convert a split as the hub does: only files that must be opened are given."""
    given, options = _reading(config, split)
    table, facts = files.convert(config.format, [file.path for file in given], options=options, **more)
    return table.to_pylist(), facts


def test_labels_are_directories(files: Files) -> None:
    config = _config("imagefolder", {"train": ["train/cat/1.png", "train/dog/0.PNG", "train/cat/notes.txt"]})
    rows, facts = _rows(files, config)
    assert rows == [
        {"image": _at("train/cat/1.png"), "label": 0},
        {"image": _at("train/dog/0.PNG"), "label": 1},
    ]
    assert facts["features"] == {"image": IMAGE, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def test_labels_have_one_number_in_all_splits(files: Files) -> None:
    config = _config(
        "imagefolder", {"train": ["train/cat/1.png", "train/dog/2.png"], "test": ["test/dog/3.png"]}
    )
    assert _rows(files, config, "test")[0] == [{"image": _at("test/dog/3.png"), "label": 1}]


def test_a_split_is_labelled_by_what_was_seen_up_to_it(files: Files) -> None:
    """As the library has it: the first of two directories is no label yet."""
    config = _config("imagefolder", {"train": ["train/1.png"], "test": ["test/1.png"]})
    for split, label in (("train", None), ("test", 0)):
        rows, facts = _rows(files, config, split)
        assert [row["label"] for row in rows] == [label]
        assert facts["features"]["label"]["names"] == ["test", "train"]


@pytest.mark.parametrize(
    ("paths", "drop", "labels"),
    [
        (["a/1.png", "2.png"], None, None),
        (["a/1.png", "a/2.png"], None, None),
        (["a/1.png", "b/2.png"], True, None),
        (["a/1.png", "a/2.png"], False, ["a"]),
        (["1.wav"], None, None),
    ],
)
def test_when_there_are_labels(
    files: Files, paths: list[str], drop: bool | None, labels: list[str] | None
) -> None:
    fmt = "audiofolder" if paths[0].endswith("wav") else "imagefolder"
    options = {} if drop is None else {"drop_labels": drop}
    _got, facts = _rows(files, _config(fmt, {"train": paths}, options=options))
    label = facts["features"].get("label")
    assert (None if label is None else label["names"]) == labels


def test_metadata_gives_rows_columns_and_order(files: Files) -> None:
    files.add("train/metadata.csv", "file_name,text,n\n2.png,two,2\nsub/1.png,,1\n")
    config = _config(
        "imagefolder",
        {"train": ["train/sub/1.png", "train/2.png", "train/3.png"]},
        metadata={"train": ["train/metadata.csv"]},
    )
    rows, facts = _rows(files, config)
    assert rows == [
        {"image": _at("train/2.png"), "text": "two", "n": 2},
        {"image": _at("train/sub/1.png"), "text": None, "n": 1},
    ]
    assert list(facts["features"]) == ["image", "text", "n"]


def test_metadata_may_name_several_files_and_nest(files: Files) -> None:
    lines = [
        {"file_name": f"x/{n}.png", "mask_file_name": f"x/{n}m.png", "objects": {"bbox": [[n, 1]], "id": [n]}}
        for n in range(2)
    ]
    files.add("data/metadata.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    config = _config("imagefolder", {"train": ["data/x/0.png"]}, metadata={"train": ["data/metadata.jsonl"]})
    rows, facts = _rows(files, config)
    assert rows[1] == {
        "image": _at("data/x/1.png"), "mask": _at("data/x/1m.png"), "objects": {"bbox": [[1, 1]], "id": [1]},
    }  # fmt: skip
    assert facts["features"]["mask"] == IMAGE

    files.add("many/metadata.jsonl", json.dumps({"file_names": ["a.png", "b.png"], "t": 1}) + "\n")
    config = _config("imagefolder", {"train": ["many/a.png"]}, metadata={"train": ["many/metadata.jsonl"]})
    rows, facts = _rows(files, config)
    assert rows == [{"images": [_at("many/a.png"), _at("many/b.png")], "t": 1}]
    assert facts["features"]["images"] == listed(IMAGE)


def test_metadata_in_parquet(files: Files) -> None:
    table = pa.table({"file_name": ["a.pdf", "b.pdf"], "pages": pa.array([1, 2], pa.int16())})
    files.add("metadata.parquet", samples.parquet(table))
    config = _config("pdffolder", {"train": ["a.pdf", "b.pdf"]}, metadata={"train": ["metadata.parquet"]})
    rows, facts = _rows(files, config)
    assert rows == [{"pdf": _at("a.pdf"), "pages": 1}, {"pdf": _at("b.pdf"), "pages": 2}]
    assert facts["features"] == {"pdf": {"_type": "Pdf"}, "pages": value("int16")}


def test_dropped_metadata(files: Files) -> None:
    files.add("metadata.csv", "file_name,text\na.mp4,x\n")
    config = _config(
        "videofolder", {"train": ["a.mp4", "b.mp4"]}, metadata={"train": ["metadata.csv"]}, options={"drop_metadata": True}
    )  # fmt: skip
    rows, facts = _rows(files, config)
    assert rows == [{"video": _at("a.mp4")}, {"video": _at("b.mp4")}]
    assert facts["features"] == {"video": {"_type": "Video"}}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a/../../x.png", ".."]
)
def test_metadata_that_names_files_elsewhere(files: Files, name: str) -> None:
    files.add("d/metadata.csv", f"file_name,n\n{name},1\n")
    config = _config("imagefolder", {"train": ["d/1.png"]}, metadata={"train": ["d/metadata.csv"]})
    with pytest.raises(TableUnreadable, match="does not lie below"):
        _rows(files, config)


def test_metadata_without_names(files: Files) -> None:
    files.add("metadata.csv", "file,n\na.png,1\n")
    config = _config("imagefolder", {"train": ["a.png"]}, metadata={"train": ["metadata.csv"]})
    with pytest.raises(TableUnreadable, match="file_name"):
        _rows(files, config)
    files.add("x/metadata.jsonl", '{"file_name": "a.png"}\n')
    both = _config(
        "imagefolder", {"train": ["a.png"]}, metadata={"train": ["metadata.csv", "x/metadata.jsonl"]}
    )
    with pytest.raises(TableUnreadable, match="different extensions"):
        _rows(files, both)


def test_paths_can_be_those_of_the_hub(files: Files) -> None:
    files.add("metadata.csv", "file_name,n\na.png,1\n")
    config = _config("imagefolder", {"train": ["a.png"]}, metadata={"train": ["metadata.csv"]})
    rows, _facts = _rows(files, config, prefix="hf://datasets/a/b@0123/")
    assert rows == [{"image": _at("hf://datasets/a/b@0123/a.png"), "n": 1}]
    rows, _facts = _rows(
        files, _config("imagefolder", {"train": ["b.png"]}), prefix="hf://datasets/a/b@0123/"
    )
    assert rows == [{"image": _at("hf://datasets/a/b@0123/b.png")}]


def test_zipped_folders_hold_their_bytes(files: Files) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for n in range(3):
            archive.writestr(f"im/{n}.png", samples.png(4 + n))
        archive.writestr("im/metadata.csv", "file_name,t\n0.png,a\n2.png,b\n")
    files.add("train.zip", made.getvalue())
    rows, facts = _rows(files, _config("imagefolder", {"train": ["train.zip"]}))
    assert rows == [
        {"image": {"bytes": samples.png(4), "path": "0.png"}, "t": "a"},
        {"image": {"bytes": samples.png(6), "path": "2.png"}, "t": "b"},
    ]
    assert facts["rows"] == 2
    files.add("bad.zip", made.getvalue().replace(b"2.png,b", b"9.png,b"))
    with pytest.raises((TableCastFailed, zipfile.BadZipFile)):
        _rows(files, _config("imagefolder", {"train": ["bad.zip"]}))


def test_zipped_labels(files: Files) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for n in range(4):
            archive.writestr(f"{'p' if n % 2 else 'q'}/{n}.png", samples.png(4 + n))
    files.add("train.zip", made.getvalue())
    rows, facts = _rows(files, _config("imagefolder", {"train": ["train.zip"]}))
    assert [(row["image"]["path"], row["label"]) for row in rows] == [
        ("1.png", 0),
        ("3.png", 0),
        ("0.png", 1),
        ("2.png", 1),
    ]
    assert facts["features"]["label"]["names"] == ["p", "q"]


def test_a_large_folder_opens_nothing(files: Files) -> None:
    paths = [f"train/{'cat' if n % 2 else 'dog'}/{n:05d}.jpg" for n in range(20_000)]
    config = _config("imagefolder", {"train": paths})
    given, options = _reading(config, rows=100)
    assert given == ()
    head = files.head("imagefolder", [], options=options)
    assert [row["image"]["path"] for row in head.table.to_pylist()] == paths[:100]
    assert head.features["label"]["names"] == ["cat", "dog"]
    assert not head.is_all
    rows, facts = _rows(files, config)
    assert (len(rows), facts["rows"]) == (20_000, 20_000)


def test_media_rows_are_in_small_groups(files: Files) -> None:
    config = _config("imagefolder", {"train": [f"{n}.png" for n in range(250)]})
    given, options = _reading(config)
    assert given == ()
    out = files.root / "out"
    out.mkdir()
    from openhood.engines.tables import convert
    from openhood.engines.tables.task import Task

    table = {"format": "imagefolder", "options": options, "features": None}
    convert.convert(Task("convert", {"table": table}, [], out, 60))
    written = pq.ParquetFile(out / "0000.parquet").metadata
    assert [written.row_group(at).num_rows for at in range(3)] == [100, 100, 50]


def test_a_card_cannot_use_the_hubs_own_options() -> None:
    ours = (converting.PATHS, converting.LABELS, converting.UNLABELLED)
    assert ours == (folders.PATHS, folders.LABELS, folders.UNLABELLED)
    config = _config("imagefolder", {"train": ["a.png"]}, options={converting.PATHS: ["/etc/passwd"]})
    _given, options = _reading(config)
    assert options[converting.PATHS] == ["a.png"]


# --- tars -----------------------------------------------------------------------------------


def _npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _tar(members: Sequence[tuple[str, bytes]], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def _members(names: Sequence[str]) -> list[tuple[str, bytes]]:
    made = []
    for at, name in enumerate(names):
        made += [
            (f"{name}.png", samples.png(4 + at)),
            (f"{name}.json", json.dumps({"k": at, "n": {"x": str(at)}}).encode()),
            (f"{name}.cls", b"%d" % at),
            (f"{name}.txt", b"hi"),
            (f"{name}.npy", _npy(np.arange(3, dtype=np.float32))),
            (f"{name}.m.npy", _npy(np.ones((2, 2), np.int16))),
            (f"{name}.wav", samples.wav()),
            (f"{name}.bin", b"xx"),
            (f"{name}.note.txt.gz", gzip.compress(b"packed")),
        ]
    return made


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_webdataset(files: Files, mode: str) -> None:
    files.add("t/0.tar", _tar([("._junk.txt", b"x"), ("plain", b"x"), *_members(["a", "b"])], mode))
    files.add("t/1.tar", _tar(_members([f"sub/c{n}" for n in range(5)]), mode))
    table, facts = files.convert("webdataset", ["t/0.tar", "t/1.tar"])
    assert facts["features"] == {
        "png": IMAGE, "json": {"k": value("int64"), "n": {"x": value("string")}}, "cls": value("int64"),
        "txt": value("string"), "npy": listed(value("float32")), "m.npy": listed(listed(value("int16"))),
        "wav": {"_type": "Audio"}, "bin": value("binary"), "note.txt.gz": value("string"),
        "__key__": value("string"), "__url__": value("string"),
    }  # fmt: skip
    assert len(table) == 7
    last = table.slice(6).to_pylist()[0]
    assert last["png"] == {"bytes": samples.png(8), "path": "sub/c4.png"}
    assert (last["json"], last["cls"], last["npy"]) == ({"k": 4, "n": {"x": "4"}}, 4, [0.0, 1.0, 2.0])
    assert (last["m.npy"], last["note.txt.gz"]) == ([[1, 1], [1, 1]], "packed")
    assert (last["__key__"], last["__url__"]) == ("sub/c4", "t/1.tar")


def test_fields_that_come_and_go(files: Files) -> None:
    members = [(f"{n}.txt", b"x") for n in range(6)] + [("7.txt", b"y"), ("7.json", b"{}"), ("8.json", b"{}")]
    files.add("a.tar", _tar(members))
    rows = files.rows("webdataset", ["a.tar"])
    assert [row["txt"] for row in rows] == ["x"] * 6 + ["y", None]
    assert list(rows[0]) == ["txt", "__key__", "__url__"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("a.txt", b"x"), ("b.json", b"{}")], "different fields"),
        ([("a.txt", b"x"), ("a.txt", b"y")], "two members"),
        ([("a.cls", b"no number")], "cannot be decoded"),
        ([("a.npy", b"\x93NUMPY" + b"\0" * 50)], "cannot be decoded"),
        ([("a.pth", b"x")], "does not decode"),
        ([("plain", b"x")], "no members"),
    ],
)
def test_tars_in_another_form(files: Files, members: list[tuple[str, bytes]], said: str) -> None:
    files.add("a.tar", _tar(members))
    with pytest.raises(TableUnreadable, match=said):
        files.rows("webdataset", ["a.tar"])


def test_pickled_arrays_are_not_loaded(files: Files) -> None:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    files.add("a.tar", _tar([("a.npy", out.getvalue())]))
    with pytest.raises(TableUnreadable, match="cannot be decoded"):
        files.rows("webdataset", ["a.tar"])


def test_a_head_of_a_tar_reads_its_beginning(files: Files) -> None:
    files.add("a.tar", _tar([(f"{n:05d}.bin", b"x" * 20_000) for n in range(2000)]))
    head = files.head("webdataset", ["a.tar"], is_whole=False, rows=10)
    assert len(head.table) == 10
    assert not head.is_all
    assert max(start + length for start, length in files.asked) < 20 << 20

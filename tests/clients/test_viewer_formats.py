"""``datasets`` 5 reads every format itself, and from ``refs/convert/parquet``: rows and features must be the same.

pandas, Polars and DuckDB read the published Parquet by plain URLs.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

pytestmark = pytest.mark.clients

FORMATS = (
    *("csv", "tsv", "json", "mixed", "array", "text", "arrow", "parquet"),
    *("packed", "images", "labels", "sounds", "tars", "configs"),
)


def push(namespace: str) -> dict[str, str]:
    """Upload a dataset of each format; returns their ids."""
    import bz2
    import gzip
    import io
    import json
    import secrets
    import struct
    import tarfile
    import wave
    import zipfile

    import pyarrow as pa
    import pyarrow.parquet as pq
    from huggingface_hub import CommitOperationAdd, HfApi
    from PIL import Image

    def lines(*rows: object) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def png(width: int) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (width, 5), (width, 0, 9)).save(out, "PNG")
        return out.getvalue()

    def wav(pitch: int) -> bytes:
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(b"".join(struct.pack("<h", at * pitch % 9000) for at in range(800)))
        return out.getvalue()

    def tar(members: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def packed() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, text in (("z/1.csv", "a,b\n1,z\n"), ("2.csv", "a,b\n2,y\n"), (".no.csv", "a,b\n9,n\n")):
                archive.writestr(name, text)
        return out.getvalue()

    table = pa.table({"n": [1, 2, None], "l": [[1], None, []], "s": [{"u": 1}, None, {"u": None}]})
    arrow = io.BytesIO()
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    many = b"id,text,flag,f\n" + b"".join(
        b"%d,word%d %s,%s,%s\n" % (n, n % 7, b"x" * (n % 50), b"True" if n % 2 else b"False",
                                   b"" if n % 5 == 0 else b"%d.25" % n)
        for n in range(25_000)
    )  # fmt: skip
    given = {
        "csv": {"train.csv": many, "test.csv": b"id,text,flag,f\n5,t,True,\n"},
        "tsv": {"a.tsv": b"a\tb\n1\tx,y\n,z\n"},
        "json": {
            "train.jsonl": lines({"a": 1.5, "t": "2024-01-01T10:00:00", "d": {"p": None}, "c": None},
                                 {"a": 2, "t": "2024-01-01T10:00:01", "d": {"p": [1, 2]}, "c": None}),
            "test.jsonl": lines({"a": 3, "t": "2024-01-01T10:00:02", "d": {"p": []}, "c": None}),
        },
        "mixed": {"a.jsonl": lines({"m": [{"role": "u", "content": "x"}, {"role": "a", "content": [{"t": 1}]}], "k": 1},
                                   {"m": [], "k": "text"}, {"m": [{"role": "u", "content": None}], "k": None})},
        "array": {"a.json": json.dumps([{"a": 1, "f": 0.123456789012345}, {"a": 2, "b": [1, 2]}]).encode()},
        "text": {"a.txt": "eins\n\nzwei\r\ndrei äöü".encode()},
        "arrow": {"a.arrow": arrow.getvalue()},
        "parquet": {"data/train-00000-of-00001.parquet": parquet.getvalue()},
        "packed": {"data/train.csv.gz": gzip.compress(b"a,b\n3,g\n"), "data/train.csv.bz2": bz2.compress(b"a,b\n4,h\n"),
                   "data/train.zip": packed()},
        "images": {**{f"train/{n}.png": png(4 + n) for n in range(4)},
                   "train/metadata.jsonl": lines(*({"file_name": f"{n}.png", "text": f"t{n}", "box": [[n, 1.5]]}
                                                   for n in (2, 0, 3)))},
        "labels": {f"train/{'cat' if n % 2 else 'dog'}/{n}.png": png(4 + n) for n in range(5)},
        "sounds": {**{f"{n}.wav": wav(n + 1) for n in range(3)},
                   "metadata.csv": b"file_name,transcription\n2.wav,two\n0.wav,zero\n"},
        "tars": {f"train-{part}.tar": tar({name: data for n in range(4) for name, data in (
            (f"{part}{n}.png", png(4 + n)), (f"{part}{n}.json", json.dumps({"k": n, "w": str(n)}).encode()),
            (f"{part}{n}.cls", b"%d" % n), (f"{part}{n}.txt", b"caption"))}) for part in range(2)},
        "configs": {
            "README.md": b"---\nconfigs:\n- config_name: one\n  data_files: a/*.csv\n  sep: ';'\n- config_name: two\n"
                         b"  data_files: [{split: train, path: b/x.csv}, {split: extra, path: b/y.csv}]\n---\n",
            "a/1.csv": b"a;b\n1;2\n", "a/2.csv": b"a;b\n3;4\n", "b/x.csv": b"n,s\n1.5,x\n", "b/y.csv": b"n,s\n2,\n",
        },
    }  # fmt: skip
    api = HfApi()
    ids = {}
    for name, files in given.items():
        repo = f"{namespace}/{name}-{secrets.token_hex(4)}"
        api.create_repo(repo, repo_type="dataset")
        operations = [CommitOperationAdd(path, data) for path, data in files.items()]
        api.create_commit(repo, operations, repo_type="dataset", commit_message="Add data")
        ids[name] = repo
    return ids


def waiting(ids: dict[str, str]) -> list[str]:
    """Return the datasets that are not published yet."""
    from huggingface_hub import HfApi

    api = HfApi()
    return [name for name, repo in ids.items() if not api.list_repo_refs(repo, repo_type="dataset").converts]


def load(ids: dict[str, str]) -> dict:
    """Return rows and features of each dataset, as the library reads its files and as it reads the ref."""
    import hashlib
    import sys
    import types

    import datasets
    from huggingface_hub import HfApi, HfFileSystem

    # Sounds need a library of gigabytes to be loaded, though nothing of it to be kept as they are.
    for name in ("torch", "torchcodec", "torchcodec.encoders"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torchcodec.encoders"].AudioEncoder = object  # type: ignore[attr-defined]
    sys.modules["torch"].Tensor = type("Tensor", (), {})  # type: ignore[attr-defined]
    sys.modules["torch"].Generator = type("Generator", (), {})  # type: ignore[attr-defined]
    sys.modules["torch"].nn = types.SimpleNamespace(Module=type("Module", (), {}))  # type: ignore[attr-defined]
    files = HfFileSystem()

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest()
        if isinstance(value, dict) and value.keys() == {"bytes", "path"}:
            data, path = value["bytes"], value["path"]
            if data is None and path.startswith("hf://"):
                data = files.read_bytes(path)
            elif data is None:
                with open(path, "rb") as file:
                    data = file.read()
            return ["media", hashlib.sha256(data).hexdigest()]
        if isinstance(value, dict):
            return {key: plain(below) for key, below in value.items() if key != "__url__"}
        if isinstance(value, list):
            return [plain(below) for below in value]
        return value if value is None or isinstance(value, int | float | str) else str(value)

    def said(split: Any) -> dict[str, Any]:
        rows = [plain(row) for row in split.data.table.to_pylist()]
        return {"features": split.features.to_dict(), "count": len(rows), "rows": rows[:50] + rows[-50:]}

    answers: dict[str, Any] = {}
    for name, repo in ids.items():
        paths = HfApi().list_repo_files(repo, repo_type="dataset", revision="refs/convert/parquet")
        published: dict[str, dict[str, list[str]]] = {}
        for path in paths:
            config, split, _file = path.split("/")
            url = f"hf://datasets/{repo}@refs/convert/parquet/{path}"
            published.setdefault(config, {}).setdefault(split, []).append(url)
        configs = [None] if name != "configs" else ["one", "two"]
        for config in configs:
            direct = datasets.load_dataset(repo, config)
            parquet = datasets.load_dataset("parquet", data_files=published[config or "default"])
            key = name if config is None else f"{name}/{config}"
            answers[key] = [
                {split: said(part) for split, part in found.items()} for found in (direct, parquet)
            ]
    return answers


def frames(url: str, repo: str) -> dict:
    """Read published Parquet by its URL."""
    import io
    import urllib.request

    import pandas as pd
    import polars as pl

    at = f"{url}/datasets/{repo}/resolve/refs%2Fconvert%2Fparquet/default/train/0000.parquet"
    head = urllib.request.urlopen(urllib.request.Request(at, method="HEAD"))
    part = urllib.request.urlopen(urllib.request.Request(at, headers={"Range": "bytes=-4"}))
    lazy = pl.scan_parquet(at).filter(pl.col("id") < 100).select(pl.len()).collect().item()
    whole = pd.read_parquet(io.BytesIO(urllib.request.urlopen(at).read()))
    return {"head": head.status, "tail": part.read().decode(), "part": part.status, "lazy": lazy,
            "pandas": len(pd.read_parquet(at)), "sum": int(whole["id"].sum())}  # fmt: skip


@pytest.fixture(scope="module")
def published(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Client, dict[str, str]]:
    """Alice with a dataset of each format, all of them published."""
    from openhood.testing.venvs import client_python

    home = tmp_path_factory.mktemp("formats")
    client = Client(client_python("ds"), home, hub, hub.tokens["alice"])
    ids = client.call(push, namespace="alice")
    deadline = time.monotonic() + 120
    while (left := client.call(waiting, ids=ids)) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left
    return client, ids


@pytest.fixture(scope="module")
def loaded(published: tuple[Client, dict[str, str]]) -> dict[str, Any]:
    """What ``datasets`` read, both ways."""
    client, ids = published
    answers: dict[str, Any] = client.call(load, ids=ids)
    return answers


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if name != "configs"] + ["configs/one", "configs/two"]
)
def test_rows_are_the_same_from_files_and_ref(loaded: dict[str, Any], name: str) -> None:
    direct, parquet = loaded[name]
    assert direct.keys() == parquet.keys()
    for split, said in direct.items():
        features = json.loads(json.dumps(said["features"]).replace("timestamp[s]", "timestamp[ms]"))
        # Parquet knows no whole seconds: the library itself says this of a file that it wrote.
        assert parquet[split]["features"] == features
        assert parquet[split]["count"] == said["count"] > 0
        assert parquet[split]["rows"] == said["rows"]


def test_frames_read_it_by_url(published: tuple[Client, dict[str, str]], hub: Hub) -> None:
    client, ids = published
    got = client.call(frames, url=hub.url, repo=ids["csv"])
    assert got == {
        "head": 200,
        "tail": "PAR1",
        "part": 206,
        "lazy": 100,
        "pandas": 25_000,
        "sum": sum(range(25_000)),
    }


def test_duckdb_reads_it_by_url(
    make_client: ClientMaker, published: tuple[Client, dict[str, str]], hub: Hub
) -> None:
    def query(url: str, repo: str) -> object:
        import duckdb

        at = f"{url}/datasets/{repo}/resolve/refs%2Fconvert%2Fparquet/default/train/0000.parquet"
        connection = duckdb.connect()
        try:
            connection.execute("INSTALL httpfs; LOAD httpfs")
        except duckdb.Error as error:
            return f"no httpfs: {error}"
        return connection.execute(f"SELECT count(*), sum(id) FROM read_parquet('{at}')").fetchone()

    _client, ids = published
    got = make_client("ds").call(query, url=hub.url, repo=ids["csv"])
    if isinstance(got, str):
        pytest.skip(got[:100])
    assert got == [25_000, sum(range(25_000))]

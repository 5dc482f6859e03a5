"""Datasets of every format, as people lay them out: what goes up from a client, and when it is all published.

The functions run in a client's own environment (`Client.call`), so they import what they need themselves.
"""

from __future__ import annotations

FORMATS = (
    *("csv", "tsv", "json", "mixed", "array", "text", "arrow", "parquet", "packed", "images", "labels"),
    *("zipped", "sounds", "films", "papers", "tars", "configs", "declared", "saved"),
)


def push(namespace: str) -> dict[str, str]:
    """Upload a dataset of each format; returns their ids."""
    import bz2
    import datetime
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
    from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
    from datasets import Image as ImageFeature
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

    def packed(members: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
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
                   "data/train.zip": packed({"z/1.csv": b"a,b\n1,z\n", "2.csv": b"a,b\n2,y\n", ".no.csv": b"a,b\n9,n\n"})},
        "images": {**{f"train/{n}.png": png(4 + n) for n in range(4)},
                   "train/metadata.jsonl": lines(*({"file_name": f"{n}.png", "text": f"t{n}", "box": [[n, 1.5]]}
                                                   for n in (2, 0, 3)))},
        "labels": {f"train/{'cat' if n % 2 else 'dog'}/{n}.png": png(4 + n) for n in range(5)},
        "zipped": {"train.zip": packed({f"in/{n}.png": png(4 + n) for n in range(5)}),
                   "test.zip": packed({"in/9.png": png(9)})},
        "films": {f"{split}/{n}.mp4": b"\0\0\0\x18ftypisom%d" % n for split in ("train", "dev") for n in range(2)},
        "papers": {"metadata.csv": b"file_name,title\na/1.pdf,one\na/2.pdf,two\n",
                   "a/1.pdf": b"%PDF-1.4 one", "a/2.pdf": b"%PDF-1.4 two"},
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
        "declared": {
            "README.md": b"---\ndataset_info:\n  features:\n  - {name: n, dtype: int32}\n  - name: kind\n    dtype:\n"
                         b"      class_label:\n        names:\n          '0': cat\n          '1': dog\n---\n",
            "train.csv": b"n,kind\n1,dog\n2,cat\n", "validation.csv": b"n,kind\n3,cat\n",
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
    ids["saved"] = f"{namespace}/saved-{secrets.token_hex(4)}"
    saved = Dataset.from_dict(
        {
            "picture": [{"bytes": png(7), "path": "7.png"}, None],
            "label": [1, 0],
            "boxes": [[[0.5, 1.5]], []],
            "turns": [[{"role": "user", "text": "hi"}], None],
            "when": [datetime.datetime(2024, 5, 6, 7, 8, 9), None],
        },
        features=Features(
            {
                "picture": ImageFeature(),
                "label": ClassLabel(names=["no", "yes"]),
                "boxes": List(List(Value("float32"))),
                "turns": List({"role": Value("string"), "text": Value("string")}),
                "when": Value("timestamp[us]"),
            }
        ),
    )
    DatasetDict({"train": saved, "test": saved.select([1])}).push_to_hub(ids["saved"])
    saved.push_to_hub(ids["saved"], config_name="more", split="extra")
    return ids


def waiting(ids: dict[str, str]) -> list[str]:
    """Return the datasets that are not published yet."""
    from huggingface_hub import HfApi

    api = HfApi()
    return [name for name, repo in ids.items() if not api.list_repo_refs(repo, repo_type="dataset").converts]

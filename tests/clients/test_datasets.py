"""``datasets`` 5, pandas, Polars and DuckDB: tables go up in every way people use and come back the same."""

from __future__ import annotations

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

pytestmark = pytest.mark.clients


@pytest.fixture
def analyst(make_client: ClientMaker) -> Client:
    """Alice with datasets and the data frame libraries."""
    return make_client("ds", "alice")


def test_push_and_load(analyst: Client, make_client: ClientMaker, hub: Hub) -> None:
    def push(repo: str) -> dict:
        from datasets import Dataset, DatasetDict
        from huggingface_hub import HfApi

        make = lambda start, count: Dataset.from_dict(  # noqa: E731
            {"id": list(range(start, start + count)), "text": [f"row {number}" for number in range(start, start + count)]})  # fmt: skip
        DatasetDict({"train": make(0, 500), "test": make(500, 50)}).push_to_hub(repo)
        make(1000, 300).push_to_hub(repo, config_name="extra", split="train", max_shard_size="2KB")
        make(2000, 10).push_to_hub(repo, config_name="extra", split="validation")
        make(3000, 20).push_to_hub(repo, config_name="draft", create_pr=True)
        api = HfApi()
        return {"files": sorted(api.list_repo_files(repo, repo_type="dataset")),
                "card": api.dataset_info(repo).card_data.to_dict()["configs"],
                "pr": sorted(api.list_repo_files(repo, repo_type="dataset", revision="refs/pr/1"))}  # fmt: skip

    def load(repo: str) -> dict:
        from datasets import (
            get_dataset_config_names,
            get_dataset_split_names,
            load_dataset,
            load_dataset_builder,
        )

        default = load_dataset(repo)
        extra = load_dataset(repo, "extra")
        stream = load_dataset(repo, "extra", split="train", streaming=True)
        some = list(stream.skip(290).take(5))
        sliced = load_dataset(repo, split="train[10:20]")
        draft = load_dataset(repo, "draft", revision="refs/pr/1", split="train")
        return {"configs": sorted(get_dataset_config_names(repo)), "splits": sorted(get_dataset_split_names(repo)),
                "rows": {split: part.num_rows for split, part in default.items()},
                "extra": {split: part.num_rows for split, part in extra.items()}, "first": default["test"][0],
                "some": [each["id"] for each in some], "streamed": sum(1 for _ in stream), "sliced": sliced["id"][:],
                "features": str(load_dataset_builder(repo).info.features), "draft": draft["id"][:]}  # fmt: skip

    repo = hub.new_id("acme")
    pushed = analyst.call(push, repo=repo)
    assert sum(name.startswith("extra/train-") for name in pushed["files"]) > 1
    assert "data/train-00000-of-00001.parquet" in pushed["files"]
    assert [each["config_name"] for each in pushed["card"]] == ["default", "extra"]
    assert not any(name.startswith("draft/") for name in pushed["files"])
    assert any(name.startswith("draft/") for name in pushed["pr"])
    seen = make_client("ds").call(load, repo=repo)
    assert seen["configs"] == ["default", "extra"]
    assert seen["splits"] == ["test", "train"]
    assert seen["rows"] == {"train": 500, "test": 50}
    assert seen["extra"] == {"train": 300, "validation": 10}
    assert seen["first"] == {"id": 500, "text": "row 500"}
    assert seen["some"] == [1290, 1291, 1292, 1293, 1294]
    assert seen["streamed"] == 300
    assert seen["sliced"] == list(range(10, 20))
    assert seen["draft"] == list(range(3000, 3020))


def test_plain_files(analyst: Client, hub: Hub) -> None:
    def story(repo: str, home: str) -> dict:
        import json

        import pandas
        from datasets import load_dataset
        from huggingface_hub import HfApi
        from kit import write_tree

        rows = [{"n": number, "word": f"w{number}"} for number in range(100)]
        frame = pandas.DataFrame(rows)
        write_tree(
            f"{home}/csv",
            {
                "train.csv": frame[:80].to_csv(index=False).encode(),
                "test.csv": frame[80:].to_csv(index=False).encode(),
            },
        )
        write_tree(f"{home}/jsonl", {f"data/train/{part}.jsonl": "\n".join(map(json.dumps, rows[part * 50:part * 50 + 50])).encode()
                                     for part in range(2)})  # fmt: skip
        write_tree(f"{home}/text", {"words.txt": b"one\ntwo\nthree\n"})
        api = HfApi()
        seen = {}
        for kind in ("csv", "jsonl", "text"):
            api.create_repo(f"{repo}-{kind}", repo_type="dataset", private=True)
            api.upload_folder(folder_path=f"{home}/{kind}", repo_id=f"{repo}-{kind}", repo_type="dataset")
            loaded = load_dataset(f"{repo}-{kind}")
            streamed = load_dataset(f"{repo}-{kind}", split="train", streaming=True)
            seen[kind] = [
                {split: part.num_rows for split, part in loaded.items()},
                loaded["train"][1],
                next(iter(streamed)),
            ]
        named = load_dataset("csv", data_files=f"hf://datasets/{repo}-csv/test.csv", split="train")
        return {**seen, "named": named[0]}

    seen = analyst.call(story, repo=hub.new_id(), home=str(analyst.home))
    assert seen["csv"] == [{"train": 80, "test": 20}, {"n": 1, "word": "w1"}, {"n": 0, "word": "w0"}]
    assert seen["jsonl"] == [{"train": 100}, {"n": 1, "word": "w1"}, {"n": 0, "word": "w0"}]
    assert seen["text"] == [{"train": 3}, {"text": "two"}, {"text": "one"}]
    assert seen["named"] == {"n": 80, "word": "w80"}


def test_data_frames(analyst: Client, hub: Hub) -> None:
    def story(repo: str, endpoint: str) -> dict:
        import duckdb
        import fsspec
        import pandas
        from huggingface_hub import HfApi

        HfApi().create_repo(repo, repo_type="dataset")
        frame = pandas.DataFrame({"k": ["a", "b"] * 50_000, "v": range(100_000)})
        frame.to_parquet(f"hf://datasets/{repo}/p.parquet", row_group_size=10_000)
        frame[:10].to_csv(f"hf://datasets/{repo}/c.csv", index=False)
        seen = {
            "pandas": int(pandas.read_parquet(f"hf://datasets/{repo}/p.parquet")["v"].sum()),
            "csv": int(pandas.read_csv(f"hf://datasets/{repo}/c.csv")["v"].sum()),
            "columns": pandas.read_parquet(f"hf://datasets/{repo}/p.parquet", columns=["v"]).shape,
            "filtered": pandas.read_parquet(f"hf://datasets/{repo}/p.parquet", filters=[("v", "<", 5)])[
                "v"
            ].tolist(),
        }
        with fsspec.open(f"hf://datasets/{repo}/p.parquet", "rb") as file:
            seen["fsspec"] = file.read(4).decode()
        connection = duckdb.connect()
        connection.register_filesystem(fsspec.filesystem("hf"))
        seen["duckdb"] = connection.sql(
            f"select k, sum(v)::bigint from 'hf://datasets/{repo}/p.parquet' group by k order by k"
        ).fetchall()
        seen["http"] = int(
            pandas.read_parquet(f"{endpoint}/datasets/{repo}/resolve/main/p.parquet")["v"].sum()
        )
        return seen

    total = sum(range(100_000))
    even = sum(range(0, 100_000, 2))
    seen = analyst.call(story, repo=hub.new_id(), endpoint=hub.url)
    assert seen["pandas"] == seen["http"] == total
    assert seen["csv"] == sum(range(10))
    assert seen["columns"] == [100_000, 1]
    assert seen["filtered"] == [0, 1, 2, 3, 4]
    assert seen["fsspec"] == "PAR1"
    assert seen["duckdb"] == [["a", even], ["b", total - even]]


def test_polars(analyst: Client, hub: Hub) -> None:
    def story(repo: str, endpoint: str) -> dict:
        import fsspec
        import polars
        from huggingface_hub import HfApi

        HfApi().create_repo(repo, repo_type="dataset")
        frame = polars.DataFrame({"k": ["a", "b"] * 5000, "v": range(10_000)})
        with fsspec.open(f"hf://datasets/{repo}/p.parquet", "wb") as file:
            frame.write_parquet(file)
        with fsspec.open(f"hf://datasets/{repo}/p.parquet", "rb") as file:
            opened = polars.read_parquet(file)
        url = f"{endpoint}/datasets/{repo}/resolve/main/p.parquet"
        scanned = polars.scan_parquet(url).group_by("k").agg(polars.col("v").sum()).sort("k").collect()
        return {"same": opened.equals(frame), "scanned": scanned.rows()}

    seen = analyst.call(story, repo=hub.new_id(), endpoint=hub.url)
    assert seen["same"]
    assert seen["scanned"] == [["a", sum(range(0, 10_000, 2))], ["b", sum(range(1, 10_000, 2))]]

"""``datasets`` 5 reads every format itself, and from ``refs/convert/parquet``: rows and features must be the same.

pandas and Polars read the published Parquet by plain URLs.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from clients.drivers import Client, Hub
from clients.pushed import FORMATS, push, waiting

pytestmark = pytest.mark.clients


def load(ids: dict[str, str]) -> dict:
    """Return rows and features of each dataset, as the library reads its files and as it reads the ref."""
    import datasets
    import loading
    from huggingface_hub import HfApi

    loading.pretend_sound()
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
                {split: loading.said(part) for split, part in found.items()} for found in (direct, parquet)
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
    short = pl.scan_parquet(f"{url}/api/datasets/{repo}/parquet/default/train/0.parquet").select(pl.len())
    whole = pd.read_parquet(io.BytesIO(urllib.request.urlopen(at).read()))
    return {"head": head.status, "tail": part.read().decode(), "part": part.status, "lazy": lazy,
            "short": short.collect().item(),
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
        "short": 25_000,
        "pandas": 25_000,
        "sum": sum(range(25_000)),
    }

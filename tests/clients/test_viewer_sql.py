"""Queries from clients on published Parquet: DuckDB by URL and by ``hf://``, ``hf datasets sql``, and lists of the files.

The dataset is private, so each of them has to bring the token that it was given.
"""

from __future__ import annotations

import json
import os

import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub

pytestmark = pytest.mark.clients

ROWS = 30_000
NAMES = {"PYTHONPATH": os.pathsep.join((str(SCRIPTS), str(SCRIPTS / "names")))}
"""With these a client finds names below ``localhost``."""


def install(home: str) -> str:
    """Give DuckDB the extension for HTTP, which it would fetch by itself where it may."""
    from duckdb_extensions import import_extension

    import_extension("httpfs")
    return home


def push(repo: str, rows: int) -> list[str]:
    """Upload a private CSV and wait until it is published."""
    import time

    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo, repo_type="dataset", private=True)
    data = "id,text\n" + "".join(f"{n},word{n % 7}\n" for n in range(rows))
    api.upload_file(
        path_or_fileobj=data.encode(), path_in_repo="train.csv", repo_id=repo, repo_type="dataset"
    )
    for _attempt in range(120):
        if api.list_repo_refs(repo, repo_type="dataset").converts:
            return api.list_repo_files(repo, repo_type="dataset", revision="refs/convert/parquet")
        time.sleep(1)
    raise AssertionError("nothing was published")


@pytest.fixture(scope="module")
def dataset(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A private dataset of alice, published."""
    from openhood.testing.venvs import client_python

    client = Client(client_python("hub-2.4"), tmp_path_factory.mktemp("pushed"), hub, hub.tokens["alice"])
    repo = hub.new_id()
    assert client.call(push, repo=repo, rows=ROWS) == ["default/train/0000.parquet"]
    return repo


@pytest.fixture
def analyst(make_client: ClientMaker) -> Client:
    """Alice with DuckDB, which has its extension for HTTP."""
    client = make_client("duck", "alice")
    client.call(install, home=str(client.home))
    return client


def test_sql_of_the_command_line(analyst: Client, make_client: ClientMaker, hub: Hub, dataset: str) -> None:
    urls = [
        f"{hub.url}/api/datasets/{dataset}/parquet/default/train/0.parquet",
        f"{hub.url}/datasets/{dataset}/resolve/refs%2Fconvert%2Fparquet/default/train/0000.parquet",
    ]
    for url in urls:
        ran = analyst.hf(
            "datasets", "sql", f"SELECT count(*) AS n, sum(id) AS s FROM '{url}'", "--format", "json"
        )
        assert ran.code == 0, ran.text
        assert json.loads(ran.out) == [{"n": ROWS, "s": sum(range(ROWS))}]
    stranger = make_client("duck")
    stranger.call(install, home=str(stranger.home))
    refused = stranger.hf("datasets", "sql", f"SELECT count(*) FROM '{urls[0]}'")
    assert refused.code != 0
    assert str(ROWS) not in refused.out


def test_duckdb_by_url(analyst: Client, hub: Hub, dataset: str) -> None:
    def query(url: str, token: str) -> list:
        import duckdb

        connection = duckdb.connect()
        connection.execute("LOAD httpfs")
        connection.execute(f"CREATE SECRET here (TYPE HTTP, BEARER_TOKEN '{token}', SCOPE '{url}')")
        at = f"{url}/0.parquet"
        found = connection.execute(f"SELECT count(*), sum(id) FROM read_parquet(['{at}'])").fetchone()
        some = connection.execute(
            f"SELECT id FROM '{at}' WHERE text = 'word3' ORDER BY id DESC LIMIT 2"
        ).fetchall()
        return [*found, *(row[0] for row in some)]

    url = f"{hub.url}/api/datasets/{dataset}/parquet/default/train"
    got = analyst.call(query, url=url, token=hub.tokens["alice"])
    last = [n for n in range(ROWS) if n % 7 == 3][::-1][:2]
    assert got == [ROWS, sum(range(ROWS)), *last]


def test_file_systems(make_client: ClientMaker, dataset: str) -> None:
    def query(repo: str) -> list:
        import duckdb
        import fsspec
        import pandas
        import polars

        at = f"hf://datasets/{repo}@refs/convert/parquet/default/train"
        files = fsspec.filesystem("hf")
        connection = duckdb.connect()
        connection.register_filesystem(files)
        with files.open(f"{at}/0000.parquet") as file:
            frame = polars.read_parquet(file)
        return [
            connection.execute(f"SELECT count(*), sum(id)::BIGINT FROM '{at}/*.parquet'").fetchone(),
            int(pandas.read_parquet(f"{at}/0000.parquet")["id"].sum()),
            frame["id"].sum(),
        ]

    total = sum(range(ROWS))
    assert make_client("ds", "alice").call(query, repo=dataset) == [[ROWS, total], total, total]


def test_lists_of_the_files(make_client: ClientMaker, hub: Hub, dataset: str) -> None:
    """The library asks the public hub only; told that this is it, it understands the viewer's own host."""

    def ask(repo: str, url: str) -> dict:
        import kit
        from huggingface_hub import HfApi, constants

        refused = kit.failure(lambda: HfApi().list_dataset_parquet_files(repo))
        constants._HF_DEFAULT_ENDPOINT = url
        constants.DATASETS_SERVER_ENDPOINT = url.replace("://", "://datasets-server.")
        api = HfApi()
        found = [
            [each.config, each.split, each.url, each.size] for each in api.list_dataset_parquet_files(repo)
        ]
        one = [each.url for each in api.list_dataset_parquet_files(repo, config="default")]
        none = kit.failure(lambda: api.list_dataset_parquet_files(repo, token=False))
        wrong = kit.failure(lambda: api.list_dataset_parquet_files(repo, config="other"))
        return {"refused": refused["kinds"][0], "found": found, "one": one,
                "none": [none["status"], none["code"]], "wrong": [wrong["status"], wrong["code"]]}  # fmt: skip

    got = make_client("hub-2.4", "alice", more_env=NAMES).call(ask, repo=dataset, url=hub.url)
    at = f"{hub.url}/datasets/{dataset}/resolve/refs%2Fconvert%2Fparquet/default/train/0000.parquet"
    ((config, split, url, size),) = got["found"]
    assert (config, split, url) == ("default", "train", at)
    assert size > 0
    assert got["one"] == [at]
    assert got["refused"] == "ValueError"
    assert got["none"] == [401, "ExternalUnauthenticatedError"]
    assert got["wrong"] == [404, "ConfigNotFoundError"]

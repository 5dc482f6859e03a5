"""Pages of a hundred rows of a megabyte each: whole, for many at once, and not in the memory of who answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import orjson
import pyarrow as pa
import pytest

from crash.site import DECLARATION, TOKEN
from crash.wire import memory_bytes
from openhood.testing.server import Server, provision, start_server
from viewer import samples

ROWS = 100
TEXT_BYTES = 900_000
PAGE = "/api/datasets/alice/long/viewer/rows?config=default&split=train&offset={}&length={}"
MOST_BYTES = 400_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub with a dataset of long texts."""
    data_dir = tmp_path_factory.mktemp("large")
    provision(data_dir, DECLARATION)
    with start_server(data_dir) as running:
        _fill(running)
        yield running


def _text(row: int) -> str:
    return f"{row:08}" * (TEXT_BYTES // 8)


def _fill(server: Server) -> None:
    made = samples.parquet(
        pa.table({"text": [_text(row) for row in range(130)]}), group=10, compression="zstd"
    )
    value = {"path": "train.parquet", "content": base64.b64encode(made).decode(), "encoding": "base64"}
    lines = [{"key": "header", "value": {"summary": "Long texts"}}, {"key": "file", "value": value}]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as alice:
        created = alice.post("/api/repos/create", json={"name": "long", "type": "dataset"})
        assert created.status_code == 200, created.text
        done = alice.post(
            "/api/datasets/alice/long/commit/main",
            content="\n".join(map(json.dumps, lines)),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert done.status_code == 200, done.text


def test_a_page_of_ninety_megabytes_is_whole(server: Server) -> None:
    answer = httpx.get(server.url + PAGE.format(7, ROWS), timeout=120)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content) > ROWS * TEXT_BYTES
    assert answer.headers["etag"]
    found = orjson.loads(answer.content)
    assert [row["row"]["text"] for row in found["rows"]] == [_text(row) for row in range(7, 7 + ROWS)]


def test_pages_for_many_slow_clients_are_not_held_in_memory(server: Server) -> None:
    """Eight pages of 90 MB: half are fetched as fast as it goes, half by clients that hardly read."""
    with ExitStack() as stack:
        slow = []
        for start in range(4):
            client = stack.enter_context(httpx.Client(timeout=120))
            answer = stack.enter_context(client.stream("GET", server.url + PAGE.format(start, ROWS)))
            assert answer.status_code == 200
            slow.append(answer)

        def fetch(start: int) -> int:
            with httpx.stream("GET", server.url + PAGE.format(start, ROWS), timeout=120) as answer:
                return sum(map(len, answer.iter_raw()))

        with ThreadPoolExecutor(4) as pool:
            assert all(size > ROWS * TEXT_BYTES for size in pool.map(fetch, range(10, 14)))
        assert memory_bytes(server.pid, peak=True) < MOST_BYTES
        # Small questions are answered meanwhile.
        assert httpx.get(server.url + PAGE.format(0, 1), timeout=120).status_code == 200
        assert sum(map(len, slow[0].iter_raw())) > ROWS * TEXT_BYTES
    assert memory_bytes(server.pid, peak=True) < MOST_BYTES


def test_more_than_an_answer_may_have_is_refused(server: Server) -> None:
    """A text that is doubled by what JSON escapes is larger than a page may be."""
    statement = {"sql": "SELECT repeat(chr(1), 500000) AS text FROM range(60)"}
    answer = httpx.post(
        f"{server.url}/api/datasets/alice/long/viewer/sql",
        json=statement,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=120,
    )
    assert (answer.status_code, answer.headers["x-error-code"]) == (500, "TooBigContentError"), answer.text[
        :300
    ]
    assert "MiB" in answer.json()["error"]
    assert httpx.get(server.url + PAGE.format(0, 1), timeout=120).status_code == 200

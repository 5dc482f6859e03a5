"""Hostile files against a hub that really serves: each is refused in the viewer's own form, in time and in little memory.

Whatever becomes of the process that reads such a file, the hub answers the next question, and takes no more memory.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api import lfs_client
from openhood.testing.server import Server, provision, start_server
from viewer import hostile, samples

TOKEN = "hf_aliceWrites"
DECLARATION = {
    "users": [
        {
            "name": "alice",
            "email": "a@example.org",
            "tokens": [{"name": "ci", "value": TOKEN, "role": "write"}],
        }
    ]
}
LIMITS = {
    "OPENHOOD_VIEWER_MEMORY_BYTES": str(3 * 512 * 1024**2),
    "OPENHOOD_VIEWER_PAGE_TIMEOUT_S": "10",
    "OPENHOOD_VIEWER_JOB_TIMEOUT_S": "10",
}
WEB_BYTES = 400 * 1024**2
"""What the process that answers may take, at its peak."""
CODES = {
    *("StreamingRowsError", "TooBigContentError", "ResponseTimeoutError", "TooManyColumnsError"),
    *("DatasetGenerationCastError", "ResponseNotReady", "EmptyDatasetError", "DataFilesNotFoundError"),
}
ENDPOINTS = ("first-rows", "rows", "statistics", "search", "filter", "size", "info", "parquet", "is-valid")


@dataclass
class Stand:
    """A running hub with alice in it, who owns a good dataset."""

    server: Server
    alice: httpx.Client
    good: str = ""

    def make(self, name: str, data: bytes) -> str:
        """Make a dataset of one file and return its id."""
        repo = f"alice/d{secrets.token_hex(5)}"
        body = {"type": "dataset", "name": repo.partition("/")[2]}
        assert self.alice.post("/api/repos/create", json=body).status_code == 200
        lfs_client.upload(self.alice, f"datasets/{repo}", data)
        said = {"path": name, "algo": "sha256", "oid": lfs_client.sha256(data), "size": len(data)}
        lines = [
            {"key": "header", "value": {"summary": "x", "description": ""}},
            {"key": "lfsFile", "value": said},
        ]
        answer = self.alice.post(
            f"/api/datasets/{repo}/commit/main",
            content="\n".join(map(json.dumps, lines)),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert answer.status_code == 200, answer.text
        return repo

    def ask(self, repo: str, endpoint: str) -> httpx.Response:
        """Ask the viewer about the one split of a dataset."""
        more = {"search": {"query": "a"}, "filter": {"where": '"x" is null'}}.get(endpoint, {})
        params = {"config": "default", "split": "train", **more}
        return self.alice.get(f"/api/datasets/{repo}/viewer/{endpoint}", params=params)

    def check(self, repo: str) -> dict[str, str]:
        """Ask all there is to ask; returns the codes of the refusals."""
        refusals = {}
        for endpoint in ENDPOINTS:
            answer = self.ask(repo, endpoint)
            assert answer.headers["content-type"] == "application/json"
            if answer.status_code == 200:
                answer.json()
                continue
            code = answer.headers["x-error-code"]
            told = answer.json()["error"]
            # Not every table has the column that the condition is about.
            is_wrong = (endpoint, code) == ("filter", "InvalidParameter")
            assert code in CODES or is_wrong, (endpoint, code, told)
            if not is_wrong and code != "ResponseNotReady":
                refusals[endpoint] = code
            assert len(told) > 15
            for secret in ("Traceback", "/tmp", "site-packages", "/usr/"):
                assert secret not in answer.text, (endpoint, answer.text[:500])
            assert answer.headers.get("x-revision"), (endpoint, code, told)
        # The next question is answered as if nothing had been.
        assert self.alice.get("/health").status_code == 200
        assert self.ask(self.good, "rows").json()["num_rows_total"] == 200
        assert self.peak_bytes() < WEB_BYTES
        return refusals

    def peak_bytes(self) -> int:
        """Return the most memory that the process that answers has taken so far."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One hub for all; it must last."""
    data_dir = tmp_path_factory.mktemp("hostile")
    provision(data_dir, DECLARATION)
    with (
        start_server(data_dir, env=LIMITS) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120) as alice,
    ):
        opened = Stand(server, alice)
        opened.good = opened.make("train.parquet", samples.parquet(samples.table(200)))
        yield opened
        assert alice.get("/health").status_code == 200


@pytest.mark.parametrize("lie", hostile.LIES)
def test_footers_that_lie(stand: Stand, lie: str) -> None:
    stand.check(stand.make("train.parquet", hostile.lying(hostile.LIES[lie])))


Made = Callable[[], bytes]
REFUSED: dict[str, tuple[str, Made]] = {
    "a page of gigabytes": ("train.parquet", lambda: hostile.giant_page(2**28 - 8)),
    "a page that claims less than it has": ("train.parquet", lambda: hostile.giant_page(2**23, claimed=8)),
    "a page that claims more than it has": (
        "train.parquet",
        lambda: hostile.giant_page(2**23, claimed=2**31 - 1),
    ),
    "a page of a negative size": ("train.parquet", lambda: hostile.giant_page(2**23, claimed=-(2**31))),
    "lists 200 deep": ("train.parquet", lambda: hostile.deep_lists(200)),
    "objects 200 deep": ("train.parquet", lambda: hostile.deep_structs(200)),
    "a broken Arrow schema": ("train.parquet", hostile.broken_arrow_schema),
    "a million columns": ("train.csv", lambda: hostile.wide_csv(1_000_000)),
    "a million columns packed": ("train.csv.gz", lambda: hostile.zstd_bomb(64 * 2**20, of=b"c,")),
    "gzip": ("train.csv.gz", lambda: hostile.gzip_bomb(3 * hostile.GIB)),
    "bzip2": ("train.jsonl.bz2", lambda: hostile.bz2_bomb(3 * hostile.GIB)),
    "zstd": ("train.csv.zst", lambda: hostile.zstd_bomb(3 * hostile.GIB)),
    "zstd of one line": ("train.txt.zst", lambda: hostile.zstd_bomb(2 * hostile.GIB, of=b"a")),
    "zip": ("train.zip", lambda: hostile.zip_bomb(hostile.GIB, 500)),
    "JSON 10,000 deep": ("train.jsonl", lambda: hostile.deep_json(10_000, array=True)),
    "JSON objects 10,000 deep": ("train.jsonl", lambda: hostile.deep_json(10_000, array=False)),
    "JSON of one document 10,000 deep": (
        "train.json",
        lambda: b"[" + hostile.deep_json(10_000, array=False)[:-1],
    ),
    "a tar that says it is large": ("train.tar", lambda: hostile.tar_of_size(2**50)),
    "a tar of long headers": ("train.tar.gz", lambda: hostile.tar_of_long_headers(3 * hostile.GIB)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(stand: Stand, name: str) -> None:
    path, made = REFUSED[name]
    refusals = stand.check(stand.make(path, made()))
    assert {"first-rows", "rows"} <= refusals.keys()


ODD: dict[str, tuple[str, Made]] = {
    "features nested deep": (
        "train.parquet",
        lambda: hostile.said_features('{"info":{"features":' + "[" * 200_000),
    ),
    "features that are another's": (
        "train.parquet",
        lambda: hostile.said_features('{"info":{"features":{"x":{"_type":"Image"},"y":{"_type":"Value"}}}}'),
    ),
    "features of no kind": ("train.parquet", lambda: hostile.said_features('{"info":{"features":{"x":7}}}')),
    "keys of each line": ("train.jsonl", lambda: hostile.many_keys(30_000)),
    "a number without end": ("train.jsonl", lambda: b'{"x": 1' + b"0" * 200_000 + b"}\n"),
    "lone surrogates": ("train.jsonl", lambda: b'{"x": "\\ud800"}\n' * 10),
    "zeros": ("train.csv", lambda: bytes(1_000_000)),
    "an open quote": ("train.csv", lambda: b'a,b\n"' + b"x\n" * 2_000_000),
    "names that are markup": ("train.csv", lambda: b"<script>alert(1)</script>,=cmd()\n1,2\n"),
    "a line of 100 MB": ("train.txt", lambda: b"a" * 100_000_000),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_read_or_refused(stand: Stand, name: str) -> None:
    path, made = ODD[name]
    stand.check(stand.make(path, made()))


def test_a_bomb_of_lines_has_first_rows_and_no_others(stand: Stand) -> None:
    refusals = stand.check(stand.make("train.txt.zst", hostile.zstd_bomb(3 * hostile.GIB, of=b"aaa\n")))
    assert not {"first-rows", "rows"} & refusals.keys()
    assert {"statistics", "filter"} <= refusals.keys()


@pytest.mark.parametrize("name", ["train.tar", "train.zip"])
def test_nothing_outside_of_an_archive_is_read(stand: Stand, name: str) -> None:
    members = hostile.leading_out(b"inner\n")
    made = hostile.tar_of(members) if name.endswith("tar") else hostile.zip_of(members)
    repo = stand.make(f"train/{name}", made)
    assert stand.check(repo) == {}
    rows = [each["row"] for each in stand.ask(repo, "rows").json()["rows"]]
    assert "root:" not in json.dumps(rows)
    assert {row.get("text", row.get("txt")) for row in rows} == {"inner", "inner\n"} & {
        row.get("text", row.get("txt")) for row in rows
    }


# --- pictures and what pretends to be one ---------------------------------------------------

CELLS: dict[str, Made] = {
    "50000.png": lambda: hostile.png_of(50_000, 50_000),
    "bomb.png": lambda: hostile.png_of(9_000, 9_000, rows=9_000),
    "text.png": lambda: hostile.png_of_text(300_000_000),
    "many.gif": lambda: hostile.gif_of(9_000, 9_000),
    "cut.jpg": lambda: samples.jpeg()[:300],
    "empty.png": lambda: b"",
    "evil.svg": lambda: hostile.EVIL_SVG,
    "evil.html": lambda: hostile.EVIL_HTML,
    "page.png": lambda: hostile.EVIL_HTML,
    "drawing.png": lambda: hostile.EVIL_SVG,
    "../../etc/passwd.png": lambda: b"MZ\x90\0",
}


@pytest.fixture(scope="module")
def pictured(stand: Stand) -> dict[str, str]:
    """The links of pictures in a table, by the name that each was given."""
    files = [made() for made in CELLS.values()]
    repo = stand.make("train.parquet", hostile.pictures(files, list(CELLS)))
    assert stand.check(repo) == {}
    rows = stand.ask(repo, "rows").json()["rows"]
    return {name: row["row"]["image"]["src"] for name, row in zip(CELLS, rows, strict=True)}


@pytest.mark.parametrize("name", CELLS)
def test_cells_never_run(stand: Stand, pictured: dict[str, str], name: str) -> None:
    answer = stand.alice.get(pictured[name])
    assert answer.status_code == 200
    assert answer.content == CELLS[name]()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-type"] in (
        "image/png",
        "image/gif",
        "image/jpeg",
        "application/octet-stream",
    )
    if "evil" in name:
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
    small = stand.alice.get(pictured[name], params={"thumb": 256})
    if small.status_code == 200:
        assert small.headers["content-type"] in ("image/png", "image/jpeg")
        assert len(small.content) < 1_000_000
    else:
        assert small.headers["x-error-code"] in CODES
    assert stand.ask(stand.good, "rows").json()["num_rows_total"] == 200
    assert stand.peak_bytes() < WEB_BYTES, stand.peak_bytes()


def test_large_files_in_cells_pass_by_memory(stand: Stand) -> None:
    film = b"\0\0\0\x18ftypisom" + bytes(150 * 1024**2)
    repo = stand.make("train.parquet", hostile.films([film, film[:50]]))
    for row in stand.ask(repo, "rows").json()["rows"]:
        answer = stand.alice.get(row["row"]["video"]["src"])
        assert answer.content == (film, film[:50])[row["row_idx"]]
        part = stand.alice.get(row["row"]["video"]["src"], headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
    assert stand.peak_bytes() < WEB_BYTES, stand.peak_bytes()


def test_a_page_of_90_megabytes(stand: Stand) -> None:
    repo = stand.make("train.parquet", hostile.long_texts(90, 1024**2))
    for _time in range(2):
        answer = stand.ask(repo, "rows")
        assert [len(each["row"]["text"]) for each in answer.json()["rows"]] == [1024**2] * 90
    assert stand.ask(repo, "first-rows").json()["truncated"]
    assert stand.peak_bytes() < WEB_BYTES, stand.peak_bytes()

"""``kill -9`` of a hub that converts: the job is done again, and nothing is left behind that nobody names."""

from __future__ import annotations

import io
import json
import random
import time
from pathlib import Path

import httpx
import pyarrow.parquet as pq
from sqlalchemy import select

from api import lfs_client
from openhood.app import open_services
from openhood.base.settings import load_settings
from openhood.domain import fsck
from openhood.infra.db.tables import repo_lfs, repos
from openhood.testing.server import Server, provision, start_server

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
SPLITS = ("train", "validation", "test")
KILLS = 2


def _commit(client: httpx.Client, rows: int) -> set[str]:
    """Commit a CSV for each split; returns the hashes of their contents."""
    hashes = set()
    lines: list[object] = [{"key": "header", "value": {"summary": "Data", "description": ""}}]
    for split in SPLITS:
        data = b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"words " * 30) for n in range(rows))
        lfs_client.upload(client, "datasets/alice/killed", data)
        said = {"path": f"{split}.csv", "algo": "sha256", "oid": lfs_client.sha256(data), "size": len(data)}
        lines.append({"key": "lfsFile", "value": said})
        hashes.add(lfs_client.sha256(data))
        rows += 1
    answer = client.post(
        "/api/datasets/alice/killed/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    return hashes


def _client(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)


def _published(client: httpx.Client) -> dict[str, int] | None:
    """Return how many rows each split has in the ref; None where there is none."""
    at = "/datasets/alice/killed/resolve/refs%2Fconvert%2Fparquet/default"
    counts = {}
    for split in SPLITS:
        answer = client.get(f"{at}/{split}/0000.parquet", follow_redirects=True)
        if answer.status_code == 404:
            return None
        counts[split] = pq.read_metadata(io.BytesIO(answer.content)).num_rows
    return counts


def test_killed_while_converting(tmp_path: Path) -> None:
    provision(tmp_path, DECLARATION)
    chance = random.Random(7)
    own_hashes: set[str] = set()
    for kill in range(KILLS):
        with start_server(tmp_path) as server, _client(server) as client:
            if kill == 0:
                body = {"type": "dataset", "name": "killed", "organization": "alice"}
                assert client.post("/api/repos/create", json=body).status_code == 200
            own_hashes |= _commit(client, 20_000 + 10 * kill)
            # The job begins two seconds after its commit.
            time.sleep(2.2 + chance.uniform(0, 2.5))
            server.kill()
    # A killed job is taken up again when its lease is over; a commit brings one that is due at once.
    with start_server(tmp_path) as server, _client(server) as client:
        own_hashes |= _commit(client, 20_000 + 10 * KILLS)
        wanted = {split: 20_000 + 10 * KILLS + at for at, split in enumerate(SPLITS)}
        deadline = time.monotonic() + 60
        while _published(client) != wanted and time.monotonic() < deadline:
            time.sleep(0.3)
        assert _published(client) == wanted
        tree = client.get(
            "/api/datasets/alice/killed/tree/refs%2Fconvert%2Fparquet", params={"recursive": "1"}
        ).json()
        own = client.get("/api/datasets/alice/killed/commits/main").json()
    assert len(own) == KILLS + 2
    named = {item["lfs"]["oid"] for item in tree if item["type"] == "file"}
    settings, _ = load_settings(environ={}, flags={"data_dir": tmp_path})
    sv = open_services(settings, migrate=False)
    try:
        with sv.db.read() as tx:
            number = tx.execute(select(repos.c.id)).scalar_one()
            linked = set(tx.execute(select(repo_lfs.c.sha256).where(repo_lfs.c.repo_id == number)).scalars())
        # Objects of every CSV ever committed, and of nothing else but the ref.
        assert named <= linked
        assert len(linked - named) == len(own_hashes)
        found = [
            each for each in fsck.check_all(sv, deep=True, step=lambda _what: None) if each.level != "note"
        ]
        assert found == []
    finally:
        sv.db.close()

"""The hub's memory stays flat whatever the size of a file that goes up or comes down."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crash.site import DECLARATION, TOKEN
from crash.wire import memory_bytes
from openhood.testing.server import Server, provision, start_server
from openhood.testing.tcp import Git

GIB = 1024**3
BLOCK = random.Random(1).randbytes(1024 * 1024)
# What came whole is cut into chunks meanwhile, with a xorb of 64 MiB at hand; the clients of S3 buffer on both sides.
LIMITS_BYTES = {"local": 300_000_000, "s3": 400_000_000}


def _blocks() -> Iterator[bytes]:
    for number in range(1024):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def _digest(blocks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.scale
@pytest.mark.parametrize("store", ["local", "s3"])
def test_a_gibibyte_up_and_down(tmp_path: Path, request: pytest.FixtureRequest, store: str) -> None:
    env = {"OPENHOOD_LOG_LEVEL": "warning", "OPENHOOD_REDIRECT_DOWNLOADS": "false"}
    if store == "s3":
        env["OPENHOOD_OBJECTS_URL"] = request.getfixturevalue("s3_url")
    provision(tmp_path / "data", DECLARATION, env=env)
    with start_server(tmp_path / "data", env=env) as server:
        alice = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=600)
        alice.post("/api/repos/create", json={"name": "m", "type": "model"}).raise_for_status()
        oid = _digest(_blocks())
        for transfers in (["basic"], ["basic", "multipart"]):
            _up_and_down(alice, server, oid, transfers, limit_bytes=LIMITS_BYTES[store])
        _push_and_clone(server, Git(tmp_path / "git"), limit_bytes=LIMITS_BYTES[store])


def _up_and_down(
    alice: httpx.Client, server: Server, oid: str, transfers: list[str], *, limit_bytes: int
) -> None:
    repo = f"m{len(transfers)}"
    alice.post("/api/repos/create", json={"name": repo, "type": "model"}).raise_for_status()
    wish = {"oid": oid, "size": GIB}
    body = {"operation": "upload", "transfers": transfers, "objects": [wish]}
    answer = alice.post(f"/alice/{repo}.git/info/lfs/objects/batch", json=body).json()
    action = answer["objects"][0]["actions"]["upload"]
    if answer["transfer"] == "basic":
        alice.put(action["href"], content=_blocks(), headers={"Content-Length": str(GIB)}).raise_for_status()
    else:
        size = int(action["header"].pop("chunk_size"))
        blocks, named = _blocks(), []
        for number, url in sorted(action["header"].items()):
            piece = b"".join(next(blocks) for _ in range(size // len(BLOCK)))
            etag = alice.put(url, content=piece).raise_for_status().headers["etag"]
            named.append({"partNumber": int(number), "etag": etag})
        alice.post(action["href"], json={"oid": oid, "parts": named}).raise_for_status()
    line = f'{{"key":"lfsFile","value":{{"path":"big.bin","algo":"sha256","oid":"{oid}","size":{GIB}}}}}'
    commit = f'{{"key":"header","value":{{"summary":"big"}}}}\n{line}'
    headers = {"Content-Type": "application/x-ndjson"}
    alice.post(f"/api/models/alice/{repo}/commit/main", content=commit, headers=headers).raise_for_status()
    with alice.stream("GET", f"/alice/{repo}/resolve/main/big.bin") as answer:
        assert answer.status_code == 200
        assert _digest(answer.iter_raw()) == oid
    held = memory_bytes(server.pid, peak=True)
    print(f"{answer.request.url}: {held / 1e6:.0f} MB at most")
    assert held < limit_bytes


def _push_and_clone(server: Server, git: Git, *, limit_bytes: int) -> None:
    """The same for 200 MB of git objects, every file small enough for git."""
    work = git.work_tree("work")
    for number in range(25):
        rng = random.Random(number)
        git.commit(work, {f"{number}.txt": rng.randbytes(8_000_000)})
    url = server.url.replace("://", f"://alice:{TOKEN}@") + "/alice/m"
    git("push", "-q", "-f", url, "HEAD:main", cwd=work)
    git("clone", "-q", url, str(git.home / "clone"))
    assert subprocess.run(["diff", "-r", "-x", ".git", work, git.home / "clone"], check=False).returncode == 0
    held = memory_bytes(server.pid, peak=True)
    print(f"push and clone: {held / 1e6:.0f} MB at most")
    assert held < limit_bytes

"""Xet clients that work on a hub without a pause, dedup against what they remember, and know what must be there."""

from __future__ import annotations

import json
import random
from typing import Any

from crash.site import Site
from crash.workers import Worker, add_lfs, header, list_files, send_commit
from crash.xetpieces import Piece, Run, make_shard, pack, read_as_chunks

POOL = 12
MOST_FILES = 6


class XetUploader(Worker):
    """Uploads files as chunks and commits them; throws whole repositories away, so that there is garbage.

    Contents come out of a pool that all uploaders share, mixed with new bytes. As real clients do, it does not send
    a xorb again that it remembers; as they do not, it sends it again where the hub says that it is not there.
    """

    def __init__(self, site: Site, name: str, seed: int) -> None:
        super().__init__(site, name, seed)
        self._pool_seed = seed
        self.files: dict[str, bytes] = {}
        self._believed: set[str] = set()
        self._read_as_chunks: set[str] = set()

    def set_up(self) -> None:
        self.repo = self.create(self.fresh())

    def step(self) -> None:
        kind = self.rng.random()
        if kind < 0.1:
            self.sure("xorb", lambda _again: self._post_xorb(self._new_piece(), self._access("write")))
        elif (kind < 0.3 and self.files) or len(self.files) > MOST_FILES:
            self._start_over()
        else:
            self._upload()

    def _start_over(self) -> None:
        """Throw the repository away and begin with another."""
        owner, _, name = self.repo.partition("/")
        gone = {"name": name, "organization": owner, "type": "model"}
        self.sure(
            "delete repo",
            lambda again: self.site.request(
                "DELETE", "/api/repos/delete", json=gone, expect=(200, 404) if again else (200,)
            ),
        )
        self.files = {}
        wanted = {"name": self.fresh(), "organization": "alice", "type": "model"}
        self.sure(
            "create repo",
            lambda again: self.site.request(
                "POST", "/api/repos/create", json=wanted, expect=(200, 409) if again else (200,)
            ),
        )
        self.repo = f"alice/{wanted['name']}"

    def _upload(self) -> None:
        path, runs = self.fresh(".bin"), self._choose()
        content = b"".join(run.data for run in runs)
        for _ in range(30):
            fresh = [run.piece for run in runs if run.piece.name not in self._believed]
            for piece in fresh:
                self.sure("xorb", lambda _again, piece=piece: self._post_xorb(piece, self._access("write")))
            shard = make_shard(runs, list({piece.name: piece for piece in fresh}.values()))
            event = self.sure("shard", lambda _again, shard=shard: self._post_shard(shard))
            if event["type"] == "result":
                break
            if event["retryable"]:
                continue
            # What it remembers is gone: a real client would have to have its cache cleared.
            assert "xorb" in event["message"], event
            self.site.count("refused shard", interrupted=False)
            self._believed -= {run.piece.name for run in runs}
        else:
            raise AssertionError(f"the hub goes on refusing the shard: {event}")
        lines = [header(path), add_lfs(path, content)]
        self.sure("xet commit", lambda _again: send_commit(self.site, self.repo, lines))
        self.files[path] = content

    def _choose(self) -> list[Run]:
        runs = []
        for _ in range(self.rng.randint(1, 3)):
            if self.rng.random() < 0.3:
                runs.append(self._new_piece().whole)
                continue
            piece = self._pooled(self.rng.randrange(POOL))
            first = self.rng.randrange(piece.index.chunk_count)
            runs.append(piece.run(first, self.rng.randint(first + 1, piece.index.chunk_count)))
        return runs

    def _new_piece(self) -> Piece:
        return pack(self.rng.randbytes(self.rng.randint(1, 900_000)), self.rng)

    def _pooled(self, number: int) -> Piece:
        chance = random.Random(f"{self._pool_seed}-pool-{number}")
        text = b"".join(b'{"line": %d, "of": %d}\n' % (each, number) for each in range(20_000))
        return pack(chance.randbytes(200_000) + text + chance.randbytes(100_000), chance, most=60_000)

    # --- talking to the CAS

    def _access(self, kind: str) -> tuple[str, dict[str, str]]:
        found = self.site.request("GET", f"/api/models/{self.repo}/xet-{kind}-token/main").json()
        return found["casUrl"], {"Authorization": f"Bearer {found['accessToken']}"}

    def _post_xorb(self, piece: Piece, access: tuple[str, dict[str, str]]) -> None:
        url, headers = access
        for _ in range(10):
            answer = self.site.request(
                "POST",
                f"{url}/v1/xorbs/default/{piece.name}",
                content=piece.body,
                headers=headers,
                expect=(200, 503),
            )
            if answer.status_code == 200:
                self._believed.add(piece.name)
                return
            # It was deleted while it was sent again; clients try five times more.
            self.site.count("xorb to be sent again", interrupted=False)
        raise AssertionError(answer.text)

    def _post_shard(self, shard: bytes) -> dict[str, Any]:
        url, headers = self._access("write")
        answer = self.site.request("POST", f"{url}/v2/shards", content=shard, headers=headers)
        last: dict[str, Any] = json.loads(answer.text.strip().splitlines()[-1])
        return last

    # --- what must be there

    def check(self) -> None:
        assert list_files(self.site, self.repo) == set(self.files)
        self.check_files(self.repo, self.files)
        for path, content in self.files.items():
            if path not in self._read_as_chunks:
                assert read_as_chunks(self.site, self.repo, path) == content, (self.repo, path)
                self._read_as_chunks.add(path)

    def check_anew(self) -> None:
        self._read_as_chunks.clear()
        super().check_anew()

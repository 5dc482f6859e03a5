"""One hub per module for the tests of the dataset viewer, and a desk from which datasets are made and asked about.

``hub`` lives on SQLite and the local disk, its workers are real processes. ``desk`` is alice's, who owns what she
makes; ``samples`` has the tables.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from api import lfs_client
from openhood.testing.hub import HubUnderTest

LFS_FROM_BYTES = 200_000
"""Larger files go to the object store, as clients do it; smaller ones into git."""


@dataclass
class Desk:
    """Alice, who makes datasets; ``stranger`` is nobody, ``bob`` somebody else."""

    hub: HubUnderTest
    token: str
    alice: httpx.Client
    bob: httpx.Client
    stranger: httpx.Client
    _count: int = field(default=0)

    def new_id(self) -> str:
        """Return the id of a dataset that does not exist yet."""
        self._count += 1
        return f"alice/data-{self._count}"

    def make(
        self,
        files: Mapping[str, bytes | str],
        *,
        private: bool = False,
        lfs: bool | None = None,
        gated: str | None = None,
    ) -> str:
        """Make a dataset of these files and return its id; ``lfs`` None: files that are large."""
        repo = self.new_id()
        owner, _, name = repo.partition("/")
        body = {"type": "dataset", "name": name, "organization": owner, "private": private}
        answer = self.alice.post("/api/repos/create", json=body)
        assert answer.status_code == 200, answer.text
        self.commit(repo, files, lfs=lfs)
        if gated is not None:
            answer = self.alice.put(f"/api/datasets/{repo}/settings", json={"gated": gated})
            assert answer.status_code == 200, answer.text
        return repo

    def commit(
        self,
        repo: str,
        files: Mapping[str, bytes | str | None],
        *,
        branch: str = "main",
        lfs: bool | None = None,
        create_pr: bool = False,
    ) -> str:
        """Commit files (None deletes one) and return the commit's oid."""
        lines: list[object] = [{"key": "header", "value": {"summary": "Change files", "description": ""}}]
        for path, given in files.items():
            data = given.encode() if isinstance(given, str) else given
            if data is None:
                lines.append({"key": "deletedFile", "value": {"path": path}})
            elif (lfs is None and len(data) > LFS_FROM_BYTES) or lfs:
                lfs_client.upload(self.alice, f"datasets/{repo}", data)
                said = {"path": path, "algo": "sha256", "oid": lfs_client.sha256(data), "size": len(data)}
                lines.append({"key": "lfsFile", "value": said})
            else:
                content = base64.b64encode(data).decode()
                lines.append(
                    {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}
                )
        answer = self.alice.post(
            f"/api/datasets/{repo}/commit/{branch}",
            params={"create_pr": "1"} if create_pr else {},
            content="\n".join(json.dumps(line) for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["commitOid"])

    def ask(
        self, repo: str, endpoint: str, *, by: httpx.Client | None = None, **params: Any
    ) -> httpx.Response:
        """Ask the viewer; None parameters are left out. ``by`` is alice unless said."""
        given = {name: value for name, value in params.items() if value is not None}
        return (by or self.alice).get(f"/api/datasets/{repo}/viewer/{endpoint}", params=given)

    def get(self, repo: str, endpoint: str, *, by: httpx.Client | None = None, **params: Any) -> Any:
        """Return the viewer's answer, which must be a good one."""
        answer = self.ask(repo, endpoint, by=by, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, repo: str, *, config: str = "default", split: str = "train", **params: Any) -> Any:
        """Return an answer of ``/rows``."""
        return self.get(repo, "rows", config=config, split=split, **params)

    def first_rows(self, repo: str, *, config: str = "default", split: str = "train", **params: Any) -> Any:
        """Return an answer of ``/first-rows``."""
        return self.get(repo, "first-rows", config=config, split=split, **params)


def open_desk(hub: HubUnderTest) -> Desk:
    """Return a desk in a hub of one's own; once per hub."""
    token = hub.add_user("alice")
    return Desk(hub, token, hub.client(token), hub.client(hub.add_user("bob")), hub.client())


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    """The hub of all tests of a module."""
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def desk(hub: HubUnderTest) -> Desk:
    """Alice's desk in the hub of this module."""
    return open_desk(hub)

"""What the commit suites share: NDJSON bodies, a repository to write to, and git as the judge of the result."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx

from openhood.base.names import RefName, RepoId, RepoType
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import Repo
from openhood.engines.git.commands import fsck
from openhood.testing.hub import HubUnderTest

NDJSON = {"Content-Type": "application/x-ndjson"}


def header(summary: str = "change", description: str = "", **more: object) -> dict[str, Any]:
    """A header line."""
    return {"key": "header", "value": {"summary": summary, "description": description, **more}}


def file(path: str, content: bytes, **more: object) -> dict[str, Any]:
    """A line that adds a regular file."""
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64", **more}
    return {"key": "file", "value": value}


def lfs_file(path: str, sha256: str, **more: object) -> dict[str, Any]:
    """A line that adds a pointer."""
    return {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256, **more}}


def delete(path: str, kind: str = "File") -> dict[str, Any]:
    """A line that deletes a File, a Folder or an Entry."""
    return {"key": f"deleted{kind}", "value": {"path": path}}


def ndjson(*lines: dict[str, Any]) -> bytes:
    """A body."""
    return b"\n".join(json.dumps(line).encode() for line in lines)


class Desk:
    """A user with a repository of theirs."""

    def __init__(
        self, hub: HubUnderTest, *, user: str = "alice", name: str = "m", kind: str = "model"
    ) -> None:
        self.hub = hub
        self.token = hub.add_user(user, email=f"{user}@example.org")
        self.client = hub.client(self.token)
        self.type = RepoType(kind)
        self.repo_id = RepoId(user, name)
        self.api = f"/api/{self.type.plural}/{user}/{name}"
        made = self.client.post("/api/repos/create", json={"name": name, "type": kind})
        assert made.status_code == 200, made.text

    @property
    def repo(self) -> Repo:
        """The repository as it is now."""
        with self.hub.sv.db.read() as tx:
            found = rows.get_repo(tx, self.type, self.repo_id)
        assert found is not None
        return found

    def commit(
        self, *lines: dict[str, Any], rev: str = "main", client: httpx.Client | None = None, **query: str
    ) -> httpx.Response:
        """Send a commit with a header unless the lines hold one."""
        if not any(line["key"] == "header" for line in lines):
            lines = (header(), *lines)
        return (client or self.client).post(
            f"{self.api}/commit/{rev}", params=query, content=ndjson(*lines), headers=NDJSON
        )

    def done(self, *lines: dict[str, Any], **options: Any) -> str:
        """Send a commit that must succeed; returns its oid."""
        answer = self.commit(*lines, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["commitOid"])

    def tip(self, ref: str = "refs/heads/main") -> str | None:
        """The commit a ref is at."""
        repo = self.repo
        with self.hub.sv.db.read() as tx:
            found = rows.get_ref(tx, repo.id, RefName(ref))
        return None if found is None else found.commit_oid

    def git(self, *args: str) -> str:
        """Run git on the repository as it is now."""
        with gitdb.snapshot(self.hub.sv, self.repo) as gitdir:
            return run_git(gitdir, *args)

    def files(self, rev: str = "main") -> list[str]:
        """Every path at a revision."""
        return self.git("ls-tree", "-r", "--name-only", "-z", rev).rstrip("\0").split("\0")

    def content(self, path: str, rev: str = "main") -> str:
        """A file's text at a revision."""
        return self.git("cat-file", "blob", f"{rev}:{path}")

    def complaints(self) -> list[str]:
        """What git finds wrong with the repository."""
        with gitdb.snapshot(self.hub.sv, self.repo) as gitdir:
            return fsck(gitdir)

    def add_lfs(self, content: bytes) -> str:
        """Upload an LFS object as a client does; returns its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = f"/{self.type.web_prefix}{self.repo_id}.git/info/lfs/objects/batch"
        asked = self.client.post(
            path,
            json={
                "operation": "upload",
                "transfers": ["basic"],
                "objects": [{"oid": sha256, "size": len(content)}],
            },
            headers={"Accept": "application/vnd.git-lfs+json"},
        )
        assert asked.status_code == 200, asked.text
        upload = asked.json()["objects"][0]["actions"]["upload"]
        sent = self.client.put(upload["href"], content=content, headers=upload.get("header", {}))
        assert sent.status_code == 200, sent.text
        return sha256


def run_git(gitdir: Path, *args: str) -> str:
    """Run git on a git directory and return its output."""
    done = subprocess.run(
        ["git", f"--git-dir={gitdir}", *args],
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": "/nonexistent",
        },
    )
    return done.stdout

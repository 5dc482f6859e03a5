"""A small LFS client for tests: what huggingface_hub does, with every step in the test's hands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import httpx

LFS = "application/vnd.git-lfs+json"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Action:
    """An upload action of a batch answer."""

    href: str
    header: dict[str, str]

    @property
    def chunk_bytes(self) -> int:
        return int(self.header["chunk_size"])

    @property
    def parts(self) -> list[str]:
        return [url for name, url in sorted(self.header.items()) if name != "chunk_size"]


def create_repo(client: httpx.Client, name: str, **body: Any) -> None:
    owner, _, short = name.partition("/")
    answer = client.post("/api/repos/create", json={"name": short, "organization": owner, **body})
    assert answer.status_code == 200, answer.text


def batch(
    client: httpx.Client,
    repo: str,
    *objects: tuple[str, int],
    operation: str = "upload",
    transfers: tuple[str, ...] = ("basic", "multipart"),
    **more: Any,
) -> httpx.Response:
    body = {
        "operation": operation,
        "transfers": list(transfers),
        "objects": [{"oid": oid, "size": size} for oid, size in objects],
        "hash_algo": "sha256",
        **more,
    }
    return client.post(f"/{repo}.git/info/lfs/objects/batch", json=body, headers={"Content-Type": LFS})


def plan(client: httpx.Client, repo: str, data: bytes, **more: Any) -> Action:
    """Ask to upload ``data`` and return what to do."""
    answer = batch(client, repo, (sha256(data), len(data)), **more)
    assert answer.status_code == 200, answer.text
    found = answer.json()["objects"][0]["actions"]["upload"]
    return Action(found["href"], found.get("header", {}))


def upload(client: httpx.Client, repo: str, data: bytes) -> None:
    """Upload ``data`` in one stream and check that it arrived."""
    action = plan(client, repo, data, transfers=("basic",))
    answer = client.put(action.href, content=data)
    assert answer.status_code == 200, answer.text
    assert has(client, repo, data)


def has(client: httpx.Client, repo: str, data: bytes) -> bool:
    """Whether the repository has the object: then an upload needs no action, and a download has one."""
    wished = (sha256(data), len(data))
    up = batch(client, repo, wished).json()["objects"][0]
    down = batch(client, repo, wished, operation="download").json()["objects"][0]
    assert ("actions" not in up and "error" not in up) == ("actions" in down)
    return "actions" in down


def download(client: httpx.Client, repo: str, data: bytes) -> bytes:
    """Fetch the object named by ``data`` over its download action, without credentials."""
    answer = batch(client, repo, (sha256(data), len(data)), operation="download")
    href = answer.json()["objects"][0]["actions"]["download"]["href"]
    found = client.get(href, headers={"Authorization": "Bearer hf_wrong"})
    assert found.status_code == 200, found.text
    return found.content


def commit(client: httpx.Client, repo: str, files: dict[str, bytes], *, branch: str = "main") -> str:
    """Commit objects that were uploaded before; returns the commit's oid."""
    lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "Add files", "description": ""}}]
    for path, data in files.items():
        value = {"path": path, "algo": "sha256", "oid": sha256(data), "size": len(data)}
        lines.append({"key": "lfsFile", "value": value})
    answer = client.post(
        f"/api/models/{repo}/commit/{branch}",
        content="\n".join(json.dumps(line) for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["commitOid"])

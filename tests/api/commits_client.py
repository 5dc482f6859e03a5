"""Committing regular files over the API, as small as it gets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import httpx


def commit(
    client: httpx.Client,
    repo: str,
    files: Mapping[str, bytes | None],
    *,
    kind: str = "models",
    branch: str = "main",
) -> str:
    """Commit ``files`` (None deletes one) and return the commit's oid."""
    lines: list[object] = [{"key": "header", "value": {"summary": "Change files", "description": ""}}]
    for path, data in files.items():
        if data is None:
            lines.append({"key": "deletedFile", "value": {"path": path}})
        else:
            content = base64.b64encode(data).decode()
            lines.append({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
    answer = client.post(
        f"/api/{kind}/{repo}/commit/{branch}",
        content="\n".join(json.dumps(line) for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["commitOid"])

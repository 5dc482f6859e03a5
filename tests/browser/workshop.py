"""A hub for runs that change things: four people, what they have by the API, and files dropped as the browser sees them.

Nothing here asserts anything about a page.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page

from browser import kit
from browser.kit import PASSWORD, LiveHub
from openhood.testing import server

PEOPLE = ("lila", "omar", "noor", "pilar")


@contextmanager
def open_workshop(
    env: Mapping[str, str] | None = None, *, people: Sequence[str] = PEOPLE, port: int = 0
) -> Iterator[LiveHub]:
    """Run a hub in which ``people`` have accounts, until the block ends. *Args*: ``port`` 0 takes a free one."""
    with tempfile.TemporaryDirectory(prefix="openhood-workshop-") as directory:
        data_dir = Path(directory, "data")
        server.provision(data_dir, {"users": [{"name": name, "password": PASSWORD} for name in people]})
        with kit.running(data_dir, dict.fromkeys(people, PASSWORD), env=dict(env or {}), port=port) as live:
            yield live


def create(client: httpx.Client, name: str, *, kind: str = "model", org: str | None = None) -> None:
    """Create a repository."""
    body = {"name": name, "type": kind, **({"organization": org} if org else {})}
    _done(client.post("/api/repos/create", json=body))


def commit(
    client: httpx.Client,
    api_path: str,
    files: Mapping[str, bytes],
    *,
    message: str = "Files",
    branch: str = "main",
) -> str:
    """Commit small files by the API and return the commit's id."""
    lines = [{"key": "header", "value": {"summary": message}}]
    for path, content in files.items():
        encoded = base64.b64encode(content).decode()
        lines.append({"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}})
    body = "".join(json.dumps(each) + "\n" for each in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    made = _done(client.post(f"{api_path}/commit/{branch}", content=body, headers=headers)).json()
    return str(made["commitOid"])


def drop(page: Page, selector: str, paths: list[Path]) -> None:
    """Drag files and folders from the desktop onto an element. Source: Chrome DevTools Protocol, Input domain."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(each) for each in paths], "dragOperationsMask": 1}
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})
    session.detach()


def _done(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 200, f"{answer.url} answered {answer.status_code}: {answer.text[:500]}"
    return answer

"""Clients killed in the middle of what they send: nothing half-done is visible, nothing is left over, a retry works."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clients.drivers import Client
from crash.site import TOKEN, Site, choose_seed
from openhood.testing.processes import clean_environment
from openhood.testing.venvs import client_python

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("killed"))
    yield site
    site.server.stop()


def _kill_after(
    command: Sequence[str],
    seconds: float,
    *,
    cwd: Path | None = None,
    env: dict[str, str],
    once: Callable[[], object] | None = None,
) -> bool:
    """Start a program and kill it, with all it started, after a while; tells whether it still ran.

    ``once``: the while begins when this is true.
    """
    running = subprocess.Popen(
        command,
        cwd=cwd,
        env={**clean_environment(), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while once is not None and running.poll() is None and not once():
        time.sleep(0.002)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)
        return True
    return False


def _scraps(site: Site) -> list[Path]:
    """Files of requests under way."""
    scratch = site.data_dir / "cache" / "git" / "scratch"
    own = [path for each in scratch.iterdir() if each.is_dir() for path in each.iterdir()]
    return [*own, *(site.data_dir / "objects" / ".tmp").iterdir()]


def _parts(site: Site) -> set[str]:
    """The uploads in parts that were begun."""
    directory = site.data_dir / "objects" / ".parts"
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def _wait_until_clean(site: Site) -> None:
    deadline = time.monotonic() + 15
    while _scraps(site):
        assert time.monotonic() < deadline, _scraps(site)
        time.sleep(0.05)


def _create(site: Site, name: str) -> str:
    site.request("POST", "/api/repos/create", json={"name": name, "type": "model"})
    return f"alice/{name}"


def _tips(site: Site, repo: str) -> dict[str, str]:
    refs = site.request("GET", f"/api/models/{repo}/refs").json()
    return {each["ref"]: each["targetCommit"] for each in refs["branches"]}


_CURL = shutil.which("curl")


@pytest.mark.skipif(_CURL is None, reason="curl is not installed")
@pytest.mark.parametrize("what", ["large file", "commit"])
def test_curl_killed_while_it_sends(site: Site, tmp_path: Path, what: str) -> None:
    rng = random.Random(choose_seed())
    repo = _create(site, f"curl-{what.replace(' ', '-')}")
    data = rng.randbytes(6 * MIB)
    if what == "large file":
        wish = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
        asked = {"operation": "upload", "transfers": ["basic"], "objects": [wish]}
        batch = f"/{repo}.git/info/lfs/objects/batch"
        url = site.request("POST", batch, json=asked).json()["objects"][0]["actions"]["upload"]["href"]
        method, body, headers = "PUT", data, []
    else:
        content = base64.b64encode(data).decode()
        lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "x"}}]
        lines.append({"key": "file", "value": {"path": "a.txt", "content": content, "encoding": "base64"}})
        url, method = f"{site.url}/api/models/{repo}/commit/main", "POST"
        body = "\n".join(map(json.dumps, lines)).encode()
        headers = ["-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/x-ndjson"]
    before = _tips(site, repo)
    (tmp_path / "body").write_bytes(body)
    assert _CURL is not None
    command = [_CURL, "-sS", "-X", method, *headers, "--data-binary", f"@{tmp_path / 'body'}", url]

    for _ in range(4):
        assert _kill_after([*command, "--limit-rate", "4M"], rng.uniform(0.1, 1.2), env={"NO_PROXY": "*"})
        _wait_until_clean(site)
        assert _tips(site, repo) == before
        if what == "large file":
            down = {**asked, "operation": "download"}
            assert "error" in site.request("POST", batch, json=down).json()["objects"][0]

    done = subprocess.run([*command, "-f"], env={**clean_environment(), "NO_PROXY": "*"}, check=False)
    assert done.returncode == 0
    if what == "large file":
        assert "actions" in site.request("POST", batch, json=down).json()["objects"][0]
    else:
        assert site.read(repo, "a.txt") == data


def test_git_killed_while_it_pushes(site: Site) -> None:
    rng = random.Random(choose_seed())
    repo = _create(site, "git-killed")
    work = site.git.home / "killed"
    site.git("clone", "--quiet", f"{site.git_url}/{repo}", str(work))
    for _ in range(5):
        old = _tips(site, repo)["refs/heads/main"]
        new = site.git.commit(work, {f"{rng.random()}": rng.randbytes(3 * MIB) for _ in range(2)})
        env = {"HOME": str(site.git.home), "GIT_TERMINAL_PROMPT": "0"}
        _kill_after(["git", "push", "-q", "origin", "HEAD:main"], rng.uniform(0.02, 0.5), cwd=work, env=env)
        _wait_until_clean(site)
        # All of it or nothing; a push that had arrived is carried out even if nobody waits.
        assert _tips(site, repo)["refs/heads/main"] in (old, new)
        site.git("push", "-q", "origin", "HEAD:main", cwd=work)
        assert _tips(site, repo)["refs/heads/main"] == new
    clone = site.git.home / "killed-clone"
    site.git("clone", "--quiet", f"{site.git_url}/{repo}", str(clone))
    assert site.git("status", "--porcelain", cwd=clone) == ""
    assert site.git.run("fsck", "--full", "--strict", cwd=clone).code == 0
    site.check_by_command()


def _upload(endpoint: str, repo: str, folder: str) -> str:
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint).upload_folder(repo_id=repo, folder_path=folder).oid


def test_the_real_client_killed_while_it_uploads(site: Site, tmp_path: Path) -> None:
    rng = random.Random(choose_seed())
    repo = _create(site, "hub-killed")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    # One so large that no machine has sent it by the time the client is killed.
    files = {"a.bin": 9 * MIB, "sub/b.safetensors": 200 * MIB, "c.txt": 100, "d.bin": 2 * MIB}
    for name, size in files.items():
        (folder / name).write_bytes(rng.randbytes(size))
    home = tmp_path / "home"
    home.mkdir()

    class Where:
        url = site.url

    client = Client(python=client_python("hub-2.4"), home=home, hub=Where(), token=TOKEN, xet=False)  # type: ignore[arg-type]
    script = (
        "import sys; from huggingface_hub import HfApi\n"
        "HfApi(endpoint=sys.argv[1]).upload_folder(repo_id=sys.argv[2], folder_path=sys.argv[3])"
    )
    command = [str(client.python), "-c", script, site.url, repo, str(folder)]
    before = _tips(site, repo)["refs/heads/main"]
    killed = 0
    for _ in range(4):
        # In the middle of what it sends: the hub holds some parts of it, which stay for a retry.
        known = _parts(site)
        killed += _kill_after(
            command, rng.uniform(0, 0.05), env=client.env, once=lambda known=known: _parts(site) - known
        )
        _wait_until_clean(site)
        assert _tips(site, repo)["refs/heads/main"] == before

    assert killed == 4
    client.call(_upload, endpoint=site.url, repo=repo, folder=str(folder))
    for name in files:
        assert site.read(repo, name) == (folder / name).read_bytes()
    assert len(site.request("GET", f"/api/models/{repo}/commits/main").json()) == 2
    site.check_by_command()

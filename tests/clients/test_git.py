"""git and git-lfs against a server of its own process: large files end to end, and a server that is killed."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhood import app
from openhood.base.names import RepoType
from openhood.base.settings import Settings
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.repos import lifecycle
from openhood.testing.processes import find_free_port
from openhood.testing.server import Server, start_server
from openhood.testing.tcp import Git

pytestmark = pytest.mark.clients


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Path, str]:
    """A data directory with alice and her model ``m`` and dataset ``d``, and a token of hers."""
    data = tmp_path / "data"
    hub = app.build(Settings(data_dir=data, workers=0))
    accounts.create_user(hub.sv, SYSTEM, name="alice", lenient_name=True)
    _info, token = accounts.create_token(hub.sv, SYSTEM, user="alice", display_name="t", role="write")
    for kind, name in ((RepoType.MODEL, "m"), (RepoType.DATASET, "d")):
        lifecycle.create_repo(
            hub.sv,
            SYSTEM,
            new=lifecycle.NewRepo(type=kind, namespace="alice", name=name, visibility="private"),
        )
    hub.close()
    return data, token


@pytest.fixture
def server(prepared: tuple[Path, str]) -> Iterator[Server]:
    """A running server on the prepared directory."""
    with start_server(prepared[0]) as running:
        yield running


def remote(server: Server, token: str, path: str) -> str:
    return server.url.replace("://", f"://alice:{token}@") + "/" + path


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("path", ["alice/m", "datasets/alice/d.git"])
def test_large_files_go_up_and_come_back_with_git_lfs(
    server: Server, prepared: tuple[Path, str], tmp_path: Path, path: str
) -> None:
    git = Git(tmp_path / "home")
    git("lfs", "install", "--skip-repo")
    work = git.home / "work"
    url = remote(server, prepared[1], path)
    git("clone", "--quiet", url, str(work))
    git("lfs", "track", "*.bin", cwd=work)
    files = {f"weights-{number}.bin": noise(3_000_000 + number, number) for number in range(3)}
    files["same-as-0.bin"] = files["weights-0.bin"]
    tip = git.commit(work, {**files, "small.txt": "small"})
    git("push", "--quiet", "origin", "main", cwd=work)
    clone = git.home / "clone"
    git("clone", "--quiet", url, str(clone))
    assert git("rev-parse", "HEAD", cwd=clone).strip() == tip
    for name, content in files.items():
        assert hashlib.sha256((clone / name).read_bytes()).digest() == hashlib.sha256(content).digest(), name
    assert "weights-1.bin" in git("lfs", "ls-files", cwd=clone)
    checked = git.run("fsck", "--full", "--strict", cwd=clone)
    assert checked.code == 0
    git("lfs", "fsck", cwd=clone)


def test_a_pointer_whose_object_was_not_uploaded_is_refused_until_it_is(
    server: Server, prepared: tuple[Path, str], tmp_path: Path
) -> None:
    git = Git(tmp_path / "home")
    git("lfs", "install", "--skip-repo")
    work = git.home / "work"
    git("clone", "--quiet", remote(server, prepared[1], "alice/m"), str(work))
    git("lfs", "track", "*.bin", cwd=work)
    git.commit(work, {"weights.bin": noise(200_000, 1)})
    refused = git.run("push", "--no-verify", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "git lfs push --all" in refused.text
    git("lfs", "push", "--all", "origin", cwd=work)
    git("push", "--quiet", "--no-verify", "origin", "main", cwd=work)


def test_a_file_over_the_limit_goes_to_lfs_as_the_refusal_says(
    server: Server, prepared: tuple[Path, str], tmp_path: Path
) -> None:
    git = Git(tmp_path / "home")
    git("lfs", "install", "--skip-repo")
    work = git.home / "work"
    url = remote(server, prepared[1], "alice/m")
    git("clone", "--quiet", url, str(work))
    content = noise(10_000_001, 2)
    git.commit(work, {"model.dat": content})
    refused = git.run("push", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "model.dat (10 MB)" in refused.text
    assert 'git lfs migrate import --include="model.dat"' in refused.text
    git("lfs", "migrate", "import", "--include=model.dat", "--yes", cwd=work)
    git("push", "--quiet", "origin", "main", cwd=work)
    clone = git.home / "clone"
    git("clone", "--quiet", url, str(clone))
    assert (clone / "model.dat").read_bytes() == content


def test_clone_of_ten_thousand_files_is_sound(
    server: Server, prepared: tuple[Path, str], tmp_path: Path
) -> None:
    git = Git(tmp_path / "home")
    work = git.work_tree("work")
    url = remote(server, prepared[1], "alice/m")
    tip = git.commit(work, {f"d{number // 1000}/{number}.txt": f"{number}\n" for number in range(10_000)})
    git("push", "--quiet", "--force", url, "main", cwd=work)
    mirror = git.home / "mirror.git"
    git("clone", "--quiet", "--mirror", url, str(mirror))
    assert git("rev-parse", "main", cwd=mirror).strip() == tip
    assert git("ls-tree", "-r", "--name-only", "main", cwd=mirror).count("\n") == 10_000
    checked = git.run("fsck", "--full", "--strict", cwd=mirror)
    assert checked.code == 0
    assert "error" not in checked.text


def test_a_server_killed_during_pushes_loses_nothing_it_acknowledged(
    prepared: tuple[Path, str], tmp_path: Path
) -> None:
    data, token = prepared
    git = Git(tmp_path / "home")
    port = find_free_port()
    chance = random.Random(os.getpid())
    server = start_server(data, port=port)
    url = remote(server, token, "alice/m")
    work = git.home / "work"
    git("clone", "--quiet", url, str(work))
    acknowledged = git("rev-parse", "HEAD", cwd=work).strip()
    number = 0
    try:
        for _ in range(6):
            killer = threading.Timer(chance.uniform(0.05, 0.8), server.kill)
            killer.start()
            possible = {acknowledged}
            while server.is_running:
                number += 1
                tip = git.commit(work, {f"{number}/{each}.txt": f"{number}-{each}\n" for each in range(50)})
                possible.add(tip)
                if git.run("push", "origin", "main", cwd=work).code == 0:
                    possible = {tip}
            killer.join()
            server = start_server(data, port=port)
            found = git("ls-remote", url, "refs/heads/main").split("\t")[0]
            # A push may have landed without the client hearing of it; what it heard of is never lost.
            assert found in possible
            git("push", "--quiet", "origin", "main", cwd=work)
            acknowledged = git("rev-parse", "HEAD", cwd=work).strip()
        mirror = git.home / "mirror.git"
        git("clone", "--quiet", "--mirror", url, str(mirror))
        assert git("rev-parse", "main", cwd=mirror).strip() == acknowledged
        checked = git.run("fsck", "--full", "--strict", cwd=mirror)
        assert checked.code == 0
        assert "error" not in checked.text
        deadline = time.monotonic() + 10
        scratch = data / "cache" / "git" / "scratch"
        while list(scratch.glob("*/*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(scratch.glob("*/*")) == []
    finally:
        server.stop()

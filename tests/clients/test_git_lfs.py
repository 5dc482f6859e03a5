"""``git`` with ``git-lfs``: large files both ways, locks, and one history for git and for the API."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from clients.scripts.kit import noise, pattern, read_tree, sha256, write_tree
from openhood.testing.tcp import Git


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """git with git-lfs set up, in a home of its own."""
    git = Git(tmp_path / "git")
    git("lfs", "install")
    return git


@pytest.fixture
def api(make_client: ClientMaker) -> Client:
    """Alice with the newest Python client, for the other way in."""
    return make_client("hub-2.4", "alice")


@pytest.fixture
def repo(api: Client, hub: Hub) -> str:
    """An empty model of Alice's."""
    name = hub.new_id()

    def create(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo)

    api.call(create, repo=name)
    return name


Clone = Callable[..., Path]


@pytest.fixture
def clone(git: Git, hub: Hub) -> Clone:
    """A function that clones a repository as somebody and returns the directory."""

    def make(repo: str, where: str, who: str | None = "alice", *more: str) -> Path:
        git("clone", "--quiet", *more, hub.git_url(repo, who), where)
        return git.home / where

    return make


def files_of(api: Client, repo: str, revision: str = "main") -> dict[str, str]:
    """Return the digests of a revision as the Python client downloads it."""

    def get(repo: str, revision: str) -> dict:
        from huggingface_hub import snapshot_download
        from kit import read_tree

        return read_tree(snapshot_download(repo, revision=revision))

    seen = api.call(get, repo=repo, revision=revision)
    seen.pop(".gitattributes")
    return dict(seen)


def test_push_and_clone(git: Git, api: Client, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    files = {
        "w.safetensors": pattern(12_000_000),
        "d/x.bin": pattern(1000, 1),
        "e.bin": b"",
        "README.md": b"# Hi\n",
    }
    want = write_tree(work, files)
    git.commit(work, {}, "Add weights")
    assert "w.safetensors" in git("lfs", "ls-files", cwd=work)
    git("push", "--quiet", "origin", "main", cwd=work)
    assert files_of(api, repo) == want
    again = clone(repo, "again", None)
    got = read_tree(again)
    assert got.pop(".gitattributes")
    assert got == want
    assert git.run("lfs", "fsck", cwd=again).code == 0
    assert git("fsck", "--strict", cwd=again) is not None
    assert git("status", "--porcelain", cwd=again) == ""


def test_what_the_api_uploads_is_smudged(git: Git, api: Client, repo: str, clone: Clone) -> None:
    def upload(repo: str) -> list:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
        from kit import pattern

        api = HfApi()
        api.create_commit(repo, [CommitOperationAdd("w.bin", pattern(300_000)), CommitOperationAdd("a.txt", b"a")],
                          commit_message="By API", commit_description="And more.")  # fmt: skip
        api.create_commit(repo, [CommitOperationDelete("a.txt")], commit_message="Delete")
        return []

    def history(repo: str) -> list:
        from huggingface_hub import HfApi

        return [[each.commit_id, each.title] for each in HfApi().list_repo_commits(repo)]

    api.call(upload, repo=repo)
    work = clone(repo, "work")
    assert sha256(work / "w.bin") == sha256(pattern(300_000))
    pointer = git("show", "HEAD:w.bin", cwd=work)
    assert pointer == (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(pattern(300_000))}\nsize 300000\n"
    )
    git.commit(work, {"b.txt": "b", "v.bin": pattern(5000, 2)}, "By git")
    for number in range(110):
        git("commit", "--quiet", "--allow-empty", "-m", f"No. {number}", cwd=work)
    git("push", "--quiet", "origin", "main", cwd=work)
    api.call(upload, repo=repo)
    git("pull", "--quiet", cwd=work)
    seen = [line.split(" ", 1) for line in git("log", "--format=%H %s", cwd=work).splitlines()]
    assert seen == api.call(history, repo=repo)
    titles = [title for _, title in seen]
    assert titles[0] == "Delete"
    assert len(titles) == 116, "more than one page"
    assert "By git" in titles
    assert titles[-1] == "initial commit"
    assert git("log", "-1", "--format=%ae", cwd=work).startswith("alice@users.noreply.")


def test_objects_are_sent_once(git: Git, hub: Hub, api: Client, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    git.commit(work, {"w.bin": pattern(2_000_000)})
    first = git.run("push", "origin", "main", cwd=work, env={"GIT_TRACE": "1"})
    assert first.code == 0, first.text
    assert "HTTP: PUT" in first.text
    git("checkout", "--quiet", "-b", "other", cwd=work)
    git.commit(work, {"same.bin": pattern(2_000_000)})
    # Otherwise git-lfs would not even ask about what it has pushed before.
    shutil.rmtree(work / ".git" / "refs" / "remotes")
    second = git.run("push", "origin", "other", cwd=work, env={"GIT_TRACE": "1"})
    assert second.code == 0, second.text
    assert "objects/batch" in second.text
    assert "HTTP: PUT" not in second.text
    assert sorted(files_of(api, repo, "other")) == ["same.bin", "w.bin"]


@pytest.mark.clients
def test_pointers_only_then_pull(git: Git, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    git.commit(work, {"w.bin": pattern(500_000), "v.bin": pattern(400_000, 1)})
    git("push", "--quiet", "origin", "main", cwd=work)
    git("config", "--global", "filter.lfs.smudge", "git-lfs smudge --skip -- %f")
    git("config", "--global", "filter.lfs.process", "git-lfs filter-process --skip")
    bare = clone(repo, "bare", None)
    assert (bare / "w.bin").stat().st_size < 200
    git("lfs", "pull", "--include", "w.bin", cwd=bare)
    assert sha256(bare / "w.bin") == sha256(pattern(500_000))
    assert (bare / "v.bin").stat().st_size < 200


def test_an_interrupted_download_goes_on(git: Git, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    data = pattern(6_000_000)
    git.commit(work, {"w.bin": data})
    git("push", "--quiet", "origin", "main", cwd=work)
    git("config", "--global", "filter.lfs.smudge", "git-lfs smudge --skip -- %f")
    git("config", "--global", "filter.lfs.process", "git-lfs filter-process --skip")
    again = clone(repo, "again", None)
    part = again / ".git" / "lfs" / "incomplete" / f"{sha256(data)}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data[:4_000_000])
    pulled = git.run("lfs", "pull", cwd=again, env={"GIT_TRACE": "1"})
    assert pulled.code == 0, pulled.text
    assert "resum" in pulled.text
    assert sha256(again / "w.bin") == sha256(data)


def test_a_missing_object_is_refused(git: Git, hub: Hub, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    before = git("rev-parse", "HEAD", cwd=work)
    git.commit(work, {"w.bin": pattern(5000, 7)})
    refused = git.run("push", "--no-verify", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "w.bin" in refused.text
    assert "git lfs push" in refused.text
    assert git("ls-remote", hub.git_url(repo), "refs/heads/main").split()[0] == before.strip()
    git("push", "--quiet", "origin", "main", cwd=work)


@pytest.mark.clients
def test_large_files_outside_lfs_are_refused(git: Git, hub: Hub, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    git.commit(work, {"big.dat": pattern(11_000_000)})
    refused = git.run("push", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "big.dat" in refused.text
    assert "git lfs" in refused.text
    git(
        "lfs",
        "migrate",
        "import",
        "--yes",
        "--include",
        "*.dat",
        "--include-ref",
        "refs/heads/main",
        cwd=work,
    )
    moved = git.run("push", "--force", "origin", "main", cwd=work)
    assert moved.code == 0, moved.text


def test_locks(git: Git, hub: Hub, clone: Clone, make_client: ClientMaker) -> None:
    def create(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo)

    repo = hub.new_id("acme")
    make_client("hub-2.4", "alice").call(create, repo=repo)
    alice, bob = clone(repo, "alice", "alice"), clone(repo, "bob", "bob")
    git.commit(alice, {"w.bin": pattern(3000)})
    git("push", "--quiet", "origin", "main", cwd=alice)
    git("pull", "--quiet", cwd=bob)
    assert "Locked w.bin" in git("lfs", "lock", "w.bin", cwd=alice)
    listed = git("lfs", "locks", cwd=bob)
    assert "w.bin" in listed
    assert "alice" in listed
    again = git.run("lfs", "lock", "w.bin", cwd=bob)
    assert again.code != 0
    git("config", "lfs.locksverify", "true", cwd=bob)
    git("config", "lfs.locksverify", "true", cwd=alice)
    git.commit(bob, {"w.bin": pattern(3000, 2)})
    refused = git.run("push", "origin", "main", cwd=bob)
    assert refused.code != 0
    assert "w.bin" in refused.text
    assert git.run("lfs", "unlock", "w.bin", cwd=bob).code != 0
    assert "Unlocked w.bin" in git("lfs", "unlock", "w.bin", cwd=alice)
    git("push", "--quiet", "origin", "main", cwd=bob)
    assert git("lfs", "locks", cwd=alice) == ""


@pytest.mark.clients
def test_who_may(git: Git, hub: Hub, api: Client, repo: str, clone: Clone) -> None:
    work = clone(repo, "work", "bob")
    git.commit(work, {"w.bin": pattern(3000)})
    refused = git.run("push", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "403" in refused.text or "rights" in refused.text or "permission" in refused.text.lower(), (
        refused.text
    )
    git("remote", "set-url", "origin", hub.git_url(repo), cwd=work)
    assert git.run("push", "origin", "main", cwd=work).code != 0
    git("remote", "set-url", "origin", hub.git_url(repo, "alice"), cwd=work)
    git("push", "--quiet", "origin", "main", cwd=work)

    def hide(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().update_repo_settings(repo, private=True)

    api.call(hide, repo=repo)
    assert git.run("clone", "--quiet", hub.git_url(repo), "stranger").code != 0
    hidden = git.run("clone", "--quiet", hub.git_url(repo, "bob"), "bobs")
    missing = git.run("clone", "--quiet", hub.git_url(repo + "x", "bob"), "nobodys")
    assert hidden.code == missing.code != 0
    assert hidden.text.replace(repo, "R").replace("bobs", "D") == missing.text.replace(
        repo + "x", "R"
    ).replace("nobodys", "D")
    assert sha256(clone(repo, "mine") / "w.bin") == sha256(pattern(3000))


@pytest.mark.clients
def test_datasets_spaces_and_git_suffix(git: Git, hub: Hub, api: Client, clone: Clone) -> None:
    def create(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo, repo_type="dataset")
        HfApi().create_repo(repo, repo_type="space", space_sdk="static")

    repo = hub.new_id()
    api.call(create, repo=repo)
    for number, path in enumerate(
        (f"datasets/{repo}", f"datasets/{repo}.git", f"spaces/{repo}", f"spaces/{repo}.git")
    ):
        work = clone(path, f"w{number}")
        git.commit(work, {f"w{number}.bin": pattern(2000, number)})
        git("push", "--quiet", "origin", "main", cwd=work)
        assert sha256(clone(path, f"again{number}", None) / f"w{number}.bin") == sha256(pattern(2000, number))


@pytest.mark.clients
def test_after_a_move(git: Git, hub: Hub, api: Client, repo: str, clone: Clone) -> None:
    work = clone(repo, "work")
    git.commit(work, {"w.bin": pattern(2000)})
    git("push", "--quiet", "origin", "main", cwd=work)

    def move(repo: str, new: str) -> None:
        from huggingface_hub import HfApi

        HfApi().move_repo(repo, new)

    new = hub.new_id("acme")
    api.call(move, repo=repo, new=new)
    assert sha256(clone(repo, "old-name") / "w.bin") == sha256(pattern(2000))
    git.commit(work, {"v.bin": pattern(2000, 1)})
    pushed = git.run("push", "origin", "main", cwd=work)
    assert pushed.code == 0, pushed.text
    assert sorted(files_of(api, new)) == ["v.bin", "w.bin"]


def test_xet_and_git_are_one(git: Git, api: Client, hub: Hub, repo: str, clone: Clone) -> None:
    """What came in chunks is smudged by git-lfs, and what git-lfs pushed is fetched in chunks later."""

    def upload(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi
        from kit import floats, json_lines, noise, write_tree

        want = write_tree(f"{home}/up", {"w.safetensors": floats(11_000_001), "d/n.bin": noise(90_000), "l.jsonl": json_lines(12_000_000)})  # fmt: skip
        HfApi().upload_folder(folder_path=f"{home}/up", repo_id=repo)
        return want

    def hashes(repo: str) -> dict:
        from huggingface_hub import HfApi

        return {
            each.path: each.xet_hash
            for each in HfApi().list_repo_tree(repo, recursive=True)
            if getattr(each, "lfs", None)
        }

    want = api.call(upload, repo=repo, home=str(api.home))
    assert all(api.call(hashes, repo=repo).values())
    work = clone(repo, "work")
    got = read_tree(work)
    got.pop(".gitattributes")
    assert got == want
    assert git.run("lfs", "fsck", cwd=work).code == 0

    pushed = write_tree(work, {"pushed.bin": pattern(3_000_000, 9)})
    git.commit(work, {}, "By git")
    git("push", "--quiet", "origin", "main", cwd=work)
    assert files_of(api, repo) == want | pushed
    deadline = time.monotonic() + 60
    while not api.call(hashes, repo=repo)["pushed.bin"]:
        assert time.monotonic() < deadline, "what git pushed is turned into chunks"
        time.sleep(0.2)
    shutil.rmtree(api.home / "hf")
    assert files_of(api, repo) == want | pushed
    again = clone(repo, "again", None)
    assert sha256(again / "pushed.bin") == pushed["pushed.bin"]


def test_git_lfs_sends_by_xet_with_an_agent(git: Git, api: Client, hub: Hub, repo: str, clone: Clone) -> None:
    git("config", "--global", "lfs.customtransfer.xet.path", str(api.python))
    git("config", "--global", "lfs.customtransfer.xet.args", str(SCRIPTS / "xet_agent.py"))
    git("config", "--global", "lfs.customtransfer.xet.direction", "upload")
    work = clone(repo, "work")
    want = write_tree(
        work, {"a.bin": noise(5_000_000, 61), "d/b.safetensors": noise(200_000, 62), "e.bin": b""}
    )
    git.commit(work, {}, "By an agent")
    before = len(hub.server.log_text())

    git("push", "--quiet", "origin", "main", cwd=work)

    asked = hub.server.log_text()[before:]
    assert "/v1/xorbs/default/" in asked
    assert "/objects/lfs/" not in asked
    assert files_of(api, repo) == want
    again = clone(repo, "again", None)
    got = read_tree(again)
    got.pop(".gitattributes")
    assert got == want

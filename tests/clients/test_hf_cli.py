"""The ``hf`` command line, as people type it, with its exit codes and words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub
from clients.scripts.kit import pattern, read_tree, write_tree


@pytest.fixture
def cli(make_client: ClientMaker) -> Client:
    """Alice with the newest command line."""
    return make_client("hub-2.4", "alice")


def ok(client: Client, *arguments: str, cwd: Path | None = None) -> str:
    """Run a command that must succeed and return what it printed."""
    ran = client.hf(*arguments, cwd=cwd)
    assert ran.code == 0, f"hf {' '.join(arguments)}: {ran.code}\n{ran.text}"
    return ran.out


def refused(client: Client, *arguments: str) -> str:
    """Run a command that must fail and return what it wrote."""
    ran = client.hf(*arguments)
    assert ran.code != 0, f"hf {' '.join(arguments)} succeeded:\n{ran.text}"
    assert "Traceback" not in ran.text, ran.text
    return ran.text


def test_whoami(cli: Client, make_client: ClientMaker) -> None:
    said = json.loads(ok(cli, "auth", "whoami", "--json"))
    assert said["user"] == "alice"
    assert "acme" in json.dumps(said)
    assert "alice" in ok(cli, "auth", "whoami")
    assert "ot logged in" in make_client("hub-2.4").hf("auth", "whoami").text


@pytest.mark.clients
def test_login_with_a_token(make_client: ClientMaker, hub: Hub) -> None:
    stranger = make_client("hub-2.4")
    assert "nvalid" in refused(stranger, "auth", "login", "--token", "hf_nobodyHasThis")
    ok(stranger, "auth", "login", "--token", hub.tokens["bob"])
    assert json.loads(ok(stranger, "auth", "whoami", "--json"))["user"] == "bob"
    assert "ci" in ok(stranger, "auth", "list")
    ok(stranger, "auth", "logout")
    assert "ot logged in" in stranger.hf("auth", "whoami").text


@pytest.mark.clients
def test_repositories(cli: Client, hub: Hub) -> None:
    repo, moved, copy = hub.new_id(), hub.new_id("acme"), hub.new_id()
    assert repo in ok(cli, "repos", "create", repo, "--private")
    assert "409" in refused(cli, "repos", "create", repo)
    ok(cli, "repos", "create", repo, "--exist-ok")
    listed = json.loads(ok(cli, "repos", "ls", "--search", repo.partition("/")[2], "--json"))
    assert [(each["id"], each["type"], each["visibility"]) for each in listed] == [(repo, "model", "private")]
    ok(cli, "repos", "settings", repo, "--public")
    ok(cli, "repos", "settings", repo, "--gated", "manual")
    ok(cli, "repos", "settings", repo, "--gated", "false")
    ok(cli, "repos", "move", repo, moved)
    info = json.loads(ok(cli, "models", "info", repo, "--json"))
    assert (info["id"], info["private"], info["gated"]) == (moved, False, False)
    ok(cli, "repos", "duplicate", moved, copy)
    ok(cli, "repos", "create", copy, "--type", "dataset")
    ok(cli, "repos", "create", copy, "--type", "space", "--sdk", "static")
    for kind in ("model", "dataset", "space"):
        ok(cli, "repos", "delete", copy, "--type", kind, *cli_yes(cli))
    assert "not found" in refused(cli, "repos", "delete", copy, *cli_yes(cli)).lower()


def cli_yes(client: Client) -> list[str]:
    """Return the flag that answers the question of ``repos delete``, where there is one."""
    return ["--yes"] if "--yes" in client.hf("repos", "delete", "--help").out else []


def test_upload_and_download(cli: Client, hub: Hub) -> None:
    repo = hub.new_id()
    files = {"a.txt": b"a", "sub/b.json": b"{}", "sub/w.safetensors": pattern(11_000_000), "no.log": b"log"}
    write_tree(cli.home / "up", files)
    said = ok(cli, "upload", repo, "up", ".", "--exclude", "*.log", "--commit-message", "From the shell")
    assert f"{hub.url}/{repo}" in said
    ok(cli, "upload", repo, "up/a.txt", "copied/a2.txt")
    where = ok(cli, "download", repo, "--local-dir", "down", "-q").strip()
    assert Path(where).name == "down"
    got = read_tree(cli.home / "down")
    want = read_tree(cli.home / "up")
    assert got.pop("copied/a2.txt") == want["a.txt"]
    del want["no.log"], got[".gitattributes"]
    assert got == want


@pytest.mark.clients
def test_download_as_a_stranger(cli: Client, hub: Hub, make_client: ClientMaker) -> None:
    repo = hub.new_id()
    write_tree(cli.home / "up", {"sub/b.json": b"{}", "sub/w.safetensors": pattern(100_000)})
    ok(cli, "upload", repo, "up", ".")
    stranger = make_client("hub-2.4")
    one = Path(ok(stranger, "download", repo, "sub/b.json", "-q").strip())
    assert one.read_bytes() == b"{}"
    some = ok(stranger, "download", repo, "--include", "sub/*", "--local-dir", "some", "-q")
    assert sorted(read_tree(some.strip())) == ["sub/b.json", "sub/w.safetensors"]
    assert "sub/w.safetensors" in ok(stranger, "download", repo, "--dry-run")
    assert "nope.txt" in refused(stranger, "download", repo, "nope.txt")
    assert "not found" in refused(stranger, "download", repo, "--revision", "nope").lower()
    assert "not found" in refused(stranger, "download", repo + "x").lower()
    assert refused(stranger, "upload", repo, str(cli.home / "up"))


@pytest.mark.clients
def test_upload_as_pull_request(cli: Client, hub: Hub) -> None:
    repo = hub.new_id()
    ok(cli, "repos", "create", repo)
    write_tree(cli.home / "up", {"a.txt": b"a"})
    assert f"{hub.url}/{repo}/commit/" in ok(cli, "upload", repo, "up/a.txt", "a.txt", "--create-pr")
    ok(cli, "download", repo, "a.txt", "--revision", "refs/pr/1")
    assert refused(cli, "download", repo, "a.txt")


@pytest.mark.clients
def test_branches_tags_and_files(cli: Client, hub: Hub) -> None:
    repo = hub.new_id()
    write_tree(cli.home / "up", {"a.json": b"1", "b.json": b"2", "keep.txt": b"3", "d/c.json": b"4"})
    ok(cli, "upload", repo, "up", ".")
    ok(cli, "repos", "branch", "create", repo, "dev")
    ok(cli, "repos", "branch", "create", repo, "dev", "--exist-ok")
    assert "409" in refused(cli, "repos", "branch", "create", repo, "dev")
    ok(cli, "repos", "tag", "create", repo, "v1", "-m", "First")
    assert "v1" in ok(cli, "repos", "tag", "list", repo)
    ok(cli, "repos", "delete-files", repo, "*.json", "--revision", "dev")
    assert names(cli, repo, "--revision", "dev") == [".gitattributes", "keep.txt"]
    assert names(cli, repo, "--revision", "v1") == [
        ".gitattributes",
        "a.json",
        "b.json",
        "d/c.json",
        "keep.txt",
    ]
    ok(cli, "repos", "tag", "delete", repo, "v1", *yes(cli, "tag"))
    ok(cli, "repos", "branch", "delete", repo, "dev", *yes(cli, "branch"))
    assert "v1" not in ok(cli, "repos", "tag", "list", repo)


def names(client: Client, repo: str, *more: str) -> list[str]:
    """Return the files that ``hf models ls REPO`` shows."""
    listed = json.loads(ok(client, "models", "ls", repo, "-R", "--json", *more))
    return sorted(each["path"] for each in listed if each.get("type", "file") == "file" and "size" in each)


def yes(client: Client, noun: str) -> list[str]:
    """Return the flag that answers the question of ``repos NOUN delete``, where there is one."""
    return ["--yes"] if "--yes" in client.hf("repos", noun, "delete", "--help").out else []


@pytest.mark.clients
def test_lists_and_cards(cli: Client, hub: Hub) -> None:
    word = hub.new_id().partition("/")[2]
    for number in range(3):
        ok(cli, "repos", "create", f"acme/{word}-{number}", "--type", "dataset")
    write_tree(cli.home / "up", {"README.md": b"---\nlicense: mit\n---\n# The card\n"})
    ok(cli, "upload", f"acme/{word}-1", "up", ".", "--type", "dataset")
    listed = json.loads(ok(cli, "datasets", "ls", "--search", word, "--author", "acme", "--json"))
    assert sorted(each["id"] for each in listed) == [f"acme/{word}-{number}" for number in range(3)]
    assert len(ok(cli, "datasets", "ls", "--search", word, "--limit", "2", "-q").split()) == 2
    assert "# The card" in ok(cli, "datasets", "card", f"acme/{word}-1")
    info = json.loads(ok(cli, "datasets", "info", f"acme/{word}-1", "--json"))
    assert "license:mit" in info["tags"]


@pytest.mark.clients
def test_a_read_token_is_told_so(cli: Client, hub: Hub, make_client: ClientMaker) -> None:
    repo = hub.new_id()
    ok(cli, "repos", "create", repo)
    looker = make_client("hub-2.4", "alice-reads")
    write_tree(looker.home / "up", {"a.txt": b"a"})
    said = refused(looker, "upload", repo, "up", ".")
    assert "403" in said
    assert "write" in said


@pytest.mark.clients
def test_cache_verify(cli: Client, hub: Hub) -> None:
    repo = hub.new_id()
    write_tree(cli.home / "up", {"a.txt": b"a", "w.bin": pattern(100_000)})
    ok(cli, "upload", repo, "up", ".")
    ok(cli, "download", repo)
    assert "erified" in cli.hf("cache", "verify", repo).text
    blobs = (cli.home / "hf" / "hub" / ("models--" + repo.replace("/", "--")) / "blobs").iterdir()
    next(each for each in blobs if each.stat().st_size == 100_000).write_bytes(b"changed")
    assert "w.bin" in refused(cli, "cache", "verify", repo)


@pytest.mark.clients
@pytest.mark.parametrize("older", ["hub-1", "hub-0.36", "hub-0.23"])
def test_older_command_lines(make_client: ClientMaker, hub: Hub, older: str) -> None:
    client = make_client(older, "alice")
    repo = hub.new_id()
    whoami = ["whoami"] if older == "hub-0.23" else ["auth", "whoami"]
    assert "alice" in ok(client, *whoami)
    write_tree(client.home / "up", {"a.txt": b"a", "d/w.bin": pattern(300_000)})
    assert f"{hub.url}/{repo}" in ok(client, "upload", repo, "up", ".")
    ok(client, "download", repo, "--local-dir", "down")
    got = read_tree(client.home / "down")
    assert got.pop(".gitattributes")
    assert got == read_tree(client.home / "up")
    if older == "hub-0.23":
        return
    deleted = (
        ["repo-files", "delete", repo, "a.txt"]
        if older == "hub-0.36"
        else ["repos", "delete-files", repo, "a.txt"]
    )
    ok(client, *deleted)
    gone = client.hf("download", repo, "a.txt", "--force-download")
    assert gone.code != 0
    assert "Entry Not Found" in gone.text or "not found" in gone.text
    ok(client, "repo" if older == "hub-0.36" else "repos", "tag", "create", repo, "v1")

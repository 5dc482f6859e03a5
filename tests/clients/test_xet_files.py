"""Xet with the real ``hf_xet`` and every generation of huggingface_hub that has it: byte for byte, both ways."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

MIB = 1024 * 1024


@pytest.fixture(
    params=["hub-2.4", *(pytest.param(each, marks=pytest.mark.clients) for each in ("hub-1", "hub-0.36"))]
)
def generation(request: pytest.FixtureRequest) -> str:
    """Each generation of huggingface_hub that speaks Xet; only the newest runs in the fast suite."""
    return str(request.param)


@contextmanager
def requests(hub: Hub) -> Iterator[list[str]]:
    """Collect what was asked of the hub meanwhile, as ``METHOD /path`` with hashes and the epoch shortened."""
    before = len(hub.server.log_text())
    found: list[str] = []
    yield found
    for line in hub.server.log_text()[before:].splitlines():
        method, path = (
            re.search(r'"?method"?[=:] ?"?(\w+)', line),
            re.search(r'"?path"?[=:] ?"?([^ ",]+)', line),
        )
        if method and path:
            short = re.sub(r"/cas/[^/]+", "/cas", re.sub(r"[0-9a-f]{64}", "HASH", path[1]))
            found.append(f"{method[1]} {short}")


_SEEDS = itertools.count(1000, 1000)


def fresh_seed() -> int:
    """Return a seed, and with it the few hundred after it, for content that the hub does not know yet."""
    return next(_SEEDS)


def by_xet(asked: list[str], what: str) -> int:
    """Count requests to the CAS about xorbs, shards or reconstructions."""
    return sum("/cas/" in line and f"/{what}" in line for line in asked)


def digests(client: Client, repo: str, **where: Any) -> dict[str, str]:
    """Download everything into an empty place and return the digests."""

    def get(repo: str, home: str, where: dict) -> dict:
        import shutil

        from huggingface_hub import snapshot_download
        from kit import read_tree

        shutil.rmtree(f"{home}/hf", ignore_errors=True)
        shutil.rmtree(f"{home}/down", ignore_errors=True)
        return read_tree(snapshot_download(repo, local_dir=f"{home}/down", **where))

    found = client.call(get, repo=repo, home=str(client.home), where=where)
    found.pop(".gitattributes", None)
    return dict(found)


def hashes(make_client: ClientMaker, repo: str) -> dict[str, list[str | None]]:
    """Return the Xet hash and the SHA-256 of every file that has them, as the newest client lists them."""

    def tree(repo: str) -> dict:
        from huggingface_hub import HfApi

        items = [each for each in HfApi().list_repo_tree(repo, recursive=True) if hasattr(each, "lfs")]
        return {each.path: [each.xet_hash, each.lfs and each.lfs.sha256] for each in items}

    return dict(make_client("hub-2.4", "alice").call(tree, repo=repo))


def test_every_kind_of_file(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def upload(repo: str, home: str, mega: int, seed: int) -> dict:
        from huggingface_hub import HfApi
        from kit import floats, json_lines, noise, write_tree

        api = HfApi()
        api.create_repo(repo)
        want = write_tree(f"{home}/up", {"empty.bin": b"", "one.bin": b"x", "d/100k.bin": noise(100_000, seed), "small.txt": b"hi\n",
                                         "random.bin": noise(mega * 30, seed + 1), "lines.jsonl": json_lines(mega * 30, seed), "fp32.safetensors": floats(mega * 30 + 1, seed + 2)})  # fmt: skip
        info = api.upload_folder(folder_path=f"{home}/up", repo_id=repo)
        api.upload_file(
            path_or_fileobj=f"{home}/up/random.bin", path_in_repo="again/random.bin", repo_id=repo
        )
        api.upload_file(path_or_fileobj=noise(3 * mega, seed + 3), path_in_repo="bytes.bin", repo_id=repo)
        with open(f"{home}/up/lines.jsonl", "rb") as file:
            api.upload_file(path_or_fileobj=file, path_in_repo="open.jsonl", repo_id=repo)
        write_tree(f"{home}/more", {"bytes.bin": noise(3 * mega, seed + 3)})
        more = {"again/random.bin": want["random.bin"], "open.jsonl": want["lines.jsonl"]}
        from kit import sha256

        more["bytes.bin"] = sha256(f"{home}/more/bytes.bin")
        return {"want": want | more, "oid": info.oid}

    def one(repo: str, name: str) -> str:
        from huggingface_hub import hf_hub_download
        from kit import sha256

        return sha256(hf_hub_download(repo, name))

    repo = hub.new_id()
    alice = make_client(generation, "alice")
    with requests(hub) as asked:
        made = alice.call(upload, repo=repo, home=str(alice.home), mega=MIB, seed=fresh_seed())
    want, seen = made["want"], hashes(make_client, repo)
    assert by_xet(asked, "xorbs") >= 2
    assert by_xet(asked, "shards") >= 2
    large = [name for name in want if name not in ("empty.bin", "small.txt")]
    for name in large:
        xet_hash, sha256 = seen[name]
        assert sha256 == want[name], name
        # A file that is open already goes by LFS, and its chunks are known by then.
        assert xet_hash or name == "open.jsonl", name
    assert seen["empty.bin"] == seen["small.txt"] == [None, None]
    assert seen["random.bin"] == seen["again/random.bin"]

    with requests(hub) as asked:
        assert digests(make_client(generation, "alice"), repo) == want
    assert by_xet(asked, "reconstructions") >= 5
    assert not any(line.startswith("GET") and "resolve" in line and "random.bin" in line for line in asked)
    stranger = make_client(generation)
    for name in ("fp32.safetensors", "one.bin", "d/100k.bin"):
        assert stranger.call(one, repo=repo, name=name) == want[name]
    with requests(hub) as asked:
        assert digests(make_client(generation, xet=False), repo) == want
    assert by_xet(asked, "reconstructions") == 0


def test_branches_and_pull_requests(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def branches(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi
        from kit import noise, write_tree

        api = HfApi()
        api.create_repo(repo)
        api.create_branch(repo, branch="dev/next")
        want = write_tree(f"{home}/up", {"w.bin": noise(900_000, 2)})
        api.upload_file(
            path_or_fileobj=f"{home}/up/w.bin", path_in_repo="w.bin", repo_id=repo, revision="dev/next"
        )
        return {"want": want, "main": api.list_repo_files(repo)}

    def propose(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure, noise, write_tree

        api = HfApi()
        want = write_tree(
            f"{home}/up", {"a.bin": noise(700_000, 3), "b/c.bin": noise(50_000, 4), "t.txt": b"t"}
        )
        one = api.upload_file(
            path_or_fileobj=f"{home}/up/a.bin", path_in_repo="a.bin", repo_id=repo, create_pr=True
        )
        two = api.upload_folder(folder_path=f"{home}/up", repo_id=repo, create_pr=True)
        api.upload_file(
            path_or_fileobj=noise(60_000, 6), path_in_repo="more.bin", repo_id=repo, revision=two.pr_revision
        )
        refused = failure(
            lambda: api.upload_file(path_or_fileobj=f"{home}/up/a.bin", path_in_repo="x.bin", repo_id=repo)
        )
        return {
            "want": want,
            "prs": [one.pr_num, two.pr_num],
            "revision": two.pr_revision,
            "refused": refused,
        }

    repo = hub.new_id()
    alice, bob = make_client(generation, "alice"), make_client(generation, "bob")
    made = alice.call(branches, repo=repo, home=str(alice.home))
    assert made["main"] == [".gitattributes"]
    assert digests(make_client(generation), repo, revision="dev/next") == made["want"]
    proposed = bob.call(propose, repo=repo, home=str(bob.home))
    assert proposed["prs"] == [1, 2]
    assert proposed["refused"]["status"] == 403 or "403" in proposed["refused"]["text"], proposed["refused"]
    assert digests(alice, repo, revision="refs/pr/1") == {"a.bin": proposed["want"]["a.bin"]}
    got = digests(alice, repo, revision=proposed["revision"])
    assert got.pop("more.bin")
    assert got == proposed["want"]
    assert digests(alice, repo) == {}


def test_private_and_gated(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def upload(repo: str, home: str) -> str:
        from huggingface_hub import HfApi
        from kit import noise, sha256, write_tree

        api = HfApi()
        api.create_repo(repo, private=True)
        write_tree(f"{home}/up", {"w.bin": noise(800_000, 7)})
        api.upload_file(path_or_fileobj=f"{home}/up/w.bin", path_in_repo="w.bin", repo_id=repo)
        return sha256(f"{home}/up/w.bin")

    def gate(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().update_repo_settings(repo, private=False, gated="manual")

    def look(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        from kit import failure

        seen = {
            "one": failure(lambda: hf_hub_download(repo, "w.bin")),
            "all": failure(lambda: snapshot_download(repo)),
        }
        seen["listed"] = failure(
            lambda: getattr(HfApi().get_paths_info(repo, ["w.bin"])[0], "xet_hash", None)
        )
        return seen

    repo = hub.new_id("acme")
    alice = make_client(generation, "alice")
    want = {"w.bin": alice.call(upload, repo=repo, home=str(alice.home))}
    stranger = make_client(generation)
    for who in (stranger, make_client(generation, "root-reads") if "root-reads" in hub.tokens else stranger):
        seen = who.call(look, repo=repo)
        for what in ("one", "all", "listed"):
            assert "RepositoryNotFoundError" in seen[what]["kinds"], seen[what]
    assert digests(make_client(generation, "reader"), repo) == want, "a member reads"

    alice.call(gate, repo=repo)
    seen = stranger.call(look, repo=repo)
    assert "GatedRepoError" in seen["one"]["kinds"], seen["one"]
    assert seen["listed"]["text"] == "no failure: None", "no hash before the gate"
    assert digests(make_client(generation, "bob"), repo) == want, "a member passes the gate"


def test_with_and_without_xet_are_one(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def upload(repo: str, home: str, seed: int) -> str:
        from huggingface_hub import HfApi
        from kit import floats, write_tree

        api = HfApi()
        api.create_repo(repo, exist_ok=True)
        want = write_tree(f"{home}/up", {"w.bin": floats(2_500_000, seed)})
        api.upload_file(path_or_fileobj=f"{home}/up/w.bin", path_in_repo="w.bin", repo_id=repo)
        return want["w.bin"]

    plain, xet = make_client(generation, "alice", xet=False), make_client(generation, "alice")
    one, two, three = hub.new_id(), hub.new_id(), hub.new_id()
    seed, another = fresh_seed(), fresh_seed()
    want = {"w.bin": plain.call(upload, repo=one, home=str(plain.home), seed=seed)}
    assert digests(xet, one) == want, "whether its chunks are known yet or not"
    deadline = time.monotonic() + 60
    while (known := hashes(make_client, one)["w.bin"][0]) is None:
        assert time.monotonic() < deadline, "what came by LFS is turned into chunks"
        time.sleep(0.2)
    with requests(hub) as asked:
        assert digests(xet, one) == want
    assert by_xet(asked, "reconstructions") >= 1
    assert digests(plain, one) == want

    with requests(hub) as asked:
        assert xet.call(upload, repo=two, home=str(xet.home), seed=seed) == want["w.bin"]
    assert by_xet(asked, "shards") == 1
    assert by_xet(asked, "xorbs/") == 0, "its chunks are here already"
    assert hashes(make_client, two)["w.bin"][0] == known, "cut in the same way"
    assert digests(plain, two) == want

    # And the other way round.
    fresh = {"w.bin": xet.call(upload, repo=three, home=str(xet.home), seed=another)}
    assert digests(plain, three) == fresh
    with requests(hub) as asked:
        assert plain.call(upload, repo=one, home=str(plain.home), seed=another) == fresh["w.bin"]
    assert digests(xet, one) == fresh


@pytest.mark.clients
@pytest.mark.parametrize("old", ["hub-1", "hub-0.36"])
def test_upload_large_folder(make_client: ClientMaker, hub: Hub, old: str) -> None:
    def upload(repo: str, home: str, seed: int) -> dict:
        from huggingface_hub import HfApi
        from kit import noise, write_tree

        want = write_tree(f"{home}/up", {f"d{number % 3}/f{number}.bin": noise(120_000, seed + number) for number in range(20)}
                          | {"big.safetensors": noise(12_000_000, seed + 99), "r.txt": b"r"})  # fmt: skip
        HfApi().upload_large_folder(
            folder_path=f"{home}/up", repo_id=repo, repo_type="model", print_report=False
        )
        return want

    repo = hub.new_id()
    alice = make_client(old, "alice")
    with requests(hub) as asked:
        want = alice.call(upload, repo=repo, home=str(alice.home), seed=fresh_seed())
    assert by_xet(asked, "xorbs") >= 1
    assert digests(make_client("hub-2.4"), repo) == want


def test_the_command_line(make_client: ClientMaker, hub: Hub) -> None:
    from clients.scripts.kit import noise, read_tree, write_tree

    alice, stranger = make_client("hub-2.4", "alice"), make_client("hub-2.4")
    want = write_tree(
        alice.home / "up", {"w.bin": noise(4_000_000, 21), "d/v.bin": noise(70_000, 22), "t.txt": b"t"}
    )
    repo = hub.new_id()
    with requests(hub) as asked:
        ran = alice.hf("upload", repo, "up", ".")
    assert ran.code == 0, ran.text
    assert by_xet(asked, "shards") >= 1
    ran = stranger.hf("download", repo, "--local-dir", "down")
    assert ran.code == 0, ran.text
    got = read_tree(stranger.home / "down")
    got.pop(".gitattributes")
    assert got == want


def test_telemetry_goes_nowhere_and_does_not_hurt(make_client: ClientMaker, hub: Hub) -> None:
    from clients.scripts.kit import noise, write_tree

    alice = make_client("hub-2.4", "alice", more_env={"HF_HUB_DISABLE_TELEMETRY": "0"})
    write_tree(alice.home / "up", {"w.bin": noise(300_000, 31)})
    with requests(hub) as asked:
        ran = alice.hf("upload", hub.new_id(), "up", ".")
        assert ran.code == 0, ran.text
    assert "POST /v1/telemetry" in asked


def test_copies_between_repositories(make_client: ClientMaker, hub: Hub) -> None:
    def story(one: str, two: str, home: str) -> dict:
        from huggingface_hub import CommitOperationCopy, HfApi
        from kit import noise, write_tree

        api = HfApi()
        api.create_repo(one)
        api.create_repo(two)
        want = write_tree(f"{home}/up", {"w.bin": noise(600_000, 41)})
        api.upload_file(path_or_fileobj=f"{home}/up/w.bin", path_in_repo="w.bin", repo_id=one)
        copy = CommitOperationCopy(
            src_path_in_repo="w.bin", path_in_repo="c.bin", src_repo_id=one, src_repo_type="model"
        )
        api.create_commit(two, [copy], commit_message="Copy")
        api.duplicate_repo(one, f"{two}-copy", repo_type="model") if hasattr(api, "duplicate_repo") else None
        return want

    one, two = hub.new_id(), hub.new_id()
    alice = make_client("hub-2.4", "alice")
    want = alice.call(story, one=one, two=two, home=str(alice.home))
    stranger = make_client("hub-2.4")
    assert digests(stranger, two) == {"c.bin": want["w.bin"]}
    assert digests(stranger, f"{two}-copy") == want


def test_the_file_system_reads_parts(make_client: ClientMaker, hub: Hub) -> None:
    def story(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi, HfFileSystem
        from kit import json_lines, sha256, write_tree

        api = HfApi()
        api.create_repo(repo, repo_type="dataset")
        data = json_lines(11_000_000)
        write_tree(f"{home}/up", {"d.jsonl": data})
        api.upload_file(
            path_or_fileobj=f"{home}/up/d.jsonl", path_in_repo="d.jsonl", repo_id=repo, repo_type="dataset"
        )
        fs, path = HfFileSystem(), f"datasets/{repo}/d.jsonl"
        with fs.open(path, "rb", block_size=1_000_000) as file:
            file.seek(5_000_000)
            middle = file.read(70_000)
            file.seek(-9, 2)
            end = file.read()
        fs.get_file(path, f"{home}/got")
        return {"middle": middle == data[5_000_000:5_070_000], "end": end == data[-9:],
                "whole": sha256(fs.cat_file(path)) == sha256(data) == sha256(f"{home}/got")}  # fmt: skip

    alice = make_client("hub-2.4", "alice")
    assert alice.call(story, repo=hub.new_id(), home=str(alice.home)) == {
        "middle": True,
        "end": True,
        "whole": True,
    }

"""Repositories through every generation of huggingface_hub: who am I, create, see, move, duplicate, delete."""

from __future__ import annotations

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


def test_whoami_and_login(alice: Client, hub: Hub) -> None:
    def whoami(token: str) -> dict:
        from huggingface_hub import HfApi, get_token, login

        login(token=token)
        seen = HfApi().whoami(token=token)
        return {"name": seen["name"], "type": seen["type"], "fullname": seen["fullname"],
                "orgs": {each["name"]: each["roleInOrg"] for each in seen["orgs"] if each["name"] == "acme"},
                "auth": seen["auth"]["accessToken"]["displayName"], "role": seen["auth"]["accessToken"]["role"],
                "token": get_token()}  # fmt: skip

    seen = alice.call(whoami, token=hub.tokens["alice-reads"])
    assert seen == {
        "name": "alice",
        "type": "user",
        "fullname": "Alice A.",
        "orgs": {"acme": "admin"},
        "auth": "looker",
        "role": "read",
        "token": hub.tokens["alice"],  # the environment is stronger than the file
    }
    assert (alice.home / "hf" / "token").read_text() == hub.tokens["alice-reads"]


def test_a_wrong_token(make_client: ClientMaker, generation: str) -> None:
    def whoami() -> list:
        from huggingface_hub import HfApi
        from kit import failure

        api = HfApi(token="hf_nobodyHasThis")
        return [failure(api.whoami), failure(lambda: api.create_repo("alice/x")),
                failure(lambda: api.model_info("alice/x"))]  # fmt: skip

    who, create, info = make_client(generation).call(whoami)
    for each in (who, create, info):
        assert each["status"] == 401
        assert "HfHubHTTPError" in each["kinds"] or "HTTPError" in each["kinds"]
    assert "Invalid" in create["text"]


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_create_and_delete(alice: Client, hub: Hub, kind: str) -> None:
    def life(repo: str, kind: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure

        api = HfApi()
        more = {"space_sdk": "static"} if kind == "space" else {}
        url = api.create_repo(repo, repo_type=kind, **more)
        again = api.create_repo(repo, repo_type=kind, exist_ok=True, **more)
        clash = failure(lambda: api.create_repo(repo, repo_type=kind, **more))
        info = api.repo_info(repo, repo_type=kind)
        files = api.list_repo_files(repo, repo_type=kind)
        api.delete_repo(repo, repo_type=kind)
        gone = failure(lambda: api.repo_info(repo, repo_type=kind))
        twice = failure(lambda: api.delete_repo(repo, repo_type=kind))
        api.delete_repo(repo, repo_type=kind, missing_ok=True)
        return {"url": str(url), "id": url.repo_id, "type": url.repo_type, "again": str(again), "clash": clash,
                "info": info.id, "private": info.private, "sha": info.sha, "author": info.author, "files": files,
                "gone": gone, "twice": twice, "created": info.created_at is not None}  # fmt: skip

    repo = hub.new_id()
    seen = alice.call(life, repo=repo, kind=kind)
    prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[kind]
    assert seen["url"] == seen["again"] == f"{hub.url}/{prefix}{repo}"
    assert (seen["id"], seen["type"], seen["info"]) == (repo, kind, repo)
    assert seen["clash"]["status"] == 409
    assert seen["private"] is False
    assert seen["author"] == "alice"
    assert len(seen["sha"]) == 40
    assert ".gitattributes" in seen["files"]
    assert seen["created"]
    assert "RepositoryNotFoundError" in seen["gone"]["kinds"]
    assert "RepositoryNotFoundError" in seen["twice"]["kinds"]


def test_private_is_hidden(alice: Client, make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def create(repo: str) -> bool:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo, private=True)
        HfApi().upload_file(path_or_fileobj=b"secret", path_in_repo="s.txt", repo_id=repo)
        return HfApi().repo_exists(repo)

    def look(repo: str, missing: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download
        from kit import failure

        api = HfApi()
        return {name: [api.repo_exists(each), api.file_exists(each, "s.txt"),
                       failure(lambda e=each: api.model_info(e)), failure(lambda e=each: hf_hub_download(e, "s.txt")),
                       failure(lambda e=each: api.list_repo_refs(e)), failure(lambda e=each: api.list_repo_files(e)),
                       failure(lambda e=each: api.create_branch(e, branch="x")),
                       failure(lambda e=each: api.delete_repo(e))]
                for name, each in {"private": repo, "missing": missing}.items()}  # fmt: skip

    private, missing = hub.new_id(), hub.new_id()
    assert alice.call(create, repo=private) is True
    for who in (None, "bob"):
        seen = make_client(generation, who).call(look, repo=private, missing=missing)
        for one, other in zip(seen["private"], seen["missing"], strict=True):
            if isinstance(one, bool):
                assert one is other is False
                continue
            assert (one["status"], one["code"], one["kinds"]) == (
                other["status"],
                other["code"],
                other["kinds"],
            )
            assert "secret" not in one["text"]
            if who == "bob":
                assert "RepositoryNotFoundError" in one["kinds"]


def test_organization(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def create(repo: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure

        return failure(lambda: str(HfApi().create_repo(repo, private=True)))

    def write(repo: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure

        info = HfApi().model_info(repo)
        wrote = failure(lambda: HfApi().upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo))
        return {"id": info.id, "private": info.private, "wrote": wrote}

    repo = hub.new_id("acme")
    refused = make_client(generation, "reader").call(create, repo=repo)
    assert refused["status"] == 403
    assert make_client(generation, "bob").call(create, repo=repo)["kinds"] == []
    seen = make_client(generation, "reader").call(write, repo=repo)
    assert (seen["id"], seen["private"], seen["wrote"]["status"]) == (repo, True, 403)
    assert make_client(generation, "alice").call(write, repo=repo)["wrote"]["kinds"] == []


def test_a_read_token_cannot_write(alice: Client, hub: Hub, generation: str) -> None:
    def write(repo: str, token: str) -> list:
        from huggingface_hub import HfApi
        from kit import failure

        HfApi().create_repo(repo)
        api = HfApi(token=token)
        return [failure(lambda: api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)),
                failure(lambda: api.create_repo(repo + "2")), failure(lambda: api.delete_repo(repo)),
                failure(lambda: api.create_tag(repo, tag="v1"))]  # fmt: skip

    for each in alice.call(write, repo=hub.new_id(), token=hub.tokens["alice-reads"]):
        assert each["status"] == 403, each
        assert "write" in each["text"], each["text"]


def test_a_fine_grained_token_reaches_its_repository_only(alice: Client, hub: Hub) -> None:
    def write(other: str, token: str) -> list:
        from huggingface_hub import HfApi
        from kit import failure

        HfApi().create_repo("alice/narrow", exist_ok=True, private=True)
        HfApi().create_repo(other, private=True)
        api = HfApi(token=token)
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="alice/narrow")
        return [api.list_repo_files("alice/narrow"), failure(lambda: api.model_info(other)),
                failure(lambda: api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=other)),
                failure(lambda: api.create_repo("alice/another")), api.whoami()["name"]]  # fmt: skip

    files, info, upload, create, name = alice.call(
        write, other=hub.new_id(), token=hub.tokens["alice-narrow"]
    )
    assert "a" in files
    assert info["status"] in (403, 404)
    assert upload["status"] in (403, 404)
    assert create["status"] == 403
    assert name == "alice"


def test_move(alice: Client, hub: Hub) -> None:
    def move(old: str, new: str) -> dict:
        from pathlib import Path

        from huggingface_hub import HfApi, hf_hub_download
        from kit import failure

        api = HfApi()
        api.create_repo(old)
        api.create_repo(new + "-taken")
        api.upload_file(path_or_fileobj=b"here", path_in_repo="f.txt", repo_id=old)
        api.move_repo(from_id=old, to_id=new)
        before = Path(hf_hub_download(old, "f.txt")).read_text()
        api.upload_file(path_or_fileobj=b"2", path_in_repo="g.txt", repo_id=old)
        clash = failure(lambda: api.move_repo(from_id=new, to_id=new + "-taken"))
        return {"old": api.model_info(old).id, "new": api.model_info(new).id, "before": before,
                "files": sorted(api.list_repo_files(new)), "exists": api.repo_exists(old), "clash": clash,
                "refs": [each.name for each in api.list_repo_refs(old).branches]}  # fmt: skip

    old, new = hub.new_id(), hub.new_id("acme")
    seen = alice.call(move, old=old, new=new)
    assert seen["old"] == seen["new"] == new
    assert seen["before"] == "here"
    assert seen["files"] == [".gitattributes", "f.txt", "g.txt"]
    assert seen["exists"] is True
    assert seen["clash"]["status"] in (400, 409)
    assert seen["refs"] == ["main"]


def test_settings(alice: Client, hub: Hub) -> None:
    def settle(repo: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo)
        api.upload_file(path_or_fileobj=b"gold", path_in_repo="f.txt", repo_id=repo)
        seen = {"before": [api.model_info(repo).private, api.model_info(repo).gated]}
        if hasattr(api, "update_repo_settings"):
            api.update_repo_settings(repo, gated="manual")
            seen["gated"] = api.model_info(repo).gated
            api.update_repo_settings(repo, private=True)
        else:
            api.update_repo_visibility(repo, private=True)
        seen["after"] = api.model_info(repo).private
        return seen

    repo = hub.new_id()
    seen = alice.call(settle, repo=repo)
    assert seen["before"] == [False, False]
    assert seen.get("gated", "manual") == "manual"
    assert seen["after"] is True


def test_gated(alice: Client, make_client: ClientMaker, hub: Hub, generation: str) -> None:
    def fill(repo: str) -> None:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo)
        api.upload_file(path_or_fileobj=b"gold", path_in_repo="f.txt", repo_id=repo)
        api.upload_file(path_or_fileobj=b"# hi", path_in_repo="README.md", repo_id=repo)

    def gate(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().update_repo_settings(repo, gated="auto")

    def look(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        from kit import failure

        api = HfApi()
        return {"info": api.model_info(repo).gated, "files": api.list_repo_files(repo),
                "file": failure(lambda: hf_hub_download(repo, "f.txt")),
                "missing": failure(lambda: hf_hub_download(repo, "no.txt")),
                "all": failure(lambda: snapshot_download(repo))}  # fmt: skip

    repo = hub.new_id()
    alice.call(fill, repo=repo)
    make_client("hub-2.4", "alice").call(gate, repo=repo)
    for who, status in (("bob", 403), (None, 401)):
        seen = make_client(generation, who).call(look, repo=repo)
        assert seen["info"] == "auto"
        assert "f.txt" in seen["files"]
        for name in ("file", "missing", "all"):
            assert (
                "GatedRepoError" in seen[name]["kinds"] or "LocalEntryNotFoundError" in seen[name]["kinds"]
            ), seen[name]
        assert (seen["file"]["status"], seen["file"]["code"]) == (status, "GatedRepo")


def test_duplicate(alice: Client, hub: Hub, generation: str) -> None:
    if generation in ("hub-0.36", "hub-0.23"):
        pytest.skip("this generation duplicates spaces only")

    def duplicate(repo: str, copy: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download
        from kit import pattern, sha256

        api = HfApi()
        api.create_repo(repo)
        data = pattern(11_000_000)
        api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
        url = api.duplicate_repo(repo, copy, private=True)
        return {"id": url.repo_id, "private": api.model_info(copy).private,
                "same": sha256(hf_hub_download(copy, "w.bin")) == sha256(data)}  # fmt: skip

    copy = hub.new_id("acme")
    seen = alice.call(duplicate, repo=hub.new_id(), copy=copy)
    assert seen == {"id": copy, "private": True, "same": True}


def test_an_alias_of_one_name(alice: Client, hub: Hub) -> None:
    def fill() -> dict:
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download

        api = HfApi()
        api.create_repo("acme/gpt2-small", exist_ok=True)
        api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="acme/gpt2-small")
        return {"id": api.model_info("gpt2").id, "config": open(hf_hub_download("gpt2", "config.json")).read(),
                "files": api.list_repo_files("gpt2"), "exists": api.file_exists("gpt2", "config.json"),
                "snapshot": "gpt2" in snapshot_download("gpt2")}  # fmt: skip

    seen = alice.call(fill)
    assert seen["id"] == "acme/gpt2-small"
    assert seen["config"] == "{}"
    assert seen["files"] == [".gitattributes", "config.json"]
    assert seen["exists"]
    assert seen["snapshot"]

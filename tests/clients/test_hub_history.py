"""Branches, tags, pull requests, trees and history through every generation of huggingface_hub."""

from __future__ import annotations

import pytest

from clients.drivers import Client, Hub


def test_branches_and_tags(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from pathlib import Path

        from huggingface_hub import HfApi, hf_hub_download
        from kit import failure

        api = HfApi()
        api.create_repo(repo)
        first = api.upload_file(path_or_fileobj=b"1", path_in_repo="v.txt", repo_id=repo).oid
        api.create_branch(repo, branch="dev/next")
        api.create_tag(repo, tag="v1.0", tag_message="One", revision=first)
        second = api.upload_file(
            path_or_fileobj=b"2", path_in_repo="v.txt", repo_id=repo, revision="dev/next"
        ).oid
        api.create_branch(repo, branch="from-sha", revision=first)
        read = lambda revision: Path(hf_hub_download(repo, "v.txt", revision=revision)).read_text()  # noqa: E731
        seen = {
            "main": read("main"), "branch": read("dev/next"), "tag": read("v1.0"), "sha": read(second),
            "short": read(first[:8]), "again": failure(lambda: api.create_branch(repo, branch="dev/next")),
            "tag again": failure(lambda: api.create_tag(repo, tag="v1.0")),
        }  # fmt: skip
        api.create_branch(repo, branch="dev/next", exist_ok=True)
        api.create_tag(repo, tag="v1.0", exist_ok=True)
        refs = api.list_repo_refs(repo)
        seen["branches"] = {each.name: [each.ref, each.target_commit] for each in refs.branches}
        seen["tags"] = {each.name: [each.ref, each.target_commit] for each in refs.tags}
        seen["converts"] = list(refs.converts)
        api.delete_branch(repo, branch="dev/next")
        api.delete_tag(repo, tag="v1.0")
        seen["main gone"] = failure(lambda: api.delete_branch(repo, branch="main"))
        seen["left"] = [each.name for each in api.list_repo_refs(repo).branches]
        seen["shas"] = [first, second]
        seen["missing"] = [failure(lambda: api.delete_tag(repo, tag="nope")),
                           failure(lambda: api.delete_branch(repo, branch="nope"))]  # fmt: skip
        return seen

    seen = alice.call(story, repo=hub.new_id())
    first, second = seen["shas"]
    assert (seen["main"], seen["branch"], seen["tag"], seen["sha"], seen["short"]) == (
        "1",
        "2",
        "1",
        "2",
        "1",
    )
    assert seen["again"]["status"] == seen["tag again"]["status"] == 409
    assert seen["branches"] == {
        "main": ["refs/heads/main", first],
        "dev/next": ["refs/heads/dev/next", second],
        "from-sha": ["refs/heads/from-sha", first],
    }
    assert list(seen["tags"]) == ["v1.0"]
    assert seen["tags"]["v1.0"][0] == "refs/tags/v1.0"
    assert seen["converts"] == []
    assert seen["left"] == ["from-sha", "main"]
    assert seen["main gone"]["status"] in (400, 403, 422)
    assert all("RevisionNotFoundError" in each["kinds"] for each in seen["missing"])


def test_pull_request(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

        api = HfApi()
        api.create_repo(repo)
        before = api.model_info(repo).sha
        info = api.create_commit(repo, [CommitOperationAdd("p.txt", b"proposed")], commit_message="Propose",
                                 create_pr=True)  # fmt: skip
        refs = api.list_repo_refs(repo, include_pull_requests=True)
        api.upload_file(path_or_fileobj=b"better", path_in_repo="p.txt", repo_id=repo, revision="refs/pr/1")
        second = api.upload_file(path_or_fileobj=b"x", path_in_repo="q.bin", repo_id=repo, create_pr=True)
        return {"url": info.pr_url, "number": info.pr_num, "revision": info.pr_revision, "second": second
                if isinstance(second, str) and not hasattr(second, "pr_num") else second.pr_num,
                "refs": [[each.name, each.ref] for each in refs.pull_requests or []],
                "content": open(hf_hub_download(repo, "p.txt", revision="refs/pr/1")).read(),
                "main": api.list_repo_files(repo), "moved": api.model_info(repo).sha != before,
                "info": api.model_info(repo, revision="refs/pr/2").sha != before,
                "commits": len(api.list_repo_commits(repo, revision="refs/pr/1"))}  # fmt: skip

    repo = hub.new_id()
    seen = alice.call(story, repo=repo)
    assert seen["url"] == f"{hub.url}/{repo}/discussions/1"
    assert (seen["number"], seen["revision"], seen["second"]) == (1, "refs/pr/1", 2)
    assert seen["refs"] == [["1", "refs/pr/1"]]
    assert seen["content"] == "better"
    assert seen["main"] == [".gitattributes"]
    assert not seen["moved"]
    assert seen["info"]
    assert seen["commits"] == 3


def test_a_stranger_proposes(make_client, hub: Hub, generation: str) -> None:
    def create(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo)

    def propose(repo: str) -> dict:
        from huggingface_hub import HfApi
        from kit import failure

        api = HfApi()
        direct = failure(lambda: api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo))
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.bin", repo_id=repo, create_pr=True)
        return {"direct": direct, "files": api.list_repo_files(repo, revision="refs/pr/1")}

    repo = hub.new_id()
    make_client(generation, "alice").call(create, repo=repo)
    seen = make_client(generation, "bob").call(propose, repo=repo)
    assert seen["direct"]["status"] == 403
    assert "a.bin" in seen["files"]


def test_tree_and_paths(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi()
        api.create_repo(repo)
        api.create_commit(repo, [CommitOperationAdd(f"d/{number:04}.txt", b"x%d" % number) for number in range(1200)],
                          commit_message="Many")  # fmt: skip
        last = api.create_commit(repo, [CommitOperationAdd("w.bin", b"\x00" * 1000), CommitOperationAdd("d/sub/s.txt", b"s")],
                                 commit_message="Two").oid  # fmt: skip
        flat = list(api.list_repo_tree(repo))
        deep = list(api.list_repo_tree(repo, recursive=True))
        below = list(api.list_repo_tree(repo, "d", recursive=False))
        expanded = {each.path: each for each in api.list_repo_tree(repo, expand=True)}
        paths = {
            each.path: each
            for each in api.get_paths_info(repo, ["w.bin", "d", "nope", "d/sub/s.txt"], expand=True)
        }
        lfs = paths["w.bin"].lfs
        return {
            "flat": [[type(each).__name__, each.path] for each in flat],
            "deep": [len(deep), len({each.path for each in deep})],
            "below": len(below),
            "last": {path: each.last_commit and each.last_commit["title"] for path, each in expanded.items()},
            "paths": sorted(paths),
            "size": [paths["w.bin"].size, lfs["size"] if isinstance(lfs, dict) else lfs.size],
            "at": [paths["w.bin"].last_commit["oid"] == last, paths["d/sub/s.txt"].last_commit["title"]],
            "tree": paths["d"].last_commit["title"],
        }  # fmt: skip

    seen = alice.call(story, repo=hub.new_id())
    assert seen["flat"] == [
        ["RepoFolder", "d"],
        ["RepoFile", ".gitattributes"],
        ["RepoFile", "w.bin"],
    ] or sorted(seen["flat"]) == [["RepoFile", ".gitattributes"], ["RepoFile", "w.bin"], ["RepoFolder", "d"]]
    assert seen["deep"] == [1205, 1205]
    assert seen["below"] == 1201
    assert seen["last"] == {"d": "Two", ".gitattributes": "initial commit", "w.bin": "Two"}
    assert seen["paths"] == ["d", "d/sub/s.txt", "w.bin"]
    assert seen["size"] == [1000, 1000]
    assert seen["at"] == [True, "Two"]
    assert seen["tree"] == "Two"


def test_history_and_squash(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download

        api = HfApi()
        api.create_repo(repo)
        for number in range(60):
            api.upload_file(
                path_or_fileobj=b"%d" % number,
                path_in_repo="n.txt",
                repo_id=repo,
                commit_message=f"No. {number}",
            )
        commits = api.list_repo_commits(repo, formatted=True)
        api.super_squash_history(repo, commit_message="All in one")
        after = api.list_repo_commits(repo)
        return {"titles": [each.title for each in commits], "unique": len({each.commit_id for each in commits}),
                "formatted": commits[0].formatted_title, "after": [each.title for each in after],
                "content": open(hf_hub_download(repo, "n.txt")).read()}  # fmt: skip

    seen = alice.call(story, repo=hub.new_id())
    assert seen["titles"] == [*(f"No. {number}" for number in reversed(range(60))), "initial commit"]
    assert seen["unique"] == 61
    assert "No. 59" in seen["formatted"]
    assert seen["after"] == ["All in one"]
    assert seen["content"] == "59"


def test_lists(alice: Client, hub: Hub, generation: str) -> None:
    def story(prefix: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        for number in range(7):
            api.create_repo(f"acme/{prefix}-{number}", private=number == 6)
            api.create_repo(f"acme/{prefix}-{number}", repo_type="dataset")
        api.create_repo(f"alice/{prefix}", repo_type="space", space_sdk="static")
        api.upload_file(path_or_fileobj=b"---\nlicense: mit\ntags:\n- odd\npipeline_tag: text-generation\n---\n",
                        path_in_repo="README.md", repo_id=f"acme/{prefix}-3")  # fmt: skip
        first = list(api.list_models(author="acme", search=prefix, limit=3))
        every = [each.id for each in api.list_models(author="acme", search=prefix)]
        odd = list(api.list_models(search=prefix, filter="odd", full=True))
        return {"first": len(first), "every": sorted(every), "odd": [each.id for each in odd],
                "files": [each.rfilename for each in odd[0].siblings] if odd else None,
                "pipeline": odd[0].pipeline_tag if odd else None,
                "datasets": len(list(api.list_datasets(author="acme", search=prefix))),
                "spaces": [each.id for each in api.list_spaces(author="alice", search=prefix)],
                "nobody": list(api.list_models(author="nobodyatall")),
                "anonymous": len(list(HfApi(token=False).list_models(author="acme", search=prefix)))}  # fmt: skip

    prefix = hub.new_id().partition("/")[2]
    seen = alice.call(story, prefix=prefix)
    assert seen["first"] == 3
    assert seen["every"] == [f"acme/{prefix}-{number}" for number in range(7)]
    assert seen["odd"] == [f"acme/{prefix}-3"]
    assert "README.md" in seen["files"]
    assert seen["pipeline"] == "text-generation"
    assert seen["datasets"] == 7
    assert seen["spaces"] == [f"alice/{prefix}"]
    assert seen["nobody"] == []
    assert seen["anonymous"] == 6


def test_infos(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        seen = {}
        for kind in ("model", "dataset", "space"):
            api.create_repo(repo, repo_type=kind, **({"space_sdk": "gradio"} if kind == "space" else {}))
            api.upload_file(path_or_fileobj=b"---\ntitle: T\nlicense: apache-2.0\nsdk: gradio\n---\n# T\n",
                            path_in_repo="README.md", repo_id=repo, repo_type=kind)  # fmt: skip
            info = api.repo_info(repo, repo_type=kind, files_metadata=True)
            at = api.repo_info(repo, repo_type=kind, revision=info.sha)
            expanded = {}
            if kind == "model":
                more = (
                    api.model_info(repo, expand=["sha", "author", "siblings", "downloads", "likes"])
                    if "expand" in api.model_info.__code__.co_varnames
                    else info
                )
                expanded = [more.sha == info.sha, more.author, more.downloads, more.likes]
            seen[kind] = [info.id, at.sha == info.sha, info.card_data.license, info.private, info.disabled,
                          info.likes, expanded, info.last_modified is not None,
                          {each.rfilename: each.size for each in info.siblings}["README.md"]]  # fmt: skip
        return seen

    repo = hub.new_id()
    seen = alice.call(story, repo=repo)
    for kind, got in seen.items():
        size = len(b"---\ntitle: T\nlicense: apache-2.0\nsdk: gradio\n---\n# T\n")
        expanded = [True, "alice", 0, 0] if kind == "model" else {}
        assert got == [repo, True, "apache-2.0", False, got[4], 0, expanded, True, size]
        assert not got[4]


def test_lfs_files_can_be_deleted_for_good(alice: Client, hub: Hub, generation: str) -> None:
    if generation == "hub-0.23":
        pytest.skip("this generation has no list of LFS files")

    def story(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download
        from kit import failure, pattern, sha256

        api = HfApi()
        api.create_repo(repo)
        for number in range(3):
            api.upload_file(
                path_or_fileobj=pattern(50_000, number), path_in_repo=f"w{number}.bin", repo_id=repo
            )
        files = list(api.list_lfs_files(repo))
        doomed = [each for each in files if each.filename == "w1.bin"]
        api.permanently_delete_lfs_files(repo, doomed)
        return {"names": sorted(each.filename for each in files), "sizes": {each.size for each in files} == {50_000},
                "pusher": files[0].pushed_at is not None, "left": sorted(each.filename for each in api.list_lfs_files(repo)),
                "files": api.list_repo_files(repo), "gone": failure(lambda: hf_hub_download(repo, "w1.bin")),
                "kept": sha256(hf_hub_download(repo, "w2.bin")) == sha256(pattern(50_000, 2))}  # fmt: skip

    seen = alice.call(story, repo=hub.new_id())
    assert seen["names"] == ["w0.bin", "w1.bin", "w2.bin"]
    assert seen["sizes"]
    assert seen["pusher"]
    assert seen["left"] == ["w0.bin", "w2.bin"]
    assert seen["files"] == [".gitattributes", "w0.bin", "w2.bin"]
    assert "EntryNotFoundError" in seen["gone"]["kinds"]
    assert seen["kept"]

"""Pull requests as every generation of huggingface_hub, its command line, git and transformers make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub
from openhood.testing.tcp import Git


def test_a_pull_request_from_draft_to_merge(alice: Client, hub: Hub) -> None:
    def story(repo: str, home: str) -> dict:
        from pathlib import Path

        import kit
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi()
        api.create_repo(repo)
        api.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)
        draft = api.create_pull_request(repo, title="Two files", description="Both are **needed**.")
        for name in ("b.txt", "c.txt"):
            api.upload_file(
                path_or_fileobj=name.encode(), path_in_repo=name, repo_id=repo, revision=draft.git_reference,
                commit_message=f"Add {name}",
            )  # fmt: skip
        early = kit.failure(lambda: api.merge_pull_request(repo, draft.num))
        api.change_discussion_status(repo, draft.num, "open")
        shown = api.get_discussion_details(repo, draft.num)
        api.upload_file(path_or_fileobj=b"d", path_in_repo="d.txt", repo_id=repo)  # main moves on
        before = sorted(api.list_repo_files(repo))
        api.merge_pull_request(repo, draft.num, comment="Thanks")
        merged = api.get_discussion_details(repo, draft.num)

        info = api.create_commit(
            repo, [CommitOperationAdd("a.txt", b"theirs\n")], commit_message="Change a", create_pr=True
        )
        folder = Path(home) / "folder"
        kit.write_tree(folder, {"f/1": b"1", "f/2": kit.pattern(2_000_000)})
        upload = api.upload_folder(
            repo_id=repo, folder_path=folder, create_pr=True, commit_message="A folder"
        )
        number = int(getattr(upload, "pr_num", None) or str(upload.pr_url).rsplit("/", 1)[1])
        if api.get_discussion_details(repo, number).status == "draft":
            api.change_discussion_status(repo, number, "open")
        api.upload_file(path_or_fileobj=b"ours\n", path_in_repo="a.txt", repo_id=repo)
        clash = api.get_discussion_details(repo, info.pr_num)
        conflict = kit.failure(lambda: api.merge_pull_request(repo, info.pr_num))
        api.merge_pull_request(repo, number)
        commits = api.list_repo_commits(repo)
        return {
            "draft": [
                draft.num,
                draft.status,
                draft.is_pull_request,
                draft.git_reference,
                draft.target_branch,
            ],
            "early": early,
            "events": [
                [each.type, getattr(each, "summary", None) or getattr(each, "new_status", None)]
                for each in merged.events
            ],
            "shown": [shown.status, shown.conflicting_files, shown.merge_commit_oid, shown.diff],
            "merged": [merged.status, merged.merge_commit_oid == commits[2].commit_id],
            "before": before,
            "after": sorted(api.list_repo_files(repo)),
            "pr": sorted(api.list_repo_files(repo, revision="refs/pr/1")),
            "titles": [each.title for each in commits][:3],
            "message": commits[2].message,
            "clash": clash.conflicting_files,
            "conflict": conflict,
            "large": kit.sha256(api.hf_hub_download(repo, "f/2")) == kit.sha256(folder / "f/2"),
        }

    found = alice.call(story, repo=hub.new_id(), home=str(alice.home))
    assert found["draft"] == [1, "draft", True, "refs/pr/1", "refs/heads/main"]
    assert found["early"]["status"] == 409
    assert "draft" in found["early"]["text"]
    assert found["events"] == [
        ["comment", None],
        ["commit", "Add b.txt"],
        ["commit", "Add c.txt"],
        ["status-change", "open"],
        ["comment", None],
        ["status-change", "merged"],
    ]
    status, conflicting, merge_oid, diff = found["shown"]
    assert (status, merge_oid) == ("open", None)
    assert not conflicting
    assert "+b.txt" in diff
    assert found["merged"] == ["merged", True]
    assert found["before"] == [".gitattributes", "a.txt", "d.txt"]
    assert found["after"] == [".gitattributes", "a.txt", "b.txt", "c.txt", "d.txt", "f/1", "f/2"]
    assert found["pr"] == [".gitattributes", "a.txt", "b.txt", "c.txt"]
    assert found["titles"][0] == "A folder (#3)"
    assert found["titles"][2] == "Two files (#1)"
    assert "Both are **needed**." in found["message"]
    assert found["clash"] == ["a.txt"]
    assert found["conflict"]["status"] == 409
    assert "'a.txt'" in found["conflict"]["text"]
    assert found["large"] is True


@pytest.mark.parametrize("generation", ["hub-2.4", pytest.param("hub-1", marks=pytest.mark.clients)])
def test_the_command_line(make_client: ClientMaker, hub: Hub, generation: str) -> None:
    cli, repo = make_client(generation, "alice"), hub.new_id()
    home = cli.home / "n.txt"
    home.write_text("new\n")
    for arguments in (
        ["repos", "create", repo],
        ["discussions", "create", repo, "--title", "From the shell", "--pull-request"],
        ["upload", repo, str(home), "n.txt", "--revision", "refs/pr/1"],
        ["discussions", "reopen", repo, "1", "--yes"],
    ):
        ran = cli.hf(*arguments)
        assert ran.code == 0, f"{arguments}: {ran.text}"
    assert "+new" in cli.hf("discussions", "diff", repo, "1").text
    ran = cli.hf("discussions", "merge", repo, "1", "--comment", "Fine", "--yes")
    assert ran.code == 0, ran.text
    assert "erged" in cli.hf("discussions", "list", repo, "--status", "merged", "--format", "json").text
    again = cli.hf("discussions", "merge", repo, "1", "--yes")
    assert again.code != 0
    assert "merged already" in again.text


def test_git_pushes_to_a_pull_request(make_client: ClientMaker, hub: Hub, tmp_path: Path) -> None:
    def open_one(repo: str) -> int:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo, exist_ok=True)
        return api.create_pull_request(repo, title="By git").num

    def close_it(repo: str, number: int) -> list:
        from huggingface_hub import HfApi

        api = HfApi()
        api.change_discussion_status(repo, number, "open")
        diff = api.get_discussion_details(repo, number).diff
        api.merge_pull_request(repo, number)
        found = api.get_discussion_details(repo, number)
        return [
            [getattr(each, "summary", each.type) for each in found.events],
            diff,
            api.list_repo_files(repo),
        ]

    repo = hub.new_id()
    client = make_client("hub-2.4", "alice")
    number = client.call(open_one, repo=repo)
    git, work = Git(tmp_path / "git"), tmp_path / "work"
    url = hub.git_url(repo, "alice")
    git("clone", "--quiet", url, str(work))
    git.commit(work, {"one.txt": "1\n"})
    tip = git.commit(work, {"two.txt": "2\n"})
    git("push", "--quiet", "origin", f"HEAD:refs/pr/{number}", cwd=work)
    git("fetch", "--quiet", "origin", f"refs/pr/{number}:back", cwd=work)
    assert git("rev-parse", "back", cwd=work).strip() == tip
    for ref, reason in (("refs/pr/new", "only branches"), ("refs/pr/77", "open one first")):
        refused = git.run("push", "origin", f"HEAD:{ref}", cwd=work)
        assert refused.code != 0
        assert reason in refused.text

    # Brought up to date by a rebase: what was on the base already is none of its commits.
    other = tmp_path / "other"
    git("clone", "--quiet", url, str(other))
    git.commit(other, {"main.txt": "on main\n"})
    git("push", "--quiet", "origin", "HEAD:main", cwd=other)
    git("pull", "--quiet", "--rebase", "origin", "main", cwd=work)
    git("push", "--quiet", "--force", "origin", f"HEAD:refs/pr/{number}", cwd=work)

    told, diff, files = client.call(close_it, repo=repo, number=number)

    assert len([each for each in told if each not in ("comment", "status-change")]) == 2 + 2
    assert "+2\n" in diff
    assert "main.txt" not in diff
    assert {"one.txt", "two.txt"} <= set(files)
    late = git.run("push", "origin", f"HEAD~1:refs/pr/{number}", "--force", cwd=work)
    assert late.code != 0
    assert "merged" in late.text


@pytest.mark.clients
def test_transformers_finds_the_conversion_it_looks_for(make_client: ClientMaker, hub: Hub) -> None:
    def story(repo: str) -> list:
        from huggingface_hub import CommitOperationAdd, HfApi
        from transformers.safetensors_conversion import get_conversion_pr_reference, previous_pr

        api = HfApi()
        api.create_repo(repo, private=True)
        title = "Adding `safetensors` variant of this model"
        add = [CommitOperationAdd("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      ")]
        nothing = previous_pr(api, repo, title, token=None)
        api.create_commit(repo, add, commit_message=title, create_pr=True)
        found = previous_pr(api, repo, title, token=None)
        reference = get_conversion_pr_reference(api, repo)
        exists = api.file_exists(repo, "model.safetensors", revision=reference)
        return [nothing, found.num, reference, exists]

    found = make_client("tf", "alice").call(story, repo=hub.new_id())
    assert found == [None, 1, "refs/pr/1", True]

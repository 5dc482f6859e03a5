"""Discussions as every generation of huggingface_hub holds them, and as ``hf discussions`` does."""

from __future__ import annotations

import json

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_discussion(make_client: ClientMaker, hub: Hub, generation: str, kind: str) -> None:
    def begin(repo: str, kind: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo, repo_type=kind)
        made = api.create_discussion(repo, "It breaks", description="Look: *this*", repo_type=kind)
        plain = api.create_discussion(repo, "No words", repo_type=kind)
        return {
            "num": made.num,
            "url": made.url,
            "status": made.status,
            "is_pull": made.is_pull_request,
            "kinds": [event.type for event in made.events],
            "default": plain.events[0].content,
        }

    def answer(repo: str, kind: str) -> dict:
        import kit
        from huggingface_hub import HfApi

        api = HfApi()
        said = api.comment_discussion(repo, 1, "Me @alice too", repo_type=kind)
        better = api.edit_discussion_comment(repo, 1, said.id, "Me @alice too!", repo_type=kind)
        return {
            "said": [said.content, said.author, said.edited, said.hidden, said.number_of_edits],
            "better": [better.content, better.edited, better.number_of_edits, better.last_edited_by],
            "history": [each["raw"] for each in better.edit_history],
            "rendered": better.rendered,
            "refused": kit.failure(lambda: api.change_discussion_status(repo, 1, "closed", repo_type=kind)),
            "renaming": kit.failure(lambda: api.rename_discussion(repo, 1, "Mine", repo_type=kind)),
        }

    def end(repo: str, kind: str) -> dict:
        import kit
        from huggingface_hub import HfApi

        api = HfApi()
        renamed = api.rename_discussion(repo, 1, "It broke", repo_type=kind)
        closed = api.change_discussion_status(repo, 1, "closed", comment="Done", repo_type=kind)
        comment = api.get_discussion_details(repo, 1, repo_type=kind).events[1]
        hidden = api.hide_discussion_comment(repo, 1, comment.id.upper(), repo_type=kind)
        details = api.get_discussion_details(repo, 1, repo_type=kind)
        try:
            listed = list(api.get_repo_discussions(repo, repo_type=kind, discussion_status="closed"))
            none = list(api.get_repo_discussions(repo, repo_type=kind, discussion_type="pull_request"))
            mine = list(api.get_repo_discussions(repo, repo_type=kind, author="alice"))
        except TypeError:  # filters came with 0.20
            listed = [
                each for each in api.get_repo_discussions(repo, repo_type=kind) if each.status == "closed"
            ]
            none, mine = [], list(api.get_repo_discussions(repo, repo_type=kind))
        return {
            "renamed": [renamed.old_title, renamed.new_title, renamed.author],
            "closed": [closed.new_status, closed.type],
            "hidden": [hidden.hidden, hidden.content],
            "kinds": [event.type for event in details.events],
            "authors": [event.author for event in details.events],
            "title": details.title,
            "created": details.created_at.tzinfo is not None,
            "listed": [[each.num, each.title, each.author, each.repo_id, each.repo_type] for each in listed],
            "none": len(none),
            "mine": [each.num for each in mine],
            "missing": kit.failure(lambda: api.get_discussion_details(repo, 99, repo_type=kind)),
        }

    repo = hub.new_id()
    alice, bob = make_client(generation, "alice"), make_client(generation, "bob")
    found = alice.call(begin, repo=repo, kind=kind)
    prefix = "" if kind == "model" else "datasets/"
    assert found["url"] == f"{hub.url}/{prefix}{repo}/discussions/1"
    assert (found["num"], found["status"], found["is_pull"], found["kinds"]) == (
        1,
        "open",
        False,
        ["comment"],
    )
    assert "huggingface_hub" in found["default"]

    found = bob.call(answer, repo=repo, kind=kind)
    assert found["said"] == ["Me @alice too", "bob", False, False, 0]
    assert found["better"] == ["Me @alice too!", True, 1, "bob"]
    assert found["history"] == ["Me @alice too"]
    assert '<a href="/alice" class="mention" rel="nofollow noopener ugc">@alice</a>' in found["rendered"]
    for refused in (found["refused"], found["renaming"]):
        assert refused["status"] == 403
        assert "Only the author" in refused["text"]

    found = alice.call(end, repo=repo, kind=kind)
    assert found["renamed"] == ["It breaks", "It broke", "alice"]
    assert found["closed"] == ["closed", "status-change"]
    assert found["hidden"] == [True, ""]
    assert found["kinds"] == ["comment", "comment", "title-change", "comment", "status-change"]
    assert found["authors"] == ["alice", "bob", "alice", "alice", "alice"]
    assert found["title"] == "It broke"
    assert found["created"] is True
    assert found["listed"] == [[1, "It broke", "alice", repo, kind]]
    assert found["none"] == 0
    assert found["mine"] == [2, 1]
    assert found["missing"]["status"] == 404


def test_pages_of_discussions(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> list[int]:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo)
        for place in range(53):
            api.create_discussion(repo, f"Number {place + 1}", description="")
        return [each.num for each in api.get_repo_discussions(repo)]

    assert alice.call(story, repo=hub.new_id()) == list(range(53, 0, -1))


def test_attachments(make_client: ClientMaker, hub: Hub) -> None:
    def story(repo: str) -> dict:
        import kit
        from huggingface_hub import HfApi
        from huggingface_hub.utils import get_session

        api = HfApi()
        with open("shot.png", "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + bytes(1000))
        with open("fake.png", "wb") as file:
            file.write(b"<script>alert(1)</script>")
        url = api.upload_attachment("shot.png")
        api.create_repo(repo)
        made = api.create_discussion(repo, "Look", description=f"![shot]({url})")
        return {
            "url": url,
            "bytes": len(get_session().get(url).content),
            "html": made.events[0].rendered,
            "fake": kit.failure(lambda: api.upload_attachment("fake.png")),
        }

    found = make_client("hub-2.4", "alice").call(story, repo=hub.new_id())
    assert found["url"].startswith(f"{hub.url}/uploads/")
    assert found["bytes"] == 1008
    assert f'<img src="{found["url"]}"' in found["html"]
    assert found["fake"]["status"] == 415


@pytest.mark.clients
def test_the_command(make_client: ClientMaker, hub: Hub) -> None:
    alice = make_client("hub-2.4", "alice")
    repo = hub.new_id()

    def create(repo: str) -> None:
        from huggingface_hub import HfApi

        HfApi().create_repo(repo)
        with open("shot.png", "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + bytes(10))
        with open("film.mp4", "wb") as file:
            file.write(b"\0\0\0\x18ftypisom" + bytes(10))

    alice.call(create, repo=repo)

    def hf(*words: str) -> str:
        ran = alice.hf("discussions", *words)
        assert ran.code == 0, ran.text
        return ran.out

    hf(
        "create",
        repo,
        "--title",
        "It breaks",
        "--body",
        "See",
        "--attach",
        "shot.png#A shot",
        "--attach",
        "film.mp4",
    )
    hf("comment", repo, "1", "--body", "Me too")
    hf("rename", repo, "1", "It broke")
    shown = json.loads(hf("info", repo, "1", "--format", "json"))
    events = shown["events"]
    assert [event["type"] for event in events] == ["comment", "comment", "title-change"]
    assert "![A shot](" in events[0]["content"]
    hf("edit", repo, "1", events[1]["id"], "--body", "Me as well")
    hf("close", repo, "1", "--comment", "Done", "--yes")
    assert json.loads(hf("list", repo, "--format", "json")) == []
    closed = json.loads(hf("list", repo, "--status", "closed", "--format", "json"))
    assert [(each["num"], each["title"], each["status"]) for each in closed] == [(1, "It broke", "closed")]
    hf("reopen", repo, "1", "--yes")
    assert [each["num"] for each in json.loads(hf("list", repo, "--format", "json"))] == [1]
    details = alice.call(_details, repo=repo)
    assert details["contents"][1:] == ["Me as well", "Done"]
    assert "<video controls" in details["html"]


def _details(repo: str) -> dict:
    from huggingface_hub import HfApi

    found = HfApi().get_discussion_details(repo, 1)
    comments = [event for event in found.events if event.type == "comment"]
    return {"contents": [event.content for event in comments], "html": comments[0].rendered}

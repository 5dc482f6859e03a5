"""Webhooks as the clients make them, received by the Hub's own server, and delivered whatever happens to ours."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.conftest import DECLARATION, PASSWORD, TOKENS
from clients.drivers import Client, Hub
from openhood.testing import server
from openhood.testing.processes import find_free_port
from openhood.testing.receiver import Receiver, Reply, start_receiver
from openhood.testing.venvs import client_python

ENV = {
    "OPENHOOD_WEBHOOKS_ALLOW": "127.0.0.1",
    "OPENHOOD_WEBHOOKS_TIMEOUT_S": "1",
    "OPENHOOD_WEBHOOKS_THREADS": "1",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who wants to be told."""
    with start_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def telling_hub() -> Iterator[Hub]:
    """A hub that may call receivers on this machine, and does not wait for them long."""
    with tempfile.TemporaryDirectory(prefix="openhood-clients-") as directory:
        data_dir = Path(directory)
        server.provision(data_dir, DECLARATION)
        with server.start_server(data_dir, env=ENV) as running:
            url = running.url.replace("127.0.0.1", "localhost")
            yield Hub(url=url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=running)


def as_user(hub: Hub, generation: str, home: Path, who: str = "alice") -> Client:
    home.mkdir(exist_ok=True)
    return Client(python=client_python(generation), home=home, hub=hub, token=hub.tokens[who])


WITH_WEBHOOKS = [
    "hub-2.4",
    *(pytest.param(each, marks=pytest.mark.clients) for each in ("hub-1", "hub-0.36")),
]


@pytest.mark.parametrize("each", WITH_WEBHOOKS)
def test_webhooks_by_the_library(telling_hub: Hub, each: str, receiver: Receiver, tmp_path: Path) -> None:
    def story(url: str, repo: str) -> dict[str, Any]:
        from dataclasses import asdict

        import kit
        from huggingface_hub import HfApi, WebhookWatchedItem

        api = HfApi()
        api.create_repo(repo)
        items = [{"type": "model", "name": repo}, WebhookWatchedItem(type="org", name="acme")]
        made = api.create_webhook(url=url, watched=items, secret="pst")
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
        told = {
            "made": asdict(made),
            "same": api.get_webhook(made.id) == made,
            "listed": made in api.list_webhooks(),
            "disabled": api.disable_webhook(made.id).disabled,
            "enabled": not api.enable_webhook(made.id).disabled,
            "untouched": asdict(api.update_webhook(made.id)),
            "changed": asdict(
                api.update_webhook(made.id, url=url + "/2", watched=items[1:], domains=["repo"], secret="x")
            ),
            "job": kit.failure(lambda: api.create_webhook(job_id="0" * 24, watched=items)),
            "inner": kit.failure(lambda: api.create_webhook(url="http://10.0.0.1/", watched=items)),
        }
        api.delete_webhook(made.id)
        return {**told, "gone": kit.failure(lambda: api.get_webhook(made.id))}

    repo = telling_hub.new_id()
    found = as_user(telling_hub, each, tmp_path / "alice").call(story, url=f"{receiver.url}/hook", repo=repo)
    made = found["made"]
    watched = [{"type": "model", "name": repo}, {"type": "org", "name": "acme"}]
    assert made["url"] == f"{receiver.url}/hook"
    assert (made["watched"], made["domains"], made["secret"]) == (watched, ["repo", "discussion"], "pst")
    assert (made["disabled"], made["job"]) == (False, None)
    assert found["untouched"] == made
    assert found["changed"] == {
        **made, "url": f"{receiver.url}/hook/2", "watched": watched[1:], "domains": ["repo"], "secret": "x",
    }  # fmt: skip
    assert [found[name] for name in ("same", "listed", "disabled", "enabled")] == [True] * 4
    assert (found["job"]["status"], found["inner"]["status"], found["gone"]["status"]) == (501, 400, 404)
    assert "OPENHOOD_WEBHOOKS_ALLOW" in found["inner"]["text"]


@pytest.mark.parametrize("each", WITH_WEBHOOKS[:2])
def test_webhooks_by_the_command(telling_hub: Hub, each: str, receiver: Receiver, tmp_path: Path) -> None:
    alice = as_user(telling_hub, each, tmp_path / "alice")
    hf = str(alice.python.parent / "hf")

    def run(*words: str) -> str:
        ran = alice.run(hf, "webhooks", *words)
        assert ran.code == 0, ran.text
        return ran.out

    def shown() -> dict[str, Any]:
        lines = json.loads(run("ls", "--format", "json"))
        found: dict[str, Any] = next(line for line in lines if line["id"] == webhook)
        return found

    before = {line["id"] for line in json.loads(run("ls", "--format", "json") or "[]")}
    run("create", "--url", receiver.url, "--watch", "org:acme", "--watch", "user:bob", "--secret", "s")
    (webhook,) = {line["id"] for line in json.loads(run("ls", "--format", "json"))} - before
    assert webhook in run("info", webhook)
    assert shown()["watched"] == ["org:acme", "user:bob"]
    run("update", webhook, "--secret", "other")
    # "Only provided options are changed", says its help.
    assert shown()["watched"] == ["org:acme", "user:bob"]
    run(
        "update",
        webhook,
        "--watch",
        "user:alice",
        "--domain",
        "discussion" if each == "hub-2.4" else "discussions",
    )
    assert (shown()["watched"], shown()["domains"]) == (["user:alice"], ["discussion"])
    run("disable", webhook)
    assert shown()["disabled"] is True
    run("enable", webhook)
    assert shown()["disabled"] is False
    run("delete", webhook, "--yes")
    assert webhook not in run("ls", "--format", "json")
    assert alice.run(hf, "webhooks", "info", webhook).code != 0


@pytest.mark.clients
def test_the_hubs_own_server_hears_everything(telling_hub: Hub, tmp_path: Path) -> None:
    """``huggingface_hub.WebhooksServer``, on Gradio and FastAPI, checks the secret and parses each payload."""

    def serve(port: int, log: str) -> None:
        import gradio
        from huggingface_hub import WebhookPayload, WebhooksServer

        # Both functions are local, where FastAPI cannot look up what annotations name.
        async def everything(payload: Any) -> dict:
            with open(log, "a") as file:
                file.write(payload.model_dump_json() + "\n")
            return {"heard": True}

        everything.__annotations__ = {"payload": WebhookPayload}
        with gradio.Blocks() as ui:
            gradio.Markdown("Listening.")
        app = WebhooksServer(ui=ui, webhook_secret="pst")
        app.add_webhook("/everything")(everything)
        app.launch(share=False, server_name="127.0.0.1", server_port=port, quiet=True)

    def act(repo: str, port: int) -> list[str]:
        from huggingface_hub import HfApi

        api = HfApi()
        url = f"http://127.0.0.1:{port}/webhooks/everything"
        watched = [{"type": "user", "name": "alice"}]
        good = api.create_webhook(url=url, watched=watched, secret="pst")
        bad = api.create_webhook(url=url, watched=watched, secret="wrong")
        api.create_repo(repo, repo_type="dataset")
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a.csv", repo_id=repo, repo_type="dataset")
        api.create_tag(repo, tag="v1", repo_type="dataset")
        talk = api.create_discussion(repo, title="Hello", description="What is *this*?", repo_type="dataset")
        said = api.comment_discussion(repo, talk.num, comment="It is @bob's", repo_type="dataset")
        api.edit_discussion_comment(repo, talk.num, said.id, "It was", repo_type="dataset")
        api.hide_discussion_comment(repo, talk.num, said.id, repo_type="dataset")
        api.change_discussion_status(repo, talk.num, new_status="closed", repo_type="dataset")
        pull = api.upload_file(
            path_or_fileobj=b"y", path_in_repo="b.csv", repo_id=repo, repo_type="dataset", create_pr=True
        )
        api.merge_pull_request(repo, pull.pr_num, repo_type="dataset")
        api.update_repo_settings(repo, private=True, repo_type="dataset")
        api.move_repo(repo, repo + "-moved", repo_type="dataset")
        api.delete_repo(repo + "-moved", repo_type="dataset")
        return [good.id, bad.id]

    apps = as_user(telling_hub, "apps", tmp_path / "apps")
    apps.more_env.update(GRADIO_ANALYTICS_ENABLED="False", PYTHONUNBUFFERED="1")
    port, log = find_free_port(), tmp_path / "heard.jsonl"
    program = apps.start(serve, port=port, log=str(log))
    try:
        _wait_for_port(port, program, apps.home / "started.log")
        repo = telling_hub.new_id()
        alice = as_user(telling_hub, "hub-2.4", tmp_path / "alice")
        good, bad = alice.call(act, repo=repo, port=port)
        heard = _heard(log, last="delete")
        lines = _logs(telling_hub, bad, at_least=1)
    finally:
        program.terminate()
        program.wait(20)
    assert {each["webhook"]["id"] for each in heard} == {good}
    events = [(each["event"]["action"], each["event"]["scope"]) for each in heard]
    # Two of one moment may be spread by two threads.
    assert ("create", "repo") in events[:2]
    assert set(events) == {
        ("create", "repo"), ("move", "repo"), ("delete", "repo"), ("update", "repo.content"), ("update", "repo.config"),
        ("create", "discussion"), ("update", "discussion"), ("create", "discussion.comment"),
        ("update", "discussion.comment"),
    }  # fmt: skip
    assert all(each["repo"]["name"] in (repo, f"{repo}-moved") for each in heard)
    opened = [each for each in heard if each["event"] == {"action": "create", "scope": "discussion"}]
    assert (opened[0]["discussion"]["title"], opened[0]["comment"]["content"]) == ("Hello", "What is *this*?")
    assert [each["discussion"]["isPullRequest"] for each in opened] == [False, True]
    assert opened[0]["discussion"]["url"]["web"] == f"{telling_hub.url}/datasets/{repo}/discussions/1"
    comments = [each["comment"] for each in heard if each["event"]["scope"] == "discussion.comment"]
    assert [(each["content"], each["hidden"]) for each in comments] == [
        ("It is @bob's", False), ("It was", False), (None, True),
    ]  # fmt: skip
    assert all(each["author"]["id"] == heard[0]["repo"]["owner"]["id"] for each in comments)
    updates = [
        each["discussion"] for each in heard if each["event"] == {"action": "update", "scope": "discussion"}
    ]
    assert [each["status"] for each in updates] == ["closed", "merged"]
    assert updates[1]["changes"]["base"] == "refs/heads/main"
    assert len(updates[1]["changes"]["mergeCommitId"]) == 40
    refs = [line["ref"] for each in heard for line in each["updatedRefs"] or ()]
    assert {"refs/heads/main", "refs/tags/v1", "refs/pr/2"} <= set(refs)
    moved = next(each for each in heard if each["event"]["action"] == "move")
    assert moved["movedTo"]["name"] == f"{repo}-moved"
    # The one with the wrong secret was told so, and shows it.
    assert {(line["statusCode"], "secret" in line["answer"]) for line in lines if line["attempts"]} == {
        (403, True)
    }


def _wait_for_port(port: int, program: Any, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert program.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0 and "ready to use" in log.read_text():
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _heard(log: Path, *, last: str) -> list[dict[str, Any]]:
    """Return the payloads in the log once one with the action ``last`` is among them."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if any(each["event"]["action"] == last for each in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{[each['event'] for each in found]}")


def _logs(hub: Hub, webhook: str, *, at_least: int) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    deadline = time.monotonic() + 60
    while True:
        answer = httpx.get(f"{hub.url}/api/settings/webhooks/{webhook}/logs", headers=headers)
        lines: list[dict[str, Any]] = answer.raise_for_status().json()
        if sum(bool(line["attempts"]) for line in lines) >= at_least or time.monotonic() > deadline:
            return lines
        time.sleep(0.1)


def _make_webhook_and_repo(url: str, repo: str) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    made = api.create_webhook(url=url, watched=[{"type": "user", "name": "alice"}], domains=["repo"])
    api.create_repo(repo)
    return made.id


def test_a_hub_that_is_killed_while_it_delivers_delivers_again(receiver: Receiver, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    server.provision(data_dir, DECLARATION)
    over = threading.Event()

    def hang(request: object) -> Reply:
        over.wait(60)
        return Reply(500)

    receiver.answering = hang
    with server.start_server(data_dir, env={**ENV, "OPENHOOD_WEBHOOKS_TIMEOUT_S": "2"}) as running:
        hub = Hub(running.url, data_dir, TOKENS, PASSWORD, running)
        alice = as_user(hub, "hub-2.4", tmp_path / "alice")
        alice.call(_make_webhook_and_repo, url=receiver.url, repo="alice/m")
        first = receiver.wait_for(1)[0]
        running.kill()
    over.set()
    receiver.answering = lambda request: Reply()
    before = len(receiver.received)
    with server.start_server(data_dir, env=ENV):
        again = receiver.wait_for(before + 1)[before]
    # The same delivery, so that a receiver can tell.
    assert again.headers["x-webhook-delivery"] == first.headers["x-webhook-delivery"]
    assert again.body == first.body


def test_receivers_that_hang_keep_nobody_waiting(
    receiver: Receiver, telling_hub: Hub, tmp_path: Path
) -> None:
    over = threading.Event()

    def hang(request: object) -> Reply:
        over.wait(120)
        return Reply()

    def make_many(hanging: str, good: str, repo: str) -> None:
        from huggingface_hub import HfApi

        api = HfApi()
        watched = [{"type": "user", "name": "bob"}]
        for url in [*[hanging] * 6, good]:
            api.create_webhook(url=url, watched=watched)
        for number in range(3):
            api.create_repo(f"{repo}{number}")

    with start_receiver() as hanging:
        hanging.answering = hang
        bob = as_user(telling_hub, "hub-2.4", tmp_path / "bob", "bob")
        repo = telling_hub.new_id("bob")
        bob.call(make_many, hanging=hanging.url, good=receiver.url, repo=repo)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            names = {each.json["repo"]["name"] for each in list(receiver.received)}
            if len(names) == 3:
                break
            time.sleep(0.1)
        assert names == {f"{repo}{number}" for number in range(3)}
        assert hanging.received
        over.set()

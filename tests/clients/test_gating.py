"""Gated repositories as every generation of huggingface_hub meets them, from both sides of the gate."""

from __future__ import annotations

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


def prepare(repo: str, kind: str, gated: str) -> None:
    """Make a gated repository with a small and a large file."""
    import kit
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import get_session

    api = HfApi()
    api.create_repo(repo, repo_type=kind)
    card = b"---\nextra_gated_fields:\n  Company: text\n  I agree: checkbox\n---\n# Gated\n"
    kit.write_tree("up", {"README.md": card, "a.txt": b"secret", "big.bin": kit.pattern(200_000)})
    api.upload_folder(repo_id=repo, repo_type=kind, folder_path="up")
    if hasattr(api, "update_repo_settings"):
        api.update_repo_settings(repo, repo_type=kind, gated=gated)
    else:
        url = f"{constants.ENDPOINT}/api/{kind}s/{repo}/settings"
        answer = get_session().put(url, headers=api._build_hf_headers(), json={"gated": gated})
        answer.raise_for_status()


def ask(repo: str, kind: str) -> int:
    """Fill in the form, as the page does."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import get_session

    prefix = "" if kind == "model" else f"{kind}s/"
    answer = get_session().post(
        f"{constants.ENDPOINT}/{prefix}{repo}/ask-access",
        headers=HfApi()._build_hf_headers(),
        json={"Company": "Acme", "I agree": True},
    )
    return answer.status_code


def fetch(repo: str, kind: str) -> dict:
    """Try everything that reads: what failed, or what came."""
    from pathlib import Path

    import kit
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    api = HfApi()
    found = {
        "gated": api.repo_info(repo, repo_type=kind).gated,
        "files": sorted(api.list_repo_files(repo, repo_type=kind)),
        "readme": "# Gated" in Path(hf_hub_download(repo, "README.md", repo_type=kind)).read_text(),
    }
    tries = {
        "file": lambda: hf_hub_download(repo, "a.txt", repo_type=kind),
        "large": lambda: hf_hub_download(repo, "big.bin", repo_type=kind),
        "all": lambda: snapshot_download(repo, repo_type=kind),
    }
    if hasattr(api, "auth_check"):
        tries["check"] = lambda: api.auth_check(repo, repo_type=kind)
    for name, attempt in tries.items():
        found[name] = kit.failure(attempt)
    if not found["large"]["kinds"]:
        found["sha256"] = kit.sha256(Path(tries["large"]()))
    return found


def decide(repo: str, kind: str) -> dict:
    """Go through everything an author does, for bob who waits and for reader who never asked."""
    import inspect

    import kit
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import get_session

    api = HfApi()

    def names(status: str) -> list:
        found = getattr(api, f"list_{status}_access_requests")(repo, repo_type=kind)
        return sorted(each.username for each in found)

    [waiting] = list(api.list_pending_access_requests(repo, repo_type=kind))
    found = {
        "waiting": [waiting.username, waiting.status, waiting.email, waiting.fields, waiting.fullname],
        "has_moment": waiting.timestamp.year >= 2024,
    }
    api.accept_access_request(repo, "bob", repo_type=kind)
    found["accepted"] = names("accepted")
    found["twice"] = kit.failure(lambda: api.accept_access_request(repo, "bob", repo_type=kind))
    api.cancel_access_request(repo, "bob", repo_type=kind)
    found["cancelled"] = [names("pending"), names("accepted")]
    may_say_why = "rejection_reason" in inspect.signature(api.reject_access_request).parameters
    why = {"rejection_reason": "Not now"} if may_say_why else {}
    api.reject_access_request(repo, "bob", repo_type=kind, **why)
    found["rejected"] = names("rejected")

    def grant(user: str) -> None:
        if hasattr(api, "auth_check"):
            api.grant_access(repo, user, repo_type=kind)
        else:  # older ones take every repository for a model there
            url = f"{constants.ENDPOINT}/api/{kind}s/{repo}/user-access-request/grant"
            sent = get_session().post(url, headers=api._build_hf_headers(), json={"user": user})
            sent.raise_for_status()

    grant("reader")
    found["granted"] = names("accepted")
    found["granted twice"] = kit.failure(lambda: grant("reader"))
    found["nobody"] = kit.failure(lambda: grant("nobody-at-all"))
    if hasattr(waiting, "request_id"):
        api.accept_access_request(repo, request_id=waiting.request_id, repo_type=kind)
    else:
        api.accept_access_request(repo, "bob", repo_type=kind)
    found["all"] = names("accepted")
    return found


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_from_the_gate_to_the_files(
    alice: Client, make_client: ClientMaker, generation: str, hub: Hub, kind: str
) -> None:
    repo = hub.new_id()
    alice.call(prepare, repo=repo, kind=kind, gated="manual")
    bob, nobody = make_client(generation, "bob"), make_client(generation)
    before, anonymous = bob.call(fetch, repo=repo, kind=kind), nobody.call(fetch, repo=repo, kind=kind)
    assert before["gated"] == anonymous["gated"] == "manual"
    assert before["files"] == [".gitattributes", "README.md", "a.txt", "big.bin"]
    assert before["readme"]
    for found, status in ((before, 403), (anonymous, 401)):
        for name in {"file", "large", "all", "check"} & set(found):
            assert "GatedRepoError" in found[name]["kinds"], (name, found[name])
        assert found["file"]["status"] in (status, None)
    assert "authorized list" in before["file"]["text"]

    assert bob.call(ask, repo=repo, kind=kind) in (200, 303)
    waiting = bob.call(fetch, repo=repo, kind=kind)
    assert "GatedRepoError" in waiting["file"]["kinds"]
    assert "awaiting a review" in waiting["file"]["text"]

    found = alice.call(decide, repo=repo, kind=kind)
    assert found["waiting"] == [
        "bob",
        "pending",
        "bob@example.org",
        {"Company": "Acme", "I agree": True},
        "bob",
    ]
    assert found["has_moment"]
    assert found["accepted"] == ["bob"]
    assert found["twice"]["status"] == 404
    assert found["cancelled"] == [["bob"], []]
    assert found["rejected"] == ["bob"]
    assert found["granted"] == ["reader"]
    assert found["granted twice"]["status"] == 400
    assert found["nobody"]["status"] == 404
    assert found["all"] == ["bob", "reader"]

    after = bob.call(fetch, repo=repo, kind=kind)
    for name in {"file", "large", "all"}:
        assert after[name]["kinds"] == [] or "no failure" in after[name]["text"], after[name]
    assert len(after["sha256"]) == 64


def test_the_command_line_at_an_automatic_gate(make_client: ClientMaker, hub: Hub) -> None:
    repo = hub.new_id()
    make_client("hub-2.4", "alice").call(prepare, repo=repo, kind="model", gated="auto")
    bob = make_client("hub-2.4", "bob")
    refused = bob.hf("download", repo, "a.txt")
    assert refused.code != 0
    assert "requires approval" in refused.text
    assert bob.call(ask, repo=repo, kind="model") in (200, 303)
    done = bob.hf("download", repo, "a.txt", "big.bin")
    assert done.code == 0, done.text

"""Nobody finds by any words what is not theirs to know of, and no words do harm."""

from __future__ import annotations

import pytest

from openhood.testing.hub import HubUnderTest

CARD = "---\ntags: [t]\n---\n# Wombats\nA quetzalcoatlus and a penguin meet. {more}\n"
HOSTILE = (
    '"', "''", "*", "a*", "-", "--", "-a", "NEAR(a b)", "a NEAR b", "name:secret", "{name words}: x", "(", ")", "a AND",
    "OR", "NOT x", "^a", "a:b", "\x00", "a\x00b", "%", "_", "\\", "&|!<->:*", "'a':*", "é", "日本語", "😀", "\ud7ff",
    "x" * 499, "a " * 200, '"' * 51, "-" * 99,
)  # fmt: skip


@pytest.fixture
def hub(hub_on_both: HubUnderTest) -> HubUnderTest:
    """Alice has a public and a private model, her organization a private dataset that bob may read."""
    alice = hub_on_both.client(hub_on_both.add_user("alice"))
    hub_on_both.add_user("bob")
    hub_on_both.add_user("carol")
    hub_on_both.add_org("acme", {"alice": "admin", "bob": "read"})
    for name, kind, private, owner in (
        ("open-wombat", "model", False, "alice"),
        ("secret-wombat", "model", True, "alice"),
        ("hidden-wombat", "dataset", True, "acme"),
    ):
        body = {"name": name, "type": kind, "private": private}
        if owner != "alice":
            body["organization"] = owner
        assert alice.post("/api/repos/create", json=body).status_code == 200
        text = CARD.replace("{more}", "onlyhere" if private else "forall")
        line = '{"key":"header","value":{"summary":"x"}}\n'
        import json

        line += json.dumps(
            {"key": "file", "value": {"path": "README.md", "content": text, "encoding": "utf-8"}}
        )
        sent = alice.post(
            f"/api/{kind}s/{owner}/{name}/commit/main",
            content=line,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert sent.status_code == 200, sent.text
    return hub_on_both


def _found(hub: HubUnderTest, who: str | None) -> set[str]:
    client = hub.client(hub.add_token(who)) if who else hub.client()
    found: set[str] = set()
    for query in (
        "wombat",
        "onlyhere",
        "quetzalcoatlus",
        "secret-wombat",
        "hidden wombat",
        "acme/hidden-wombat",
        "wombta",
    ):
        quick = client.get("/api/quicksearch", params={"q": query, "limit": 20})
        assert quick.status_code == 200
        for key in ("models", "datasets", "spaces"):
            found |= {each["id"] for each in quick.json()[key]}
        text = client.get("/api/search/full-text", params={"q": query})
        assert text.status_code == 200
        found |= {each["name"] for each in text.json()["hits"]}
        for kind in ("models", "datasets"):
            found |= {each["id"] for each in client.get(f"/api/{kind}", params={"search": query}).json()}
        if who != "alice":
            assert "secret" not in text.text.replace(query, "")
    return found


def test_everybody_finds_what_is_theirs(hub: HubUnderTest) -> None:
    assert _found(hub, "alice") == {"alice/open-wombat", "alice/secret-wombat", "acme/hidden-wombat"}
    assert _found(hub, "bob") == {"alice/open-wombat", "acme/hidden-wombat"}
    assert _found(hub, "carol") == _found(hub, None) == {"alice/open-wombat"}


def test_a_change_of_visibility_is_found_at_once(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_token("alice"))
    assert alice.put("/api/models/alice/open-wombat/settings", json={"private": True}).status_code == 200
    assert _found(hub, "carol") == set()
    assert alice.put("/api/datasets/acme/hidden-wombat/settings", json={"private": False}).status_code == 200
    assert _found(hub, "carol") == {"acme/hidden-wombat"}
    moved = {"fromRepo": "acme/hidden-wombat", "toRepo": "alice/shown-wombat", "type": "dataset"}
    assert alice.post("/api/repos/move", json=moved).status_code == 200
    assert _found(hub, "carol") == {"alice/shown-wombat"}


def test_no_words_do_harm(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_token("bob"))
    for query in HOSTILE:
        for path in ("/api/quicksearch", "/api/search/full-text", "/api/spaces/semantic-search"):
            answer = client.get(path, params={"q": query})
            assert answer.status_code in (200, 400), (path, query, answer.text)
            if answer.status_code == 400:
                assert answer.json()["error"]
        for kind in ("models", "datasets", "spaces"):
            assert client.get(f"/api/{kind}", params={"search": query}).status_code == 200
            assert client.get(f"/api/{kind}", params={"filter": query}).status_code == 200
            assert client.get(f"/api/{kind}", params={"author": query}).status_code == 200
    for path in ("/api/quicksearch", "/api/search/full-text"):
        assert client.get(path, params={"q": "x" * 10_000}).status_code == 400

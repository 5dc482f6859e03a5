"""The page of a repository over HTTP: card, column, snippets, buttons, gate, and what it refuses."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from api.commits_client import commit
from openhood.domain.discovery import downloads
from openhood.domain.repos import cards
from openhood.testing.hub import HubUnderTest

EVIL = "<script>alert(1)</script>"
CARD = f"""---
license: apache-2.0
pipeline_tag: text-generation
library_name: transformers
language: en
tags: ["<img src=x onerror=alert(1)>"]
datasets: [alice/faces, squad]
base_model: alice/base
base_model_relation: finetune
model-index:
- name: chat
  results:
  - task: {{type: text-generation}}
    dataset: {{name: "ARC {EVIL}", type: allenai/ai2_arc}}
    metrics: [{{type: accuracy, value: 61.32149}}]
---
# Chat {EVIL}

[config](config.json) ![picture](media/pic.png) <img src="https://elsewhere.example/x.png" onerror="alert(1)">

## Use

```python
print(1)
```

## Cite

```bibtex
@article{{chat, title={{Chat {EVIL}}}}}
```
"""


def weights() -> bytes:
    """A safetensors file with a hundred parameters."""
    raw = json.dumps({"w": {"dtype": "F32", "shape": [10, 10], "data_offsets": [0, 400]}}).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(400)


def create(client: httpx.Client, name: str, kind: str = "model", **more: object) -> None:
    body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
    client.post("/api/repos/create", json={**body, **more}).raise_for_status()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    for name in ("base", "chat", "empty", "bare"):
        create(client, name)
    create(client, "closed", private=True)
    create(client, "asked")
    create(client, "faces", "dataset")
    create(client, "show", "space")
    commit(client, "alice/base", {"README.md": b"# Base\n", "model.safetensors": weights()})
    commit(
        client,
        "alice/chat",
        {"README.md": CARD.encode(), "config.json": b'{"architectures":["LlamaForCausalLM"]}'},
    )
    commit(client, "alice/bare", {"weights.bin": b"abc"})
    commit(client, "alice/asked", {"README.md": b"---\nlicense: mit\n---\n# Asked\n", "a.txt": b"a"})
    commit(
        client, "alice/faces", {"README.md": b"# Faces\n", "data/it's.csv": b"a,b\n1,2\n"}, kind="datasets"
    )
    readme = b"---\nsdk: static\nmodels: [alice/chat]\n---\n# Show\n"
    commit(client, "alice/show", {"README.md": readme}, kind="spaces")
    client.put("/api/models/alice/asked/settings", json={"gated": "manual"}).raise_for_status()
    hub.run_jobs()
    return client


@pytest.fixture(scope="module")
def bob(hub: HubUnderTest) -> httpx.Client:
    return hub.client(hub.add_user("bob"))


def get(client: httpx.Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:2000]
    assert EVIL not in answer.text
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", answer.text)
    assert " style=" not in answer.text
    return answer.text


def test_the_head_says_what_it_is(alice: httpx.Client, hub: HubUnderTest) -> None:
    text = get(hub.client(), "/alice/chat")
    assert '<a href="/alice">alice</a> / <strong><a href="/alice/chat">chat</a></strong>' in text
    assert 'href="/models?pipeline_tag=text-generation"' in text
    assert 'href="/models?license=apache-2.0"' in text or 'href="/models?other=license%3Aapache-2.0"' in text
    assert 'href="/alice/chat/tree/main"' in text
    assert 'href="/alice/chat/discussions"' in text
    assert 'href="/alice/chat/settings"' not in text
    assert 'href="/alice/chat/settings"' in get(alice, "/alice/chat")
    assert 'aria-current="page"' in text


def test_the_card_is_safe_and_leads_into_the_repository(alice: httpx.Client) -> None:
    text = get(alice, "/alice/chat")
    assert 'href="/alice/chat/blob/main/config.json"' in text
    assert 'src="/alice/chat/resolve/main/media/pic.png"' in text
    assert "license: apache-2.0" not in text  # the front matter is no part of the card
    assert 'href="#card-use"' in text
    assert 'id="card-use"' in text
    assert "hl-" in text  # code is painted
    assert "@article{chat" in unescape(text)


def test_a_card_is_made_once_for_its_content() -> None:
    shown = cards.render("---\na: b\n---\n# One\n## Two & more\n", web="/a/b", revision="main")
    assert [(each.level, each.text) for each in shown.headings] == [(1, "One"), (2, "Two & more")]
    assert shown.citation is None
    assert cards.render("---\na: b\n---\n", web="/a/b", revision="main").is_blank


def test_the_column_has_weights_results_and_relations(alice: httpx.Client, hub: HubUnderTest) -> None:
    text = get(alice, "/alice/chat")
    assert "61.32" in text
    assert 'href="/alice/base"' in text
    assert 'href="/datasets/alice/faces"' in text
    assert "squad" in text
    assert 'href="/datasets/squad"' not in text
    assert 'href="/spaces/alice/show"' in text
    assert text.count("<rect x=") >= 30  # a bar a day
    base = get(alice, "/alice/base")
    assert "F32" in base
    assert "base_model%3Afinetune%3Aalice%2Fbase" in base
    faces = get(alice, "/datasets/alice/faces")
    assert 'href="/alice/chat"' in faces


def test_snippets_know_this_hub_and_the_name(alice: httpx.Client, hub: HubUnderTest) -> None:
    text = unescape(re.sub(r"</?span[^>]*>", "", get(alice, "/alice/chat")))
    assert f'os.environ["HF_ENDPOINT"] = "{hub.url}"' in text
    assert 'pipeline("text-generation", model="alice/chat")' in text
    assert "hf download alice/chat" in text
    assert f"git clone {hub.url}/alice/chat" in text
    data = unescape(re.sub(r"</?span[^>]*>", "", get(alice, "/datasets/alice/faces")))
    assert 'load_dataset("alice/faces")' in data
    assert "hf download alice/faces --repo-type dataset" in data
    assert f"FROM '{hub.url}/datasets/alice/faces/resolve/main/data/it%27s.csv'" in data


def test_snippets_are_for_the_revision_that_is_looked_at(alice: httpx.Client) -> None:
    alice.post("/api/models/alice/chat/tag/main", json={"tag": "v1.0"}).raise_for_status()
    assert 'href="/alice/chat?revision=v1.0#use"' in get(alice, "/alice/chat/tree/v1.0")
    text = unescape(re.sub(r"</?span[^>]*>", "", get(alice, "/alice/chat?revision=v1.0")))
    assert 'model="alice/chat", revision="v1.0"' in text
    assert "hf download alice/chat --revision v1.0" in text
    assert "git clone --branch v1.0" in text
    get(alice, "/alice/chat?revision=no-such", 404)


@pytest.mark.parametrize(
    ("library", "files", "said"),
    [
        ("keras", {}, 'keras.saving.load_model("hf://alice/lib-keras")'),
        ("open_clip", {}, 'create_model_from_pretrained("hf-hub:alice/lib-open-clip")'),
        ("spacy", {}, "pip install {hub}/alice/lib-spacy/resolve/main/lib-spacy-any-py3-none-any.whl"),
        ("mlx", {}, 'load("alice/lib-mlx")'),
        ("transformers.js", {}, 'env.remoteHost = "{hub}";'),
        ("sklearn", {"model.joblib": b"x"}, 'hf_hub_download("alice/lib-sklearn", "model.joblib")'),
        ("unheard-of", {"w.safetensors": b""}, 'hf_hub_download("alice/lib-unheard-of", "w.safetensors")'),
    ],
)
def test_each_library_has_its_program(
    alice: httpx.Client, hub: HubUnderTest, library: str, files: dict[str, bytes], said: str
) -> None:
    name = "lib-" + library.replace("_", "-")
    create(alice, name)
    card = f"---\nlibrary_name: {library}\npipeline_tag: image-classification\n---\n# L\n"
    found = {each: weights() if each.endswith("tensors") else body for each, body in files.items()}
    commit(alice, f"alice/{name}", {"README.md": card.encode(), **found})
    hub.run_jobs()
    text = unescape(re.sub(r"</?span[^>]*>", "", get(alice, f"/alice/{name}")))
    assert said.replace("{hub}", hub.url) in text


def test_language_models_can_be_served(alice: httpx.Client) -> None:
    create(alice, "serve")
    commit(alice, "alice/serve", {"README.md": CARD.encode(), "model.safetensors": weights()})
    assert "vllm serve alice/serve" in unescape(re.sub(r"</?span[^>]*>", "", get(alice, "/alice/serve")))
    assert "vllm serve" not in get(alice, "/alice/chat")  # there are no weights to serve


def test_the_first_rows_are_asked_for_with_words_that_can_be_read_regression(alice: httpx.Client) -> None:
    text = get(alice, "/datasets/alice/faces")
    found = re.search(r"data-preview='([^']*)'", text)
    assert found is not None
    said = json.loads(unescape(found[1]))
    assert said["api"].endswith("/api/datasets/alice/faces/viewer")
    assert set(said["words"]) == {"null", "away"}
    assert "Loading the first rows" in text


def test_an_empty_repository_teaches_the_first_upload(
    alice: httpx.Client, bob: httpx.Client, hub: HubUnderTest
) -> None:
    text = get(alice, "/alice/empty")
    assert "hf upload alice/empty ./my-folder" in text
    assert f"export HF_ENDPOINT={hub.url}" in text
    assert 'href="/alice/empty/upload/main"' in text
    assert "hf upload" not in get(bob, "/alice/empty")
    assert "No card yet" in get(bob, "/alice/bare")


def test_a_gate_is_announced_with_the_way_through(
    alice: httpx.Client, bob: httpx.Client, hub: HubUnderTest
) -> None:
    assert 'href="/alice/asked/ask-access"' in get(bob, "/alice/asked")
    assert "Sign in to ask for access" in get(hub.client(), "/alice/asked")
    assert 'href="/alice/asked/ask-access"' not in get(alice, "/alice/asked")
    assert "<h1" in get(bob, "/alice/asked")  # the card is for everybody
    assert bob.post("/alice/asked/ask-access", data={}).status_code == 303
    assert "waits for its authors" in get(bob, "/alice/asked")


def test_what_is_private_is_not_there_for_others(
    alice: httpx.Client, bob: httpx.Client, hub: HubUnderTest
) -> None:
    assert "private" in get(alice, "/alice/closed")
    assert bob.get("/alice/closed").status_code == bob.get("/alice/nothing").status_code
    for what in ("like", "watch"):
        missing = bob.post(f"/alice/nothing/{what}", data={"do": what})
        hidden = bob.post(f"/alice/closed/{what}", data={"do": what})
        assert hidden.status_code == missing.status_code


def test_liking_and_watching_with_plain_forms(alice: httpx.Client, hub: HubUnderTest) -> None:
    carol = hub.client(hub.add_user("carol"))
    for what, undo, word in (("like", "unlike", "Liked"), ("watch", "unwatch", "Watching")):
        assert f"<span>{word}</span>" not in get(carol, "/alice/base")
        for do, is_on in ((what, True), (what, True), (undo, False)):
            answer = carol.post(f"/alice/base/{what}", data={"do": do, "next": "/alice/base"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/alice/base")
            assert (f"<span>{word}</span>" in get(carol, "/alice/base")) is is_on
        assert carol.post(f"/alice/base/{what}", data={"do": "dance"}).status_code == 400
        away = carol.post(f"/alice/base/{what}", data={"do": undo, "next": "//evil.example"})
        assert away.headers["location"] == "/alice/base"
        login = hub.client().post(f"/alice/base/{what}", data={"do": what})
        assert login.headers["location"] == "/login?next=%2Falice%2Fbase"


def test_buttons_are_refused_from_other_sites_regression(hub: HubUnderTest, alice: httpx.Client) -> None:
    for what in ("like", "watch"):
        answer = hub.client(headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}).post(
            f"/alice/base/{what}", data={"do": what}
        )
        assert answer.status_code == 403


def test_downloads_are_drawn_by_day(hub: HubUnderTest, alice: httpx.Client) -> None:
    reader = hub.client(headers={"User-Agent": "somebody"})
    reader.get("/alice/chat/resolve/main/config.json").raise_for_status()
    downloads.flush(hub.sv)
    text = get(alice, "/alice/chat")
    assert re.search(r"<title>\d{4}-\d\d-\d\d: 1</title>", text)


def test_a_disabled_repository_says_so(hub: HubUnderTest, alice: httpx.Client) -> None:
    boss = hub.client(hub.add_user("boss", admin=True))
    create(alice, "shut")
    boss.put("/api/models/alice/shut/settings", json={"disabled": True}).raise_for_status()
    answer = hub.client().get("/alice/shut")
    assert answer.status_code == 403
    assert "alice/shut is disabled" in answer.text

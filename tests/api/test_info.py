"""What is told of one repository: keys, revisions, files, and what gates do not hide."""

from __future__ import annotations

import hashlib
import json
import re

import httpx
import pytest

from api.commits_client import commit
from api.lfs_client import commit as commit_large
from api.lfs_client import upload
from openhood.testing.hub import HubUnderTest

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# Everything that huggingface_hub 2.4.0 may ask for (`hf_api.py::ExpandModelProperty_T` and so on).
EXPANDS = {
    "models": "author baseModels cardData childrenModelCount config createdAt disabled downloads downloadsAllTime "
    "evalResults gated gguf inference inferenceProviderMapping lastModified library_name likes mask_token "
    "model-index pipeline_tag private resourceGroup safetensors sha siblings spaces tags transformersInfo "
    "trendingScore usedStorage widgetData xetEnabled gitalyUid securityRepoStatus region",
    "datasets": "author cardData citation createdAt description disabled downloads downloadsAllTime gated "
    "lastModified likes mainSize paperswithcode_id private resourceGroup sha siblings tags trendingScore usedStorage",
    "spaces": "author cardData createdAt datasets disabled lastModified likes models private region resourceGroup "
    "runtime sdk sha siblings subdomain tags trendingScore usedStorage",
}
README = b"""---
license: apache-2.0
language: [en, no]
datasets: squad
base_model: acme/base
tags: [robotics]
model-index:
- name: x
  results: []
widget:
- text: hi
---
See https://arxiv.org/abs/1706.03762 for more.
"""


@pytest.fixture
def client(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    client.post("/api/repos/create", json={"name": "m"}).raise_for_status()
    return client


def test_model_info(client: httpx.Client) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "secret": {"a": 1}}
    sha = commit(
        client,
        "alice/m",
        {"README.md": README, "config.json": json.dumps(config).encode(), "dir/a.txt": b"1"},
    )
    answer = client.get("/api/models/alice/m")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    info = answer.json()
    assert re.fullmatch(r"[0-9a-f]{24}", info.pop("_id"))
    assert MOMENT.fullmatch(info.pop("lastModified"))
    assert MOMENT.fullmatch(info.pop("createdAt"))
    card = info.pop("cardData")
    assert card["language"] == ["en", "no"]
    assert info == {
        "id": "alice/m",
        "modelId": "alice/m",
        "author": "alice",
        "sha": sha,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [
            "transformers",
            "llama",
            "text-generation",
            "robotics",
            "en",
            "no",
            "dataset:squad",
            "arxiv:1706.03762",
            "base_model:acme/base",
            "base_model:finetune:acme/base",
            "license:apache-2.0",
            "text-generation-inference",
            "endpoints_compatible",
            "region:us",
        ],
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
        "siblings": [
            {"rfilename": path} for path in (".gitattributes", "README.md", "config.json", "dir/a.txt")
        ],
        "spaces": [],
        "transformersInfo": {
            "auto_model": "AutoModelForCausalLM",
            "pipeline_tag": "text-generation",
            "processor": "AutoTokenizer",
        },
        "model-index": [{"name": "x", "results": []}],
        "widgetData": [{"text": "hi"}],
        "usedStorage": info["usedStorage"],
    }


def test_blobs(client: httpx.Client) -> None:
    data = b"weights" * 99
    upload(client, "alice/m", data)
    commit_large(client, "alice/m", {"model.safetensors": data})
    commit(client, "alice/m", {"a": b"abc"})
    files = {
        file["rfilename"]: file for file in client.get("/api/models/alice/m?blobs=True").json()["siblings"]
    }
    assert files["a"] == {
        "rfilename": "a",
        "size": 3,
        "blobId": hashlib.sha1(b"blob 3\0abc").hexdigest(),
    }
    assert files["model.safetensors"]["size"] == len(data)
    assert files["model.safetensors"]["lfs"] == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "pointerSize": 128,
    }
    plain = client.get("/api/models/alice/m").json()
    assert {"rfilename": "model.safetensors"} in plain["siblings"]
    assert "safetensors" in plain["tags"]


def test_revisions(client: httpx.Client) -> None:
    first = client.get("/api/models/alice/m").json()["sha"]
    second = commit(client, "alice/m", {"README.md": b"---\nlicense: mit\n---\n"})
    client.post("/api/models/alice/m/branch/a%2Fb", json={"startingPoint": first})
    client.post("/api/models/alice/m/tag/main", json={"tag": "v1", "message": "annotated"})

    def sha(revision: str) -> str:
        return str(client.get(f"/api/models/alice/m/revision/{revision}").json()["sha"])

    assert sha("HEAD") == sha("main") == sha("refs%2Fheads%2Fmain") == sha("v1") == sha(second) == second
    assert sha(second[:7]) == sha(second.upper()) == second
    assert sha("a%2Fb") == sha("a/b") == sha(first[:5]) == first
    old = client.get(f"/api/models/alice/m/revision/{first}").json()
    assert "cardData" not in old
    assert old["tags"] == ["region:us"]
    assert [file["rfilename"] for file in old["siblings"]] == [".gitattributes"]
    new = client.get("/api/models/alice/m/revision/v1").json()
    assert new["cardData"] == {"license": "mit"}
    for missing in ("nope", "0" * 40, "refs%2Fpr%2F9", "abcde"):
        answer = client.get(f"/api/models/alice/m/revision/{missing}")
        assert answer.status_code == 404
        assert answer.headers["x-error-code"] == "RevisionNotFound"


def test_card_of_a_branch_is_its_own(client: httpx.Client) -> None:
    commit(client, "alice/m", {"README.md": b"---\nlicense: mit\n---\n"})
    client.post("/api/models/alice/m/branch/side", json={})
    commit(client, "alice/m", {"README.md": b"---\nlicense: apache-2.0\n---\n"}, branch="side")
    assert client.get("/api/models/alice/m").json()["cardData"] == {"license": "mit"}
    side = client.get("/api/models/alice/m/revision/side").json()
    assert side["cardData"] == {"license": "apache-2.0"}
    assert "license:apache-2.0" in side["tags"]


@pytest.mark.parametrize("kind", ["models", "datasets", "spaces"])
def test_expand(hub: HubUnderTest, kind: str) -> None:
    client = hub.client(hub.add_user("alice"))
    client.post(
        "/api/repos/create", json={"name": "x", "type": kind[:-1], "sdk": "gradio"}
    ).raise_for_status()
    for url in (f"/api/{kind}/alice/x", f"/api/{kind}/alice/x/revision/main", f"/api/{kind}"):
        for spelling in ("expand", "expand[]"):
            for name in EXPANDS[kind].split():
                answer = client.get(url, params={spelling: name})
                assert answer.status_code == 200, name
                shown = answer.json()[0] if url == f"/api/{kind}" else answer.json()
                assert set(shown) - {name} == {"_id", "id"}
        several = client.get(url, params=[("expand", "sha"), ("expand", "tags,private")]).json()
        several = several[0] if isinstance(several, list) else several
        assert list(several) == ["_id", "id", "sha", "tags", "private"]
        refused = client.get(url, params={"expand": "nonsense"})
        assert refused.status_code == 400
        assert "'nonsense'" in refused.json()["error"]
        assert "cardData" in refused.headers["x-error-message"]


def test_gates_and_walls(hub: HubUnderTest, client: httpx.Client) -> None:
    client.put("/api/models/alice/m/settings", json={"gated": "manual"})
    assert hub.client().get("/api/models/alice/m").json()["gated"] == "manual"
    client.put("/api/models/alice/m/settings", json={"private": True})
    other = hub.client(hub.add_user("bob"))
    for tail in ("", "/revision/main", "/revision/nope", "?expand=sha"):
        hidden = other.get(f"/api/models/alice/m{tail}")
        missing = other.get(f"/api/models/alice/none{tail}")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.content == missing.content
        assert hidden.headers["x-error-code"] == missing.headers["x-error-code"] == "RepoNotFound"
    assert client.get("/api/models/Alice/M").json()["id"] == "alice/m"
    assert client.get("/api/datasets/alice/m").status_code == 404
    assert client.get("/api/kernels/alice/m").status_code == 404
    assert client.get("/api/models/alice/a..b").status_code == 400


def test_invalid_card_hides_nothing_else(client: httpx.Client) -> None:
    """A push may bring any README; the repository stays readable."""
    commit(client, "alice/m", {"x.gguf.txt": b"1"})
    info = client.get("/api/models/alice/m?securityStatus=true").json()
    assert info["securityRepoStatus"] == {"scansDone": False, "filesWithIssues": []}
    assert "cardData" not in info


def test_used_storage(hub: HubUnderTest, client: httpx.Client) -> None:
    upload(client, "alice/m", b"x" * 5000)
    hub.clock.advance(10)
    hub.run_jobs()
    used = client.get("/api/models/alice/m?expand=usedStorage").json()["usedStorage"]
    assert 5000 < used < 10000

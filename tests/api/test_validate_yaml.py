"""The card check that clients ask for before they commit a README."""

from __future__ import annotations

import httpx
import pytest

from openhood.testing.hub import HubUnderTest

URL = "/api/validate-yaml"


@pytest.fixture
def client(hub: HubUnderTest) -> httpx.Client:
    return hub.client()


def test_good_and_bad(client: httpx.Client) -> None:
    good = client.post(URL, json={"content": "---\nlicense: mit\n---\n", "repoType": "model"})
    assert (good.status_code, good.json()) == (200, {"errors": [], "warnings": []})
    bad = client.post(URL, json={"content": "---\nlicense: asdf\n---\n", "repoType": "model"})
    assert bad.status_code == 400
    (error,) = bad.json()["errors"]
    assert error["message"].startswith('"license" must be one of [')
    assert bad.json()["warnings"] == []
    assert bad.headers["x-error-message"] == "Invalid metadata in README.md."


def test_text_for_clients_that_want_it(client: httpx.Client) -> None:
    """huggingface_hub's `RepoCard.validate` shows the text as it comes."""
    answer = client.post(URL, json={"content": "---\nlicense: asdf\n---\n"}, headers={"Accept": "text/plain"})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert '- Error: "license" must be one of' in answer.text
    fine = client.post(URL, json={"content": "---\nlicense: mit\n---\n"}, headers={"Accept": "text/plain"})
    assert fine.status_code == 200


def test_no_metadata_is_a_warning(client: httpx.Client) -> None:
    for content in ("", "# Title\n", "---\n---\n"):
        answer = client.post(URL, json={"content": content, "repoType": "model"})
        assert answer.status_code == 200
        (warning,) = answer.json()["warnings"]
        assert warning["message"].startswith("empty or missing yaml metadata in repo card")
    assert client.post(URL, json={"content": "", "repoType": "space"}).status_code == 400


def test_bad_requests(client: httpx.Client) -> None:
    assert client.post(URL, json={}).status_code == 400
    assert client.post(URL, json={"content": 1}).status_code == 400
    assert client.post(URL, content=b"{").status_code == 400
    assert client.post(URL, json={"content": "---\na: 1\n---\n", "repoType": "bucket"}).status_code == 200

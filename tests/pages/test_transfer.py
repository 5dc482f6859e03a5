"""How pages travel: compressed for those who take that, and files of repositories never."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from pages.people_kit import browser, make_repo


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = browser(hub, "alice")
    make_repo(client, "alice/m")
    return client


@pytest.mark.parametrize(
    "path",
    ["/", "/models", "/alice/m", "/static/base.css", "/static/js/main.js", "/openapi.json", "/docs/api"],
)
def test_pages_are_compressed_and_the_same(alice: httpx.Client, path: str) -> None:
    plain = alice.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    with alice.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Length"] == str(len(raw))
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) * 0.6


def test_a_page_that_is_not_there_is_compressed_too(alice: httpx.Client) -> None:
    answer = alice.get("/alice/nothing", headers={"Accept-Encoding": "gzip", "Accept": "text/html"})
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (404, "gzip")


@pytest.mark.parametrize(
    ("path", "form", "secret"),
    [
        (
            "/settings/tokens",
            {"do": "create", "display_name": "laptop", "role": "read"},
            r"hf_[A-Za-z0-9]{20,}",
        ),
        ("/settings/second-factor", {"do": "begin"}, r"[A-Z2-7 ]{20,}"),
    ],
)
def test_a_page_with_a_secret_is_never_compressed(
    hub: HubUnderTest, path: str, form: dict[str, str], secret: str
) -> None:
    client = browser(hub, "sam" + path.rpartition("/")[2].replace("-", ""))
    answer = client.post(path, data=form, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert re.search(secret, answer.text)
    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert client.get(path, headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"


def test_a_static_file_that_is_known_is_not_sent_again(alice: httpx.Client) -> None:
    first = alice.get("/static/base.css", headers={"Accept-Encoding": "gzip"})
    again = alice.get("/static/base.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/alice/m/resolve/main/.gitattributes", "/alice/m/raw/main/.gitattributes"])
def test_files_of_repositories_are_sent_as_they_are(alice: httpx.Client, path: str) -> None:
    answer = alice.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(answer.content))

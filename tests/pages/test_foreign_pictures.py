"""Pictures of other hosts in what people write: links in their place; those of this hub and of its store are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from api.content import Content, Large
from openhood.testing.hub import HubUnderTest
from pages.xss_corpus import faults

TEXT = """# Title

![A cat](https://pictures.example/cat.png) ![](http://other.example/x.png)

[![Build](https://badges.example/b.svg)](https://ci.example/run) ![own](cat.png) ![hub](http://hub.test/uploads/a.png)

<video src="https://films.example/a.mp4" controls></video>
<audio controls><source src="https://sounds.example/a.mp3"></audio>
<video controls><source src="film.mp4"></video>

![><script>alert(1)</script>](https://pictures.example/evil.png "a > b") <p title="<img src=https://x.example/y.png>">fine</p>
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    notebook = {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "markdown", "source": TEXT}]}
    Content(hub.sv, "alice/m").commit(
        {"README.md": TEXT.encode(), "other.md": TEXT.encode(), "book.ipynb": json.dumps(notebook).encode()}
    )
    client.post(
        "/api/models/alice/m/discussions", json={"title": "x", "description": TEXT}
    ).raise_for_status()
    return client


@pytest.mark.parametrize(
    "path",
    ["/alice/m", "/alice/m/blob/main/other.md", "/alice/m/blob/main/book.ipynb", "/alice/m/discussions/1"],
)
def test_they_become_links(alice: httpx.Client, path: str) -> None:
    page = alice.get(path).text
    assert faults(page) == []
    assert (
        '<a class="elsewhere" href="https://pictures.example/cat.png" rel="nofollow noopener ugc">A cat '
        '<span class="where">Picture at pictures.example</span></a>' in page
    )
    assert '<span class="where">Picture at other.example</span>' in page
    # A badge stays a link to where it led.
    assert (
        '<a href="https://ci.example/run" rel="nofollow noopener ugc"><span class="elsewhere">Build ' in page
    )
    assert "Film at films.example" in page
    assert "Sound at sounds.example" in page
    assert 'src="http://hub.test/uploads/a.png"' in page
    assert "film.mp4" in page
    assert "&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert ">fine</p>" in page


def test_a_preview_shows_the_same(alice: httpx.Client) -> None:
    for path in ("/-/preview", "/alice/m/discussions/preview"):
        shown = alice.post(path, data={"text": TEXT}).text
        assert "Picture at pictures.example" in shown
        assert faults(shown) == []


def test_a_hub_that_serves_its_files_itself_names_no_other_host(alice: httpx.Client) -> None:
    policy = alice.get("/alice/m").headers["Content-Security-Policy"]
    assert "http" not in policy


def test_files_that_a_store_hands_out_may_be_shown(s3_url: str) -> None:
    with HubUnderTest(objects_url=s3_url) as hub:
        client = hub.client(hub.add_user("alice"))
        content = Content(hub.sv, "alice/m")
        content.commit({"README.md": b"![own](cat.png)", "cat.png": Large(b"\x89PNG" + bytes(1000))})
        page = client.get("/alice/m/blob/main/cat.png")
        policy = {
            part.split()[0]: part.split()[1:] for part in page.headers["Content-Security-Policy"].split("; ")
        }
        target = urlsplit(client.get("/alice/m/resolve/main/cat.png").headers["Location"])
        store = f"{target.scheme}://{target.netloc}"
        for name in ("img-src", "media-src", "connect-src"):
            assert store in policy[name], policy
            assert "'self'" in policy[name]
        assert policy["script-src"] == ["'self'"]
        assert policy["default-src"] == ["'self'"]
        assert httpx.get(target.geturl()).content.startswith(b"\x89PNG")
    with HubUnderTest(objects_url=s3_url, redirect_downloads=False) as hub:
        assert "http" not in hub.client().get("/").headers["Content-Security-Policy"]

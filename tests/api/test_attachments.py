"""What is attached to comments: which bytes are taken, how they are given back, and how much there may be."""

from __future__ import annotations

import pytest

from api.conftest import HubMaker
from openhood.base.settings import Limits
from openhood.domain.discussions.attachments import TYPES
from openhood.domain.fsck.leftovers import sweep
from openhood.testing.hub import HubUnderTest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(20),
    "image/gif": b"GIF89a" + bytes(20),
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20),
    "video/mp4": b"\0\0\0\x18ftypisom" + bytes(20),
    "video/quicktime": b"\0\0\0\x14ftypqt  " + bytes(20),
    "video/webm": b"\x1aE\xdf\xa3" + bytes(20),
    "audio/mpeg": b"ID3\x04" + bytes(20),
    "audio/wav": b"RIFF\x10\0\0\0WAVEfmt " + bytes(20),
}
HTML = b"<html><script>alert(1)</script></html>"


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_attached_comes_back(hub: HubUnderTest, kind: str) -> None:
    client = hub.client(hub.add_user("alice"))
    sent = client.post("/uploads", content=SAMPLES[kind], headers={"Content-Type": kind})
    assert sent.status_code == 200, sent.text
    assert sent.headers["content-type"].startswith("text/plain")
    assert sent.text.startswith(f"{hub.url}/uploads/")
    assert sent.text.endswith("." + TYPES[kind])
    found = hub.client().get(sent.text)
    assert (found.status_code, found.content) == (200, SAMPLES[kind])
    assert found.headers["content-type"] == kind
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in found.headers["content-security-policy"]
    assert "default-src 'none'" in found.headers["content-security-policy"]
    part = hub.client().get(sent.text, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, SAMPLES[kind][2:6])
    again = hub.client().get(sent.text, headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304
    assert hub.client().head(sent.text).headers["content-length"] == str(len(SAMPLES[kind]))


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("image/png", HTML, 415),
        ("image/png", SAMPLES["image/jpeg"], 415),
        ("image/svg+xml", b"<svg onload='alert(1)'/>", 415),
        ("text/html", HTML, 415),
        ("", PNG, 415),
        ("application/octet-stream", PNG, 415),
        ("image/png", b"", 400),
        ("audio/mpeg", b"\xff\xfe<\0h\0", 415),  # a text in UTF-16
        ("video/mp4", b"ftyp", 415),
    ],
)
def test_what_is_not_taken(hub: HubUnderTest, kind: str, content: bytes, status: int) -> None:
    client = hub.client(hub.add_user("alice"))
    refused = client.post("/uploads", content=content, headers={"Content-Type": kind})
    assert refused.status_code == status, refused.text
    assert refused.json()["error"]
    assert list(hub.sv.objects.list("attachments/")) == []


def test_who_may_attach(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    headers = {"Content-Type": "image/png"}
    reader = hub.add_token("alice", role="read", name="r")
    blind = hub.add_token(
        "alice",
        role="fineGrained",
        name="b",
        scopes={
            "scoped": [{"entity": {"type": "user", "name": "alice"}, "permissions": ["repo.content.read"]}]
        },
    )
    talker = hub.add_token("alice", role="fineGrained", name="t", scopes={"global": ["discussion.write"]})
    for token, status in ((None, 401), (reader, 403), (blind, 403), (talker, 200)):
        assert hub.client(token).post("/uploads", content=PNG, headers=headers).status_code == status


def test_how_much_may_be_attached(make_hub: HubMaker) -> None:
    hub = make_hub(limits=Limits(attachment_bytes=200, attachments_per_user_bytes=300))
    client = hub.client(hub.add_user("alice"))
    headers = {"Content-Type": "image/png"}
    assert client.post("/uploads", content=PNG + bytes(200), headers=headers).status_code == 413
    # Its length is not announced: it is found out while it comes.
    endless = client.post("/uploads", content=iter([PNG, bytes(200)]), headers=headers)
    assert endless.status_code == 413
    for expected in (200, 200, 403):
        assert client.post("/uploads", content=PNG, headers=headers).status_code == expected
    other = hub.client(hub.add_user("bob"))
    assert other.post("/uploads", content=PNG, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "0" * 32,
        "0" * 32 + ".png",
        "..%2f..%2fopenhood.db",
        "0" * 31 + "%00.png",
        "%2e%2e",
        "0" * 32 + ".html",
    ],
)
def test_what_there_is_not(hub: HubUnderTest, name: str) -> None:
    assert hub.client().get(f"/uploads/{name}").status_code == 404


def test_the_name_says_what_it_is(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    sent = client.post("/uploads", content=PNG, headers={"Content-Type": "image/png; x=y"}).text
    assert client.get(sent).headers["content-type"] == "image/png"
    for ending in ("mp4", "html", "gif"):
        assert client.get(sent.replace(".png", f".{ending}")).status_code == 404


def test_fsck_does_not_take_attachments_for_leftovers(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    sent = client.post("/uploads", content=PNG, headers={"Content-Type": "image/png"}).text
    assert list(sweep(hub.sv, older_than_s=-60)) == []
    assert client.get(sent).content == PNG

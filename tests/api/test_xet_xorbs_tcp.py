"""Uploading xorbs over real connections: many, one after the other, refused ones, and clients that hang up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from api.test_xet_xorbs import NAME, Uploader, flip, has_row, make_xorb, row, scraps, stored
from openhood.base.names import XetHash
from openhood.engines.xet.xorb import MAX_BODY_BYTES, XorbIndex
from openhood.testing.hub import HubUnderTest
from openhood.testing.tcp import serve


@pytest.fixture
def alice(hub: HubUnderTest) -> Uploader:
    return Uploader(hub)


class Link:
    """A connection to a hub over TCP that sends xorbs."""

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
        self._token = token

    def send(self, name: str, length: int, body: bytes, *, token: str | None = None) -> None:
        """Send a request that announces ``length`` bytes, and ``body``."""
        head = [f"POST /cas/e/v1/xorbs/default/{name} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
        head.append(f"Authorization: Bearer {token or self._token}")
        self._socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        got = b""
        while b"\r\n\r\n" not in got or not got.endswith(b"}"):
            got += self._socket.recv(65536) or pytest.fail(f"closed after {got!r}")
        return int(got[9:12]), got.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@pytest.fixture
def link(hub: HubUnderTest, alice: Uploader) -> Iterator[Link]:
    with serve(hub.asgi) as url:
        made = Link(url, alice.token(may_write=True))
        yield made
        made.close()


def test_xorbs_follow_each_other_over_tcp(hub: HubUnderTest, link: Link) -> None:
    for seed in range(3, 6):
        name, body, index = make_xorb(seed, 6_000_000)
        link.send(name, len(body), body)
        assert link.answer() == (200, b'{"was_inserted":true}')
        assert hub.sv.objects.get(row(hub.sv, name).key) == body + index.footer()


def test_many_at_once_over_tcp(hub: HubUnderTest, alice: Uploader) -> None:
    made = [make_xorb(seed, 3_000_000) for seed in range(10, 22)]
    with serve(hub.asgi) as url:

        def send(each: tuple[XetHash, bytes, XorbIndex]) -> tuple[int, bytes]:
            link = Link(url, alice.token(may_write=True))
            link.send(each[0], len(each[1]), each[1])
            answer = link.answer()
            link.close()
            return answer

        with ThreadPoolExecutor(12) as pool:
            assert set(pool.map(send, made)) == {(200, b'{"was_inserted":true}')}
    for name, body, index in made:
        assert hub.sv.objects.get(row(hub.sv, name).key) == body + index.footer()
    assert scraps(hub) == []


def test_a_refusal_is_read_before_the_body_is_over(hub: HubUnderTest, link: Link) -> None:
    link.send(NAME, 10 * MAX_BODY_BYTES, b"x" * 100_000)
    status, text = link.answer()

    assert status == 413
    assert str(MAX_BODY_BYTES).encode() in text
    assert stored(hub.sv) == []


def test_after_a_refusal_the_connection_goes_on(hub: HubUnderTest, link: Link) -> None:
    name, body, _index = make_xorb(3, 6_000_000)
    broken = flip(body, 1_000_000)
    for wrong, token, status in ((broken, None, 400), (body, "nonsense", 401), (broken, None, 400)):
        link.send(name, len(body), wrong, token=token)
        assert link.answer()[0] == status
    link.send(name, len(body), body)
    assert link.answer() == (200, b'{"was_inserted":true}')
    assert scraps(hub) == []


@pytest.mark.parametrize("sent", [0, 10_000, 3_000_000])
def test_hanging_up_leaves_nothing(hub: HubUnderTest, link: Link, sent: int) -> None:
    name, body, _index = make_xorb(3, 6_000_000)
    link.send(name, len(body), body[:sent])
    link.close()

    for _ in range(200):
        if not scraps(hub):
            break
        threading.Event().wait(0.05)
    assert scraps(hub) == []
    assert stored(hub.sv) == []
    assert not has_row(hub.sv, name)

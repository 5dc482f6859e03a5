"""Calls to addresses that users chose: what is refused, and that nothing gets around the refusal."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openhood.base.errors import AddressRefused, PeerUnreachable
from openhood.infra import guards, outbound
from openhood.infra.outbound import Policy
from openhood.testing.receiver import Receiver, Reply, start_receiver

NOTHING = Policy()
HERE = Policy.parse("127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on this machine."""
    with start_receiver() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A DNS of the test's own: each look-up of a name gives its next answer, the last for ever."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in answers:
            return real(host, port, *rest, **more)
        left = answers[host]
        found = left.pop(0) if len(left) > 1 else left[0]
        return [line for each in found for line in real(each, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


INSIDE = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "100.100.100.200", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1",
)  # fmt: skip
OUTSIDE = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255",
    "128.0.0.1", "169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1",
    "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inner_addresses(address: str) -> None:
    assert not outbound.is_public(ipaddress.ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused, match="OPENHOOD_WEBHOOKS_ALLOW"):
        outbound.check_url(f"https://{literal}/hook", policy=NOTHING)


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses(address: str) -> None:
    assert outbound.is_public(ipaddress.ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    target = outbound.check_url(f"https://{literal}/hook", policy=NOTHING)
    assert (target.url, target.port, target.is_trusted) == (f"https://{literal}/hook", 443, False)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7F.1", "127.1", "127.0.1", "0177.0.0.1", "017700000001", "0x7f.0.0.0x1",
        "127.0.0.1.", "127.0.0.0001", "1.2.3.4.5", "example.0x1", "256.256.256.256", "0", "3232235777",
        "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::1%25lo]", "[fe80::1%25eth0]", "①②⑦.⓪.⓪.①", "127。0。0。1",
        "localhost\\@example.org", "exa mple.org", "-a.org", "a..org", "", ".", "a" * 64 + ".org",
    ],
)  # fmt: skip
def test_hosts_in_disguise(host: str) -> None:
    with pytest.raises(AddressRefused):
        outbound.check_url(f"http://{host}/", policy=NOTHING)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "//example.org/", "example.org",
        "javascript:alert(1)", "http:/example.org", "http://", "http:///path", "http://user@example.org/",
        "http://user:pw@example.org/", "http://example.org@127.0.0.1/", "http://example.org:0/", "http://example.org:99999/",
        "http://example.org:22/", "http://example.org:25/", "http://example.org:6379/", "http://example.org:11211/",
        "http://example.org:-1/", "http://example.org:8a/", "http://example.org/\r\nX: y", "http://example.org/a b",
        "http://example.org/\0", "http://example.org/é", "http://[::1", "https://example.org/" + "a" * 2000,
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        outbound.check_url(url, policy=NOTHING)


def test_urls_as_they_are_sent() -> None:
    for given, sent in (
        ("HTTPS://Example.ORG", "https://example.org/"),
        ("http://example.org:8080/a?b=c#d", "http://example.org:8080/a?b=c"),
        ("https://example.org./x", "https://example.org/x"),
        ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443/x"),
        ("http://a_b.example.org/%20", "http://a_b.example.org/%20"),
    ):
        assert outbound.check_url(given, policy=NOTHING).url == sent


def test_what_an_operator_allows() -> None:
    policy = Policy.parse(" CI.internal, *.apps.internal ,10.1.0.0/16,::1, 192.168.7.7,")
    for url in (
        "http://ci.internal:22/",
        "http://x.apps.internal/",
        "http://x.y.apps.internal/",
        "http://10.1.255.1:6379/",
        "http://[::1]/",
        "http://192.168.7.7/",
        "http://[::ffff:10.1.0.1]/",
    ):
        assert outbound.check_url(url, policy=policy).is_trusted, url
    for url in ("http://10.2.0.1/", "http://[::2]/", "http://192.168.7.8/"):
        with pytest.raises(AddressRefused):
            outbound.check_url(url, policy=policy)
    for url in ("http://xci.internal/", "http://apps.internal/", "http://ci.internal.example.org/"):
        assert not outbound.check_url(url, policy=policy).is_trusted, url
    for bad in ("http://a/", "10.0.0.0/99", "a b", "*", "*.", "a,*..b"):
        with pytest.raises(ValueError, match=r"neither|appear"):
            Policy.parse(bad)


def test_a_request_and_its_answer(receiver: Receiver) -> None:
    receiver.answering = lambda request: Reply(418, b"short and stout", {"X-Kind": "tea"})
    answer = outbound.request(
        "POST", f"{receiver.url}/pot?x=1", policy=HERE, timeout_s=5, headers={"X-Mine": "1"}, body=b"{}"
    )
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"short and stout", "tea")
    got = receiver.received[0]
    assert (got.method, got.path, got.body, got.headers["x-mine"]) == ("POST", "/pot?x=1", b"{}", "1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["accept-encoding"] == "identity"


def test_redirects_are_told_and_not_followed(receiver: Receiver) -> None:
    receiver.answering = lambda request: Reply(302, b"", {"Location": f"{receiver.url}/inner"})
    answer = outbound.request("GET", f"{receiver.url}/a", policy=HERE, timeout_s=5)
    assert (answer.status, answer.headers["location"]) == (302, f"{receiver.url}/inner")
    assert [each.path for each in receiver.received] == ["/a"]


def test_long_answers_are_cut(receiver: Receiver) -> None:
    receiver.answering = lambda request: Reply(200, b"x" * 5_000_000)
    answer = outbound.request("GET", receiver.url, policy=HERE, timeout_s=10, limit_bytes=1000)
    assert answer.body == b"x" * 1000


def test_no_proxy_of_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert outbound.request("GET", receiver.url, policy=HERE, timeout_s=5).status == 200


def test_names_that_lead_inside(receiver: Receiver, names: dict[str, list[list[str]]]) -> None:
    names["inner.test"] = [["127.0.0.1"]]
    names["mixed.test"] = [["93.184.215.14", "127.0.0.1"]]
    names["six.test"] = [["::1"]]
    names["mapped.test"] = [["::ffff:127.0.0.1"]]
    for host in ("inner.test", "mixed.test", "six.test", "mapped.test", "localhost"):
        with pytest.raises(AddressRefused, match=host):
            outbound.request("GET", f"http://{host}:{receiver.port}/", policy=NOTHING, timeout_s=5)
    assert receiver.received == []
    for allow in ("inner.test", "*.test", "127.0.0.0/8"):
        answer = outbound.request(
            "GET", f"http://inner.test:{receiver.port}/", policy=Policy.parse(allow), timeout_s=5
        )
        assert answer.status == 200
    assert receiver.received[0].headers["host"] == f"inner.test:{receiver.port}"


def test_a_name_is_asked_once_so_its_second_answer_leads_nowhere_regression(
    receiver: Receiver, names: dict[str, list[list[str]]]
) -> None:
    """DNS rebinding: good when judged, inside when connected to."""
    policy = Policy.parse("127.0.0.2")
    names["rebind.test"] = [["127.0.0.2"], ["127.0.0.1"]]
    # Nobody listens at the address that was judged: the one that a second look-up gives must not be tried.
    with pytest.raises(PeerUnreachable):
        outbound.request("GET", f"http://rebind.test:{receiver.port}/", policy=policy, timeout_s=5)
    with pytest.raises(AddressRefused):
        outbound.request("GET", f"http://rebind.test:{receiver.port}/", policy=policy, timeout_s=5)
    assert receiver.received == []


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1"):
            outbound.request("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/", policy=HERE, timeout_s=5)
    with pytest.raises(PeerUnreachable, match="cannot be resolved"):
        outbound.request("GET", "http://nothing.invalid/", policy=NOTHING, timeout_s=20)


@pytest.mark.parametrize("trick", ["silence", "drops of headers", "drops of body"])
def test_slow_answers_end(trick: str) -> None:
    """Each byte comes in time; all of them would take for ever."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            if trick == "drops of body":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            elif trick == "drops of headers":
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                if trick != "silence":
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    began = time.monotonic()
    with pytest.raises(PeerUnreachable, match=r"0\.5 seconds"):
        outbound.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", policy=HERE, timeout_s=0.5)
    assert time.monotonic() - began < 30  # not a matter of speed: without a deadline it never ends
    over.set()
    thread.join()
    listener.close()


def test_a_look_up_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **more: over.wait(60) and [])
    try:
        with pytest.raises(PeerUnreachable):
            outbound.request("GET", "http://hanging.test/", policy=NOTHING, timeout_s=0.3)
    finally:
        over.set()


def test_garbage_is_no_answer() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def shout() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    thread = threading.Thread(target=shout, daemon=True)
    thread.start()
    with pytest.raises(PeerUnreachable):
        outbound.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", policy=HERE, timeout_s=5)
    thread.join()
    listener.close()


def test_never_inside_a_unit(receiver: Receiver) -> None:
    with guards.unit(), pytest.raises(guards.UnitViolation):
        outbound.request("GET", receiver.url, policy=HERE, timeout_s=5)
    assert receiver.received == []


def _make_certificate(folder: Path, host: str) -> Path:
    """Write a key and a certificate for ``host`` that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def trusting() -> Iterator[Callable[[Path], None]]:
    """A function that makes this process trust a certificate until the test ends."""
    before = os.environ.get("SSL_CERT_FILE")

    def trust(path: Path) -> None:
        os.environ["SSL_CERT_FILE"] = str(path)
        outbound._tls.cache_clear()

    yield trust
    if before is None:
        os.environ.pop("SSL_CERT_FILE", None)
    else:
        os.environ["SSL_CERT_FILE"] = before
    outbound._tls.cache_clear()


def test_certificates_are_checked_against_the_name(
    tmp_path: Path, names: dict[str, list[list[str]]], trusting: Callable[[Path], None]
) -> None:
    path = _make_certificate(tmp_path, "hooks.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as safe:
                    safe.recv(1000)
                    safe.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except (ssl.SSLError, OSError):
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    names["hooks.test"] = names["other.test"] = [["127.0.0.1"]]
    port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachable, match="certificate"):  # nobody vouches for it
        outbound.request("GET", f"https://hooks.test:{port}/", policy=HERE, timeout_s=5)
    trusting(path)
    with pytest.raises(PeerUnreachable, match="certificate"):  # it is another's
        outbound.request("GET", f"https://other.test:{port}/", policy=HERE, timeout_s=5)
    assert outbound.request("GET", f"https://hooks.test:{port}/", policy=HERE, timeout_s=5).status == 204
    assert asked == ["hooks.test", "other.test", "hooks.test"]
    thread.join()
    listener.close()

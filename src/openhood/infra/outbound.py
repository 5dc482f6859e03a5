"""Calls to addresses that users chose: webhooks, key sets of token issuers. Nothing inside is reachable so.

A name is resolved and judged in the very step that connects, so no second answer of the DNS can lead elsewhere;
redirects, proxies of the environment and endless answers are not followed.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore

from openhood.base.errors import AddressRefused, PeerUnreachable
from openhood.infra import guards

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2000
MAX_ADDRESSES = 4  # of one name that are tried
DEFAULT_LIMIT_BYTES = 1_000_000

# Everything the registries of special-purpose addresses set apart (RFC 6890 and its successors), and the addresses
# at which clouds tell a machine its secrets where those look public (Azure's).
_INSIDE_V4 = tuple(
    ipaddress.IPv4Network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_WORLD_V6 = ipaddress.IPv6Network("2000::/3")  # all that was ever given out
_INSIDE_V6 = tuple(
    ipaddress.IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# Ports below 1024 belong to services that are no web servers; these are such services above.
_FOREIGN_PORTS = frozenset(
    int(each)
    for each in [
        "1433",
        "1521",
        "1719",
        "1720",
        "1723",
        "2049",
        "2375",
        "2376",
        "2379",
        "2380",
        "3306",
        "3389",
        "3659",
        "4045",
        "5060",
        "5061",
        "5432",
        "5672",
        "5900",
        "6000",
        "6379",
        "6566",
        "6665",
        "6666",
        "6667",
        "6668",
        "6669",
        "6697",
        "9042",
        "9092",
        "9200",
        "9300",
        "10080",
        "10250",
        "11211",
        "27017",
    ]
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be called besides the public Internet: hosts by name, names below a domain, networks."""

    hosts: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ()
    networks: tuple[IpNetwork, ...] = ()

    @classmethod
    def parse(cls, allow: str) -> Policy:
        """Read an operator's list: ``ci.internal, *.apps.internal, 10.1.0.0/16, ::1``. Raises ValueError."""
        hosts: set[str] = set()
        domains: list[str] = []
        networks: list[IpNetwork] = []
        for entry in (each.strip().lower().rstrip(".") for each in allow.split(",")):
            if not entry:
                continue
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
                continue
            except ValueError:
                name = entry.removeprefix("*.")
            if not _is_name(name):
                raise ValueError(
                    f"{entry!r} is neither a host, nor *.domain, nor a network such as 10.1.0.0/16"
                )
            if entry.startswith("*."):
                domains.append(f".{name}")
            else:
                hosts.add(name)
        return cls(frozenset(hosts), tuple(domains), tuple(networks))

    def trusts_name(self, host: str) -> bool:
        """Tell whether the operator named this host, wherever it leads."""
        return host in self.hosts or host.endswith(self.domains)

    def allows_address(self, address: IpAddress) -> bool:
        """Tell whether an address is in the public Internet, or in a network that the operator named."""
        plain = _unmapped(address)
        if any(plain.version == network.version and plain in network for network in self.networks):
            return True
        return is_public(address)


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address: its URL as it is sent, its host in lower case ASCII, its port."""

    url: str
    host: str
    port: int
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. ``body`` is cut at the limit; header names are in lower case, the last of a name wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int


def is_public(address: IpAddress) -> bool:
    """Tell whether an address lies in the public Internet. Pure."""
    plain = _unmapped(address)
    if isinstance(plain, ipaddress.IPv4Address):
        return not any(plain in network for network in _INSIDE_V4)
    return plain in _WORLD_V6 and not any(plain in network for network in _INSIDE_V6)


def check_url(url: str, *, policy: Policy) -> Target:
    """Judge a URL without resolving its name. Raises AddressRefused saying what is wrong with it."""
    parts = _split(url)
    host = _check_host(parts)
    port = _port_of(parts)
    trusted = policy.trusts_name(host)
    literal = _literal(host)
    if literal is not None:
        if not policy.allows_address(literal):
            raise AddressRefused(_inside(host))
        trusted = trusted or not is_public(literal)
    if not trusted and (port in _FOREIGN_PORTS or (port < 1024 and port not in (80, 443))):
        raise AddressRefused(f"Port {port} is not one of a web server. Use 80, 443 or one above 1023.")
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        authority += f":{parts.port}"
    query = f"?{parts.query}" if parts.query else ""
    return Target(f"{parts.scheme}://{authority}{parts.path or '/'}{query}", host, port, trusted)


def request(
    method: str,
    url: str,
    *,
    policy: Policy,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
) -> Answer:
    """Send one request and return the answer, whatever its status. Never inside a unit.

    Args: ``timeout_s`` bounds everything from the look-up of the name to the last byte. No more than
    ``limit_bytes`` of the answer are read; what comes compressed stays so.
    Raises: AddressRefused for a URL or an address that must not be called, PeerUnreachable where nobody answers.
    """
    guards.outside_unit("A call to another server")
    target = check_url(url, policy=policy)
    began = time.monotonic()
    backend = _Backend(target, policy, deadline=began + timeout_s)
    sent = [("Accept-Encoding", "identity"), ("Connection", "close"), *(headers or {}).items()]
    limits = {"connect": timeout_s, "read": timeout_s, "write": timeout_s, "pool": timeout_s}
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend, max_connections=1) as pool,
            pool.stream(
                method, target.url, headers=sent, content=body, extensions={"timeout": limits}
            ) as response,
        ):
            data = _read(response.iter_stream(), limit_bytes)
            names = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            return Answer(response.status, names, data, int((time.monotonic() - began) * 1000))
    except httpcore.TimeoutException as error:
        raise PeerUnreachable(f"{target.host} did not answer within {timeout_s:g} seconds.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError) as error:
        raise PeerUnreachable(f"{target.host} could not be reached: {_words(error)}.") from error


def _read(pieces: Iterable[bytes], limit_bytes: int) -> bytes:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) >= limit_bytes:
            break
    return bytes(data[:limit_bytes])


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(letter for letter in text if letter.isprintable())[:200].rstrip(".")


class _Backend(httpcore.NetworkBackend):
    """Connects to the addresses it has just judged, and lets nothing last past the deadline."""

    def __init__(self, target: Target, policy: Policy, *, deadline: float) -> None:
        self._target = target
        self._policy = policy
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # Any: the tuples that `setsockopt` takes
    ) -> httpcore.NetworkStream:
        """Look the name up, refuse what is inside, connect to what is left."""
        found = _resolve(self._target.host, port, deadline=self._deadline)
        good = [each for each in found if self._target.is_trusted or self._policy.allows_address(each)]
        # One inner address among public ones is an attempt to get in at the second try.
        if len(good) < len(found) or not good:
            raise AddressRefused(_inside(self._target.host))
        failure: Exception | None = None
        for address in good[:MAX_ADDRESSES]:
            try:
                stream = self._plain.connect_tcp(
                    str(address), port, timeout=_left(self._deadline), socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure or httpcore.ConnectError("no address")


class _Stream(httpcore.NetworkStream):
    """A connection that ends at a moment, however slowly its other end speaks."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything."""
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS; ``server_hostname`` is the URL's host, so the certificate must be that host's."""
        inner = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # Any: httpcore's own signature
        """Tell of the connection below."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return left_s


def _resolve(host: str, port: int, *, deadline: float) -> list[IpAddress]:
    """Return the addresses of a host. In a thread of its own: the system's look-up cannot be told to hurry."""
    literal = _literal(host)
    if literal is not None:
        return [literal]
    answers: queue.SimpleQueue[Sequence[IpAddress] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(_address(each[4][0]) for each in found)))
        except OSError as error:
            answers.put(error)
        except UnicodeError as error:  # a label too long for the DNS
            answers.put(OSError(str(error)))

    threading.Thread(target=ask, name="outbound-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=_left(deadline))
    except queue.Empty as error:
        raise httpcore.ConnectTimeout("the name could not be looked up in time") from error
    if isinstance(answer, OSError):
        raise httpcore.ConnectError(f"the name cannot be resolved ({answer.strerror or answer})") from answer
    return list(answer)


def _address(text: str | int) -> IpAddress:
    return ipaddress.ip_address(str(text).partition("%")[0])


def _unmapped(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL:
        raise AddressRefused(f"The address must have at most {MAX_URL} characters.")
    if not url.isascii() or not url.isprintable() or any(letter in url for letter in ' \\<>"^`{|}'):
        raise AddressRefused("The address holds characters that no URL may hold. Write them as %XX.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise AddressRefused("The address is no valid URL.") from error
    if parts.scheme not in ("http", "https"):
        raise AddressRefused("The address must start with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("The address must not hold a user name or a password. Use a secret instead.")
    return parts


def _check_host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower().rstrip(".")
    if _literal(host) is not None:
        return host
    if not _is_name(host):
        raise AddressRefused("The address has no valid host name.")
    # What ends in a number is an address for some resolvers (127.1, 0x7f000001, 2130706433) and a name for others.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise AddressRefused("Write the host as a name or as four decimal numbers with dots between them.")
    return host


def _is_name(host: str) -> bool:
    return 0 < len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _port_of(parts: SplitResult) -> int:
    port = parts.port
    if port is None:
        return 443 if parts.scheme == "https" else 80
    if port == 0:
        raise AddressRefused("Port 0 is not one of a web server.")
    return port


def _inside(host: str) -> str:
    return (
        f"{host} is, or leads to, an address that is not in the public Internet. This hub calls such addresses only "
        "where its operator allows it (OPENHOOD_WEBHOOKS_ALLOW)."
    )


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return the context with the usual authorities and those that the machine trusts besides."""
    # Loaded with the first call: all else is httpcore's.
    import httpx

    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context

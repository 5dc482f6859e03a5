"""Every name below ``localhost`` is this machine, as RFC 6761 asks of resolvers; not all of them do it.

A client that has this directory on its path finds `datasets-server.localhost`, one that has not does not.
"""

from __future__ import annotations

import socket
from typing import Any

_asked = socket.getaddrinfo


def _getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.rstrip(".").endswith(".localhost"):
        host = "127.0.0.1"
    return _asked(host, *rest, **more)


socket.getaddrinfo = _getaddrinfo

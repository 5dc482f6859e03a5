"""A small real OpenID Connect issuer over TCP, as a CI system is one: discovery, keys, and tokens on demand."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey


class Issuer:
    """The issuer: ``url``, the keys it publishes, and what it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key: RSAKey | ECKey = RSAKey.generate_key(2048, auto_kid=True)
        self.published: list[dict[str, Any]] = [self.key.as_dict(private=False)]
        self.changes: dict[str, Any] = {}
        self.asked: list[str] = []

    def document(self, path: str) -> dict[str, Any] | None:
        """What is at a path."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.changes}
        return {"keys": self.published} if path == "/keys" else None

    def mint(self, path: str, authorization: str | None) -> dict[str, Any] | None:
        """Answer as GitHub's runner does. Source: huggingface_hub ``_oidc.py::_get_github_oidc_token``."""
        asked = urlsplit(path)
        if asked.path != "/mint" or authorization != "Bearer the runner's":
            return None
        return {"value": self.token(aud=parse_qs(asked.query)["audience"][0])}

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """A token as a job would get it; claims that are None are left out."""
        now = int(time.time())
        said = {
            "iss": self.url,
            "sub": "repo:acme/m:ref:refs/heads/main",
            "aud": "http://hub.test",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": secrets.token_hex(8),
            **claims,
        }
        signer = key or self.key
        sealed = {
            "alg": "ES256" if isinstance(signer, ECKey) else "RS256",
            "kid": self.key.kid,
            **(header or {}),
        }
        return jwt.encode(
            sealed,
            {name: value for name, value in said.items() if value is not None},
            signer,
            algorithms=[sealed["alg"]],
        )

    def turn(self, key: RSAKey | ECKey) -> None:
        """Sign with another key from now on, and publish it with the old ones."""
        self.key = key
        self.published = [key.as_dict(private=False), *self.published]

    def keys(self) -> KeySet:
        """The published keys."""
        return KeySet.import_key_set({"keys": self.published})


@contextmanager
def run_issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port of 127.0.0.1."""
    issuers: list[Issuer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuers[0].asked.append(self.path)
            found = issuers[0].document(self.path) or issuers[0].mint(
                self.path, self.headers["Authorization"]
            )
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuers.append(Issuer(f"http://127.0.0.1:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield issuers[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real mail server on a free port of this machine, which keeps what it is sent in memory.

With STARTTLS or TLS it shows a certificate of its own, whose authority is a file beside.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "hub", "p@ss/word"


class MailServer:
    """What runs: its URL, what it took, and how it answers. ``refuse_with`` is an answer to every recipient."""

    def __init__(self) -> None:
        self.url = ""
        self.refuse_with: str | None = None
        self.users: list[str] = []
        self._taken: list[bytes] = []

    def letters(self) -> list[EmailMessage]:
        """Return what was taken, the oldest first."""
        found = []
        for data in self._taken:
            letter = message_from_bytes(data, policy=default)
            assert isinstance(letter, EmailMessage)
            found.append(letter)
        return found

    def forget(self) -> None:
        """Forget what was taken."""
        self._taken.clear()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Take a recipient, or refuse it."""
        if self.refuse_with is not None:
            return self.refuse_with
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a letter."""
        self._taken.append(envelope.content)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """Let in who knows the password."""
        is_good = (
            isinstance(data, LoginPassword)
            and data.login == USER.encode()
            and data.password == PASSWORD.encode()
        )
        if is_good:
            self.users.append(USER)
        return AuthResult(success=is_good, handled=False)


@contextmanager
def start_mail_server(*, security: str = "none") -> Iterator[MailServer]:
    """Run a mail server: ``none``, ``starttls`` or ``tls``; the latter two want a password."""
    server = MailServer()
    with tempfile.TemporaryDirectory(prefix="openhood-mail-") as directory:
        context = None if security == "none" else _make_context(Path(directory))
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0}
        if context is not None:
            options |= {
                "authenticator": server.authenticate,
                "auth_required": True,
                # It does not see that a connection is encrypted from its first byte.
                "auth_require_tls": security == "starttls",
            }
            options["ssl_context" if security == "tls" else "tls_context"] = context
            if security == "starttls":
                options["require_starttls"] = True
        controller = _Controller(server, **options)
        controller.start()
        try:
            port = controller.port
            if context is None:
                server.url = f"smtp://127.0.0.1:{port}?starttls=off"
            else:
                scheme = "smtps" if security == "tls" else "smtp"
                secret = PASSWORD.replace("@", "%40").replace("/", "%2F")
                server.url = f"{scheme}://{USER}:{secret}@127.0.0.1:{port}?ca={directory}/ca.pem"
            yield server
        finally:
            controller.stop()


class _Controller(Controller):
    """A controller that takes any free port."""

    def _trigger_server(self) -> None:
        # It connects once to see that it runs, and must know to which port.
        running: Any = self.server
        self.port = running.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def _make_context(folder: Path) -> ssl.SSLContext:
    """Return a context with a new certificate for 127.0.0.1, and write it to ``ca.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context

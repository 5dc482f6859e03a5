"""Letters handed to a mail server over SMTP.

``smtp://[user:password@]host[:587]`` encrypts with STARTTLS, ``smtps://…[:465]`` from the first byte. In the query:
``starttls=off`` (a server of the same trusted network), ``ca=/path`` (its own certificate authority),
``timeout=20`` (seconds).
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from openhood.base.errors import LetterRefused, Unavailable
from openhood.base.ports import Letter
from openhood.plugins.mail_message import make_message

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OPTIONS = frozenset({"starttls", "ca", "timeout"})


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """One mail server. Each letter has a connection of its own; any thread may send."""

    host: str
    port: int
    user: str
    password: str
    security: str  # tls | starttls | none
    context: ssl.SSLContext
    timeout_s: float

    def send(self, letter: Letter) -> None:
        """Hand a letter over: the server has taken it when this returns. Raises Unavailable, LetterRefused."""
        message = make_message(letter)
        try:
            with self._connect() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _failure(code, text) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise LetterRefused(f"The mail server cannot carry this letter: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(f"The mail server does not take letters: {error}") from error

    def check(self) -> None:
        """Raise Unavailable unless the server answers, with our credentials."""
        try:
            with self._connect() as server:
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(f"The mail server does not answer: {error}") from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=self.context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            if self.security == "starttls":
                server.starttls(context=self.context)
            if self.user:
                server.login(self.user, self.password)
        except smtplib.SMTPNotSupportedError as error:
            server.close()
            # The server lacks what the operator asks for; a letter is not to blame.
            raise Unavailable(f"The mail server cannot be used as it is set up: {error}") from error
        except BaseException:
            server.close()
            raise
        return server


def open_mailer(url: str) -> SmtpMailer:
    """Return the mailer of a URL. Raises ValueError for one that cannot be used."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise ValueError(f"unknown option {sorted(unknown)[0]!r}; known: {', '.join(sorted(_OPTIONS))}")
    if not parts.hostname:
        raise ValueError("the URL names no host: write smtp://mail.example.org:587")
    if options.get("starttls", "on") not in ("on", "off"):
        raise ValueError("'starttls' must be 'on' or 'off'")
    security = "tls" if parts.scheme == "smtps" else "starttls"
    if security == "starttls" and options.get("starttls") == "off":
        security = "none"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and security == "none" and parts.hostname not in _LOOPBACK:
        raise ValueError("the password would travel in the clear: leave 'starttls' on, or use smtps://")
    try:
        timeout_s = float(options.get("timeout", "20"))
        context = ssl.create_default_context(cafile=options.get("ca"))
    except (ValueError, OSError) as error:
        raise ValueError(f"'timeout' or 'ca' cannot be used: {error}") from error
    port = parts.port or (465 if security == "tls" else 587)
    return SmtpMailer(parts.hostname, port, user, password, security, context, timeout_s)


def _failure(code: int, text: bytes | str) -> LetterRefused | Unavailable:
    """Return the error of an answer: 5xx means never, anything else later."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if code >= 500:
        return LetterRefused(f"The mail server refuses this letter: {code} {said[:300]}")
    return Unavailable(f"The mail server does not take this letter now: {code} {said[:300]}")

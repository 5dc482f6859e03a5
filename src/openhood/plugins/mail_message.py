"""A letter as the bytes that travel: what every mailer of ours has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from openhood.base.errors import LetterRefused
from openhood.base.ports import Letter


def make_message(letter: Letter) -> EmailMessage:
    """Return a letter as a message. Raises LetterRefused where an address or a header cannot be written."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = _address(letter.sender)
        message["To"] = _address(letter.recipient)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = letter.message_id
        for name, value in letter.headers.items():
            message[name] = value
    except (ValueError, IndexError) as error:
        raise LetterRefused(f"The letter cannot be written: {error}") from error
    message.set_content(letter.text)
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html")
    return message


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    if "@" not in address or any(not letter.isprintable() for letter in text):
        raise ValueError(f"{text[:100]!r} is not an e-mail address.")
    return Address(name, addr_spec=address)

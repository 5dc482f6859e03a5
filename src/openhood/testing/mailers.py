"""The conformance suite of mailers: what every implementation, a stranger's too, has to pass.

Inherit from `MailerContract` in a pytest module; the subclass says how to open the implementation and what arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any

import pytest

from openhood.base.errors import LetterRefused
from openhood.base.ports import Letter, Mailer

Arrived = Callable[[], list[EmailMessage]]


def write_letter(number: int = 1, **more: Any) -> Letter:
    """Return a letter; ``more`` are fields of it by name."""
    given: dict[str, Any] = {
        "sender": "The Hub <hub@example.org>",
        "recipient": "alice@example.org",
        "subject": f"Letter {number}",
        "text": f"Hello, this is number {number}.\n",
        "html": f"<p>Hello, this is number {number}.</p>",
        "message_id": f"<{number}@hub.example.org>",
        "headers": {"List-Unsubscribe": "<https://hub.example.org/mail/unsubscribe/x.y>"},
    }
    return Letter(**{**given, **more})


class MailerContract:
    """What every `Mailer` does. Override the fixtures ``mailer`` and ``arrived``."""

    @pytest.fixture
    def mailer(self) -> Mailer:
        """The mailer, to which nothing was given yet."""
        raise NotImplementedError

    @pytest.fixture
    def arrived(self) -> Arrived:
        """A function that returns what arrived, in any order."""
        raise NotImplementedError

    def test_a_letter_arrives_as_it_was_written(self, mailer: Mailer, arrived: Arrived) -> None:
        mailer.send(
            write_letter(subject="Grüße, 世界", text="Zeile eins\n.\nFrom here\n" + "ä" * 2000 + "\n")
        )
        [letter] = arrived()
        assert letter["Subject"] == "Grüße, 世界"
        assert letter["From"] == "The Hub <hub@example.org>"
        assert letter["To"] == "alice@example.org"
        assert letter["Message-ID"] == "<1@hub.example.org>"
        assert letter["List-Unsubscribe"] == "<https://hub.example.org/mail/unsubscribe/x.y>"
        assert letter["Date"] is not None
        text, html = letter.get_body(("plain",)), letter.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n") == "Zeile eins\n.\nFrom here\n" + "ä" * 2000 + "\n"
        assert "number 1" in html.get_content()

    def test_a_letter_may_be_text_alone(self, mailer: Mailer, arrived: Arrived) -> None:
        mailer.send(write_letter(html=None))
        [letter] = arrived()
        assert letter.get_content_type() == "text/plain"

    def test_a_long_header_arrives_whole(self, mailer: Mailer, arrived: Arrived) -> None:
        link = "<https://hub.example.org/mail/unsubscribe/" + "x" * 600 + ">"
        mailer.send(write_letter(headers={"List-Unsubscribe": link}))
        [letter] = arrived()
        assert "".join(str(letter["List-Unsubscribe"]).split()) == link

    @pytest.mark.parametrize(
        "wrong",
        [
            {"subject": "One\r\nBcc: everybody@example.org"},
            {"recipient": "alice@example.org\r\nBcc: everybody@example.org"},
            {"recipient": "nobody"},
            {"recipient": ""},
            {"headers": {"X-Note": "a\nBcc: everybody@example.org"}},
        ],
    )
    def test_nothing_can_be_put_into_headers(
        self, mailer: Mailer, arrived: Arrived, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(LetterRefused):
            mailer.send(write_letter(**wrong))
        assert arrived() == []

    def test_many_threads(self, mailer: Mailer, arrived: Arrived) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: mailer.send(write_letter(number)), range(12)))
        assert sorted(str(each["Subject"]) for each in arrived()) == sorted(
            f"Letter {number}" for number in range(12)
        )

    def test_it_answers(self, mailer: Mailer) -> None:
        mailer.check()
        mailer.close()

"""Our mailers keep the contract; and what each does where its place is away or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from openhood.base.errors import LetterRefused, Unavailable
from openhood.base.ports import Mailer
from openhood.plugins import mail_smtp, mail_spool
from openhood.testing.mailbox import USER, MailServer, start_mail_server
from openhood.testing.mailers import Arrived, MailerContract, write_letter

# The server of the tests takes TLS from the first byte for none.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")


class TestSpool(MailerContract):
    @pytest.fixture
    def mailer(self, tmp_path: Path) -> Mailer:
        return mail_spool.open_mailer(f"spool://{tmp_path}/a%20dir")

    @pytest.fixture
    def arrived(self, tmp_path: Path) -> Arrived:
        def read() -> list[EmailMessage]:
            found = []
            for file in (tmp_path / "a dir" / "new").glob("*"):
                letter = message_from_bytes(file.read_bytes(), policy=default)
                assert isinstance(letter, EmailMessage)
                found.append(letter)
            return found

        return read

    def test_it_is_nobody_elses_to_read(self, mailer: Mailer, tmp_path: Path) -> None:
        mailer.send(write_letter())
        [file] = (tmp_path / "a dir" / "new").iterdir()
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent.stat().st_mode & 0o077 == 0

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        mailer = mail_spool.open_mailer(f"spool://{tmp_path}/file/mail")
        with pytest.raises(Unavailable):
            mailer.send(write_letter())
        with pytest.raises(Unavailable):
            mailer.check()


class TestSmtp(MailerContract):
    @pytest.fixture(params=["none", "starttls", "tls"])
    def server(self, request: pytest.FixtureRequest) -> Iterator[MailServer]:
        with start_mail_server(security=request.param) as running:
            yield running

    @pytest.fixture
    def mailer(self, server: MailServer) -> Mailer:
        return mail_smtp.open_mailer(server.url)

    @pytest.fixture
    def arrived(self, server: MailServer) -> Arrived:
        return server.letters


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_who_speaks_to_a_mail_server(security: str) -> None:
    with start_mail_server(security=security) as server:
        mail_smtp.open_mailer(server.url).send(write_letter())
        assert server.users == [USER]
        assert len(server.letters()) == 1
        wrong = server.url.replace("%2Fword", "%2Fwrong")
        with pytest.raises(Unavailable, match="535"):
            mail_smtp.open_mailer(wrong).send(write_letter())
        # A server that is not the one it says is told nothing.
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            mail_smtp.open_mailer(server.url.split("?")[0]).send(write_letter())
        assert len(server.letters()) == 1


def test_a_server_without_encryption_gets_no_password() -> None:
    with start_mail_server() as server:
        address = server.url.removeprefix("smtp://").split("?")[0]
        with pytest.raises(Unavailable, match="STARTTLS"):
            mail_smtp.open_mailer(f"smtp://hub:secret@{address}").send(write_letter())
        assert server.users == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 No such person", LetterRefused), ("451 Later", Unavailable), ("421 Busy", Unavailable)],
)
def test_answers(answer: str, error: type[Exception]) -> None:
    with start_mail_server() as server:
        server.refuse_with = answer
        with pytest.raises(error):
            mail_smtp.open_mailer(server.url).send(write_letter())


def test_nobody_listens() -> None:
    with start_mail_server() as server:
        url = server.url
    mailer = mail_smtp.open_mailer(url)
    with pytest.raises(Unavailable):
        mailer.send(write_letter())
    with pytest.raises(Unavailable):
        mailer.check()

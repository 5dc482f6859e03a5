"""Letters: what is written to whom and when, taken by a real mail server; and the links in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from api.test_notifications import Town
from openhood.base.settings import Mail, SettingsError
from openhood.infra.db.tables import accounts
from openhood.testing.hub import HubUnderTest
from openhood.testing.mailbox import MailServer, start_mail_server

MailHub = Callable[..., HubUnderTest]
URL = "https://hub.example.org"


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server."""
    with start_mail_server() as running:
        yield running


@pytest.fixture
def town(make_hub: Callable[..., HubUnderTest], server: MailServer) -> Town:
    """A town whose hub writes letters to addresses that nobody needs to confirm."""
    return build(make_hub(public_url=URL, mail=settings(server.url)), server)


def build(hub: HubUnderTest, server: MailServer) -> Town:
    """A town, and nothing in anybody's letter box."""
    found = Town(hub)
    hub.clock.advance(60)
    hub.run_jobs()
    server.forget()
    return found


def settings(url: str, **more: Any) -> Mail:
    """Mail settings that wait for nothing."""
    given = {"wait_s": 0, "verified_only": False, "sender": "The Hub <hub@example.org>", **more}
    return Mail(url=SecretStr(url), **given)


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    """What a letter says."""
    body = letter.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_letter(town: Town, server: MailServer) -> None:
    number = town.open(
        "bob", "alice/m", "Hello @carol,\n<script>alert('x')</script>", title="<b>Why?</b>\r\nBcc: x"
    )
    letters = {str(each["To"]): each for each in server.letters()}
    assert set(letters) == {"carol@example.org"}
    letter = letters["carol@example.org"]
    assert str(letter["Subject"]).startswith("[alice/m] <b>Why?</b>")
    assert str(letter["From"]) == "The Hub <hub@example.org>"
    assert letter["Bcc"] is None
    assert f"{URL}/alice/m/discussions/{number}" in text_of(letter)
    assert "> <script>alert('x')</script>" in text_of(letter)
    assert "<script>" not in text_of(letter, "html")
    assert "&lt;b&gt;Why?" in text_of(letter, "html")
    assert str(letter["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
    # Once is enough.
    town.hub.clock.advance(3600)
    town.hub.run_jobs()
    assert len(server.letters()) == 1
    town.say("bob", "alice/m", number, "And more")
    assert len(server.letters()) == 1
    town.say("bob", "alice/m", number, "@carol?")
    again = server.letters()
    assert len(again) == 2
    assert "@carol?" in text_of(again[1])
    assert again[0]["References"] == again[1]["References"]
    assert again[0]["Message-ID"] != again[1]["Message-ID"]


def test_several_things_go_into_one_letter(make_hub: Callable[..., HubUnderTest], server: MailServer) -> None:
    town = build(make_hub(public_url=URL, mail=settings(server.url, wait_s=30)), server)
    for number in range(3):
        town.open("bob", "alice/m", "@carol", title=f"Title {number}")
    assert server.letters() == []
    town.hub.clock.advance(60)
    town.hub.run_jobs()
    [letter] = server.letters()
    assert str(letter["Subject"]) == "3 notifications"
    assert [f"Title {number}" in text_of(letter) for number in range(3)] == [True] * 3


def test_daily_letters(town: Town, server: MailServer) -> None:
    town.prefer("carol", mail="daily")
    for number in range(2):
        town.open("bob", "alice/m", "@carol", title=f"Title {number}")
    assert server.letters() == []
    town.hub.clock.advance(86400)
    town.hub.run_jobs()
    [letter] = server.letters()
    assert ("Title 0" in text_of(letter), "Title 1" in text_of(letter)) == (True, True)
    town.hub.clock.advance(86400)
    town.hub.run_jobs()
    assert len(server.letters()) == 1


def test_no_letter_is_written(town: Town, server: MailServer) -> None:
    # Who wants none, who has read it, who may not see it any more, whose comment was hidden.
    hub = town.hub
    town.prefer("carol", mail="never")
    town.open("bob", "alice/m", "@carol")
    assert server.letters() == []
    town.prefer("carol", mail="daily")
    town.open("bob", "alice/m", "@carol @dave", title="Second")
    assert [str(each["To"]) for each in server.letters()] == ["dave@example.org"]
    town.people["alice"].put("/api/models/alice/m/settings", json={"private": True})
    hub.clock.advance(86400)
    hub.run_jobs()
    assert len(server.letters()) == 1
    town.people["alice"].put("/api/models/alice/m/settings", json={"private": False})
    town.open("bob", "alice/m", "@carol", title="Third")
    town.people["carol"].post("/api/discussions/mark-as-read?applyToAll=true", json={})
    hub.clock.advance(86400)
    hub.run_jobs()
    assert len(server.letters()) == 1
    number = town.open("bob", "alice/m", "@carol wicked words", title="Fourth")
    opened = town.people["bob"].get(f"/api/models/alice/m/discussions/{number}").json()
    comment = opened["events"][0]["id"]
    hidden = town.people["alice"].post(
        f"/api/models/alice/m/discussions/{number}/comment/{comment}/hide", json={}
    )
    assert hidden.status_code == 200, hidden.text
    hub.clock.advance(86400)
    hub.run_jobs()
    [_, last] = server.letters()
    assert "wicked" not in text_of(last)


def test_a_mail_server_that_is_away_is_tried_again(town: Town, server: MailServer) -> None:
    server.refuse_with = "451 Come again later"
    town.open("bob", "alice/m", "@carol")
    assert server.letters() == []
    server.refuse_with = None
    town.hub.clock.advance(3600)
    town.hub.run_jobs()
    assert len(server.letters()) == 1


def test_a_letter_refused_for_good_is_not_tried_again(town: Town, server: MailServer) -> None:
    server.refuse_with = "550 No such person"
    town.open("bob", "alice/m", "@carol")
    server.refuse_with = None
    town.hub.clock.advance(3600)
    town.hub.run_jobs()
    assert server.letters() == []
    assert len(town.inbox("carol")) == 1


def test_no_more_letters(town: Town, server: MailServer) -> None:
    town.open("bob", "alice/m", "@carol")
    link = re.fullmatch(r"<(.*)>", str(server.letters()[0]["List-Unsubscribe"]))
    assert link is not None
    path = link[1].removeprefix(URL)
    stranger = town.hub.client()
    asked = stranger.get(path)
    assert (asked.status_code, "carol" in asked.text) == (200, True)
    assert town.people["carol"].get("/api/settings/notifications").json()["mail"] == "immediately"
    done = stranger.post(path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert town.people["carol"].get("/api/settings/notifications").json()["mail"] == "never"
    town.open("bob", "alice/m", "@carol", title="More")
    assert len(server.letters()) == 1
    assert stranger.post(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 403
    assert stranger.post("/mail/confirm/" + path.rsplit("/", 1)[1]).status_code == 403
    town.hub.clock.advance(366 * 86400)
    assert stranger.post(path).status_code == 403


def test_addresses_are_confirmed_first(make_hub: Callable[..., HubUnderTest], server: MailServer) -> None:
    town = build(make_hub(public_url=URL, mail=settings(server.url, verified_only=True)), server)
    town.open("bob", "alice/m", "@carol")
    assert server.letters() == []
    carol = town.people["carol"]
    assert carol.post("/api/settings/email/confirmation").status_code == 202
    town.hub.run_jobs()
    [letter] = server.letters()
    found = re.search(re.escape(URL) + r"(/mail/confirm/\S+)", text_of(letter))
    assert found is not None
    stranger = town.hub.client()
    assert stranger.get(found[1]).status_code == 200
    assert carol.get("/api/whoami-v2").json()["emailVerified"] is False
    assert stranger.post(found[1]).status_code == 200
    assert carol.get("/api/whoami-v2").json()["emailVerified"] is True
    town.open("bob", "alice/m", "@carol", title="Now")
    assert len(server.letters()) == 2
    # Another address needs another proof, and the old link proves it not.
    carol.patch("/api/settings/profile", json={"email": "other@example.org"})
    assert stranger.post(found[1]).status_code == 403
    assert carol.get("/api/whoami-v2").json()["emailVerified"] is False
    asked = [carol.post("/api/settings/email/confirmation").status_code for _ in range(6)]
    assert asked[0] == 202
    assert asked[-1] == 429


def test_mail_is_off_unless_switched_on(hub: HubUnderTest) -> None:
    town = Town(hub)
    town.open("bob", "alice/m", "@carol")
    assert len(town.inbox("carol")) == 1
    assert town.people["carol"].post("/api/settings/email/confirmation").status_code == 501
    assert hub.sv.mailer is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mail": settings("smtp://localhost:1")}, "public_url"),
        ({"mail": settings("pigeon://x"), "public_url": URL}, "pigeon"),
        ({"mail": settings("smtp://u:p@mail.example.org?starttls=off"), "public_url": URL}, "in the clear"),
        ({"mail": settings("smtp://host?colour=red"), "public_url": URL}, "colour"),
        ({"mail": settings("spool://tmp/x"), "public_url": URL}, "spool:///"),
    ],
)
def test_settings_that_cannot_be(make_hub: Callable[..., HubUnderTest], given: Any, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        make_hub(**given)


def test_a_spool(make_hub: Callable[..., HubUnderTest], tmp_path: Path) -> None:
    town = Town(make_hub(public_url=URL, mail=settings(f"spool://{tmp_path}/mail")))
    for file in (tmp_path / "mail" / "new").iterdir():
        file.unlink()
    with town.hub.sv.db.write() as tx:
        tx.execute(update(accounts).where(accounts.c.name == "dave").values(is_active=False))
    town.open("bob", "alice/m", "@carol @dave")
    [file] = (tmp_path / "mail" / "new").iterdir()
    letter = message_from_bytes(file.read_bytes(), policy=default)
    assert letter["To"] == "carol@example.org"
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []
    assert town.hub.clock.now() - timedelta(minutes=5) < letter["Date"].datetime

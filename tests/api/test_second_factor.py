"""The second factor: enrolment, codes that count once, recovery codes, sign-in in two steps, sessions."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from sqlalchemy import select

from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import second_factor
from openhood.infra.db.identity_tables import recovery_codes, second_factors
from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse"
URL = "/api/settings/second-factor"


class Person:
    """Alice, who has a password, and her authenticator."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        self.token = hub.add_user("alice", password=PASSWORD)
        self.client = self.browser()
        assert self.first_step(self.client).headers["Location"] == "/"
        self.secret = ""
        self.codes: list[str] = []

    def browser(self) -> httpx.Client:
        return self.hub.client(headers={"Origin": self.hub.url})

    def first_step(self, client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
        return client.post("/login", data={"name": "alice", "password": password, "next": "/"})

    def second_step(self, client: httpx.Client, code: str, next_path: str = "/") -> httpx.Response:
        return client.post("/login/code", data={"code": code, "next": next_path})

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(self.hub.clock.now(), counter_offset=steps)

    def switch_on(self) -> None:
        self.secret = self.client.post(URL).json()["secret"]
        answer = self.client.post(f"{URL}/confirm", json={"code": self.code()})
        assert answer.status_code == 200, answer.text
        self.codes = answer.json()["recoveryCodes"]
        self.hub.clock.advance(30)

    def is_in(self, client: httpx.Client) -> bool:
        return client.get("/api/whoami-v2").status_code == 200


@pytest.fixture
def alice(hub: HubUnderTest) -> Person:
    return Person(hub)


def test_switching_it_on(alice: Person) -> None:
    begun = alice.client.post(URL).json()
    parts = urlsplit(begun["uri"])
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query)["secret"] == [begun["secret"]]
    assert begun["svg"].startswith("<svg")
    assert "style=" not in begun["svg"]
    assert alice.client.get(URL).json()["enabled"] is False
    other = alice.browser()
    assert alice.first_step(other).status_code == 303
    assert alice.is_in(other), "what was only begun asks for nothing"
    alice.secret = begun["secret"]
    assert alice.client.post(f"{URL}/confirm", json={"code": "000000"}).status_code == 401
    done = alice.client.post(f"{URL}/confirm", json={"code": alice.code()})
    codes = done.json()["recoveryCodes"]
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert alice.client.get(URL).json() | {"since": ""} == {
        "enabled": True,
        "since": "",
        "recoveryCodesLeft": 10,
    }
    assert alice.is_in(alice.client)
    assert not alice.is_in(other), "sessions that began without it end"
    assert alice.client.post(URL).status_code == 409
    with alice.hub.sv.db.read() as tx:
        kept = tx.execute(select(second_factors.c.secret)).scalar_one()
        hashes = list(tx.execute(select(recovery_codes.c.code_hash)).scalars())
    assert alice.secret not in kept
    assert not {code.replace("-", "") for code in codes} & set(hashes)


def test_signing_in_takes_two_steps(alice: Person) -> None:
    alice.switch_on()
    client = alice.browser()
    first = alice.first_step(client)
    assert first.headers["Location"] == "/login/code?next=%2F"
    assert "openhood_session" not in first.headers.get("Set-Cookie", "")
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/login/code" in cookie
    assert not alice.is_in(client), "half a sign-in opens nothing"
    step_pass = client.cookies["openhood_second_step"]
    for header in ({"Cookie": f"openhood_session={step_pass}"}, {"Authorization": f"Bearer {step_pass}"}):
        assert alice.hub.client(headers=header).get("/api/whoami-v2").status_code == 401
    assert 'name="code"' in client.get("/login/code").text
    wrong = alice.second_step(client, "123456")
    assert wrong.status_code == 401
    assert "Wrong code" in wrong.text
    done = alice.second_step(client, alice.code(), "//evil.example")
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert alice.is_in(client)
    assert "openhood_second_step" not in client.cookies


def test_a_code_counts_once(hub_on_both: HubUnderTest) -> None:
    alice = Person(hub_on_both)
    alice.switch_on()
    code = alice.code()
    first, second = alice.browser(), alice.browser()
    for client in (first, second):
        alice.first_step(client)
    assert alice.second_step(first, code).status_code == 303
    assert alice.second_step(second, code).status_code == 401
    assert alice.second_step(second, alice.code(-1)).status_code == 401, "nor does an older one"
    assert alice.second_step(second, alice.code(1)).status_code == 303, "a clock may be half a minute off"
    third = alice.browser()
    alice.first_step(third)
    assert alice.second_step(third, alice.code(3)).status_code == 401


def test_recovery_codes_count_once_each(hub_on_both: HubUnderTest) -> None:
    alice = Person(hub_on_both)
    alice.switch_on()
    typed = alice.codes[0].upper().replace("-", " ")
    client = alice.browser()
    alice.first_step(client)
    assert alice.second_step(client, typed).status_code == 303
    assert alice.is_in(client)
    again = alice.browser()
    alice.first_step(again)
    assert alice.second_step(again, alice.codes[0]).status_code == 401
    assert client.get(URL).json()["recoveryCodesLeft"] == 9
    renewed = client.post(f"{URL}/recovery-codes", json={"code": alice.codes[1]}).json()["recoveryCodes"]
    assert alice.second_step(again, alice.codes[2]).status_code == 401
    assert alice.second_step(again, renewed[0]).status_code == 303


def test_guessing_is_throttled(alice: Person) -> None:
    alice.switch_on()
    client = alice.browser()
    alice.first_step(client)
    for number in range(second_factor.MAX_FAILURES):
        assert alice.second_step(client, f"00000{number}").status_code == 401
    refused = alice.second_step(client, alice.code())
    assert refused.status_code == 429
    assert "Too many wrong codes" in refused.text
    again = alice.browser()
    alice.first_step(again)
    assert alice.second_step(again, alice.codes[0]).status_code == 429, "a new first step does not help"
    alice.hub.clock.advance(second_factor.FAILURE_WINDOW_S + 1)
    alice.first_step(client)
    assert alice.second_step(client, alice.code()).status_code == 303


def test_the_first_step_is_good_for_minutes_and_one_password(alice: Person) -> None:
    alice.switch_on()
    client = alice.browser()
    alice.first_step(client)
    step_pass = client.cookies["openhood_second_step"]
    alice.hub.clock.advance(second_factor.PASS_LIFE_S + 1)
    client.cookies.set("openhood_second_step", step_pass)
    late = alice.second_step(client, alice.code())
    assert late.headers["Location"] == "/login?next=%2F"
    assert not alice.is_in(client)

    alice.first_step(client)
    accounts.set_password(alice.hub.sv, SYSTEM, user="alice", password="battery staple")
    assert alice.second_step(client, alice.code()).headers["Location"] == "/login?next=%2F"
    assert not alice.is_in(client)

    forged = alice.browser()
    forged.cookies.set("openhood_second_step", step_pass[:-4] + "AAAA")
    assert alice.second_step(forged, alice.code()).headers["Location"] == "/login?next=%2F"
    assert alice.browser().get("/login/code").headers["Location"] == "/login?next=%2F"


def test_a_session_that_was_planted_is_not_the_one_that_begins(alice: Person) -> None:
    alice.switch_on()
    client = alice.browser()
    client.cookies.set("openhood_session", "ohs_planted")
    alice.first_step(client)
    done = alice.second_step(client, alice.code())
    secret = re.search(r"openhood_session=(ohs_\w+)", done.headers["Set-Cookie"])
    assert secret is not None
    assert secret[1] != "ohs_planted"
    planted = alice.hub.client(headers={"Cookie": "openhood_session=ohs_planted"})
    assert not alice.is_in(planted)


def test_switching_it_off(alice: Person) -> None:
    alice.switch_on()
    assert alice.client.request("DELETE", URL, json={"code": "123456"}).status_code == 401
    assert alice.client.request("DELETE", URL, json={"code": alice.code()}).status_code == 204
    client = alice.browser()
    alice.first_step(client)
    assert alice.is_in(client)


def test_an_administrator_resets_it(alice: Person) -> None:
    alice.switch_on()
    assert second_factor.reset(alice.hub.sv, SYSTEM, user="alice")
    assert not second_factor.reset(alice.hub.sv, SYSTEM, user="alice")
    client = alice.browser()
    alice.first_step(client)
    assert alice.is_in(client)


def test_tokens_neither_need_it_nor_change_it(alice: Person) -> None:
    alice.switch_on()
    by_token = alice.hub.client(alice.token)
    assert alice.is_in(by_token)
    assert by_token.get(URL).json()["enabled"] is True
    assert by_token.post(URL).status_code == 403
    code = alice.code()
    assert by_token.request("DELETE", URL, json={"code": code}).status_code == 403
    assert by_token.post(f"{URL}/recovery-codes", json={"code": code}).status_code == 403
    assert alice.hub.client().get(URL).status_code == 401
    assert alice.client.request("DELETE", URL, json={"code": code}).status_code == 204, (
        "the code was not used up"
    )


def test_another_site_cannot_touch_it(alice: Person) -> None:
    headers = {"Origin": "http://evil.example"}
    assert alice.client.post(URL, headers=headers).status_code == 403
    assert (
        alice.client.post("/settings/second-factor", data={"do": "begin"}, headers=headers).status_code == 403
    )
    alice.switch_on()
    client = alice.browser()
    alice.first_step(client)
    forged = client.post("/login/code", data={"code": alice.code()}, headers=headers)
    assert forged.status_code == 403


def test_the_page(alice: Person) -> None:
    page = "/settings/second-factor"
    assert alice.browser().get(page).headers["Location"].startswith("/login")
    assert "It is off" in alice.client.get(page).text
    begun = alice.client.post(page, data={"do": "begin"}).text
    assert "<svg" in begun
    assert " style=" not in begun
    secret = re.search(r"type it: <code>([A-Z2-7]+)</code>", begun)
    assert secret is not None
    alice.secret = secret[1]
    slip = alice.client.post(page, data={"do": "confirm", "code": "12345"})
    assert slip.status_code == 401
    assert f"type it: <code>{secret[1]}</code>" in slip.text, "the same secret, for another try"
    done = alice.client.post(page, data={"do": "confirm", "code": alice.code()}).text
    assert "Your recovery codes" in done
    assert "It is on" in done
    assert "Your recovery codes" not in alice.client.get(page).text
    wrong = alice.client.post(page, data={"do": "off", "code": "1"})
    assert wrong.status_code == 401
    alice.hub.clock.advance(30)
    assert alice.client.post(page, data={"do": "off", "code": alice.code()}).status_code == 303
    assert "It is off" in alice.client.get(page).text


def test_sessions_are_listed_and_ended(alice: Person) -> None:
    other = alice.hub.client(headers={"Origin": alice.hub.url, "User-Agent": "An old <telephone>"})
    alice.first_step(other)
    url = "/api/settings/sessions"
    found = alice.client.get(url).json()
    assert [each["current"] for each in found].count(True) == 1
    [there] = [each for each in found if not each["current"]]
    assert there["userAgent"] == "An old <telephone>"
    assert "An old &lt;telephone&gt;" in alice.client.get("/settings/second-factor").text
    bob = alice.hub.client(alice.hub.add_user("bob"))
    assert bob.delete(f"{url}/{there['id']}").status_code == 404, "sessions of others are nobody's business"
    assert bob.get(url).json() == []
    assert alice.is_in(other)
    for wrong in ("%25" * 8, "0" * 24, there["id"][:-1]):
        assert alice.client.delete(f"{url}/{wrong}").status_code == 404
    assert alice.client.delete(f"{url}/{there['id']}").status_code == 204
    assert not alice.is_in(other)
    assert alice.is_in(alice.client)
    alice.first_step(other)
    assert alice.client.delete(url).json() == {"ended": 1}
    assert not alice.is_in(other)
    assert alice.is_in(alice.client)


def test_a_recovery_code_used_twice_at_once_counts_once(hub_on_both: HubUnderTest) -> None:
    alice = Person(hub_on_both)
    alice.switch_on()
    clients = [alice.browser() for _ in range(4)]
    for client in clients:
        alice.first_step(client)
    with ThreadPoolExecutor(len(clients)) as pool:
        done = pool.map(lambda client: alice.second_step(client, alice.codes[0]).status_code, clients)
        assert sorted(done) == [303, 401, 401, 401]

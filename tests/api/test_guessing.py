"""Who tries token after token is slowed down, and a session is never one that somebody else chose."""

from __future__ import annotations

from openhood.domain.accounts.sign_in import FAILURE_WINDOW_S, MAX_WRONG_TOKENS
from openhood.http.context import SESSION_COOKIE
from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse battery"


def test_many_different_tokens_are_throttled_and_right_ones_are_not(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    guesser = hub.client()

    def guess(number: int) -> int:
        token = f"hf_guess{number:030}"
        answer = guesser.get("/api/whoami-v2", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
            assert "Too many wrong tokens" in answer.json()["error"]
        return answer.status_code

    assert {guess(number) for number in range(MAX_WRONG_TOKENS)} == {401}
    assert guess(MAX_WRONG_TOKENS) == 429
    assert alice.get("/api/whoami-v2").status_code == 200
    hub.clock.advance(FAILURE_WINDOW_S + 1)
    assert guess(MAX_WRONG_TOKENS) == 401


def test_one_wrong_token_over_and_over_is_no_guessing(hub: HubUnderTest) -> None:
    left_behind = hub.client("hf_" + "x" * 34)
    answers = {left_behind.get("/api/whoami-v2").status_code for _ in range(MAX_WRONG_TOKENS + 5)}
    assert answers == {401}


def test_signing_in_never_takes_up_a_session_that_was_there(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    hub.add_user("mallory", password=PASSWORD)
    mallory = hub.client()
    mallory.post("/login", data={"name": "mallory", "password": PASSWORD})
    planted = mallory.cookies[SESSION_COOKIE]

    for before in (planted, "chosen-by-somebody-else"):
        victim = hub.client(headers={"Cookie": f"{SESSION_COOKIE}={before}"})
        answer = victim.post("/login", data={"name": "alice", "password": PASSWORD})
        assert answer.status_code == 303
        given = answer.cookies[SESSION_COOKIE]
        assert given not in (before, planted)
        signed_in = hub.client(headers={"Cookie": f"{SESSION_COOKIE}={given}"})
        assert signed_in.get("/api/whoami-v2").json()["name"] == "alice"
    # What was planted is still what it was: somebody else's, or nothing.
    assert (
        hub.client(headers={"Cookie": f"{SESSION_COOKIE}={planted}"}).get("/api/whoami-v2").json()["name"]
        == "mallory"
    )
    chosen = hub.client(headers={"Cookie": f"{SESSION_COOKIE}=chosen-by-somebody-else"})
    assert chosen.get("/api/whoami-v2").status_code == 401

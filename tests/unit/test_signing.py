"""Signed facts: what we signed comes back, and nothing else does."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from openhood.infra.signing import BadLink, ExpiredLink, check, sign

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
SOON = NOW + timedelta(seconds=60)
FACTS = {"upload": "abc", "repo": 3765688909717942003, "path": "ä/b c"}


def test_facts_come_back() -> None:
    token = sign("key", purpose="upload", facts=FACTS, expires_at=SOON)

    assert check("key", token, purpose="upload", now=NOW) == FACTS
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()


def test_the_last_moment_still_counts_and_the_next_does_not() -> None:
    token = sign("key", purpose="upload", facts=FACTS, expires_at=SOON)

    assert check("key", token, purpose="upload", now=SOON - timedelta(milliseconds=1)) == FACTS
    with pytest.raises(ExpiredLink, match="expired"):
        check("key", token, purpose="upload", now=SOON + timedelta(seconds=1))


@pytest.mark.parametrize(("secret", "purpose"), [("other key", "upload"), ("key", "download"), ("", "")])
def test_another_key_or_purpose_is_refused(secret: str, purpose: str) -> None:
    token = sign("key", purpose="upload", facts=FACTS, expires_at=SOON)

    with pytest.raises(BadLink, match="not valid"):
        check(secret, token, purpose=purpose, now=NOW)


def test_a_changed_body_is_refused() -> None:
    token = sign("key", purpose="upload", facts=FACTS, expires_at=SOON)
    _body, mac = token.split(".")
    later = json.dumps([int(SOON.timestamp()) + 9999, FACTS]).encode()
    forged = base64.urlsafe_b64encode(later).rstrip(b"=").decode()

    with pytest.raises(BadLink):
        check("key", f"{forged}.{mac}", purpose="upload", now=NOW)


def test_every_changed_character_is_refused() -> None:
    token = sign("key", purpose="upload", facts={"a": 1}, expires_at=SOON)

    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(BadLink):
            check("key", changed, purpose="upload", now=NOW)


@pytest.mark.parametrize("token", ["", ".", "abc", "abc.", ".abc", "é.é", "a" * 5000 + ".b", "a.b.c"])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(BadLink):
        check("key", token, purpose="upload", now=NOW)


def test_a_token_with_padding_added_is_another_token() -> None:
    token = sign("key", purpose="upload", facts=FACTS, expires_at=SOON)

    with pytest.raises(BadLink):
        check("key", token + "=", purpose="upload", now=NOW)

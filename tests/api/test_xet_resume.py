"""Uploads that were cut off, and files that changed more than once: what need not be sent again is said."""

from __future__ import annotations

import random

import httpx

from api.desk import Desk
from api.test_xet_xorbs import NAME, Uploader, make_xorb, row, set_state
from api.xet_client import XetClient, split
from openhood.domain.xet.types import Pass
from openhood.engines.xet.hashing import chunk_digest
from openhood.testing.hub import HubUnderTest

ASKED = {"length": 100, "checksum": {"algo": "crc64nvme", "value": "1"}}


def ask(client: httpx.Client, name: str = NAME) -> int:
    """Ask as clients do before every xorb; 200 means that it need not be sent."""
    return client.post(f"/cas/e/v1/xorb-grants/default/{name}", json=ASKED).status_code


def test_who_brought_a_xorb_need_not_send_it_again(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice, bob = Uploader(hub), Uploader(hub, "bob")
    assert ask(alice.client) == 404
    alice.stores()

    assert ask(alice.client) == 200
    assert ask(bob.client) == 404
    assert ask(alice.client, make_xorb(2)[0]) == 404
    assert ask(hub.client(alice.token(may_write=False))) == 403
    # Whichever repository it was for; but only the person who sent it.
    alice.given = Pass(alice.given.user, bob.repo.id, may_write=True)
    assert ask(alice.client) == 200
    bob.stores()
    assert ask(bob.client) == 200


def test_it_is_forgotten_with_the_lease(hub: HubUnderTest) -> None:
    alice = Uploader(hub)
    alice.stores()
    hub.clock.advance(22 * 86400)
    hub.run_jobs()
    assert ask(alice.client) == 200, "and with that it is promised again"
    hub.clock.advance(2 * 86400)
    hub.run_jobs()
    assert ask(alice.client) == 404


def test_what_the_repository_uses_need_not_be_sent_by_anybody(hub: HubUnderTest) -> None:
    alice, bob = Uploader(hub), Uploader(hub, "bob")
    alice.stores()
    bob.given = Pass(bob.given.user, alice.repo.id, may_write=True)
    assert ask(bob.client) == 404
    alice.use()
    assert ask(bob.client) == 200


def test_a_condemned_xorb_is_revived_and_a_damaged_one_wanted(hub: HubUnderTest) -> None:
    alice = Uploader(hub)
    alice.stores()
    set_state(hub.sv, "condemned")
    assert ask(alice.client) == 200
    assert row(hub.sv).state == "live"
    set_state(hub.sv, "damaged")
    assert ask(alice.client) == 404


def test_all_of_a_file_is_found_after_it_changed_twice(hub: HubUnderTest) -> None:
    """Two thirds of the xorbs have no chunk that others ask for: they are found by their neighbours."""
    desk = Desk(hub)
    data = random.Random(4).randbytes(12_000_000)
    first = XetClient.of(hub, desk.repo)
    names = set(first.upload(data).bodies)
    assert len(names) > 3
    first.upload(data[:6_000_000] + b"once" + data[6_000_000:])
    names |= set(first.upload(data[:3_000_000] + b"twice" + data[3_000_000:]).bodies)

    found = XetClient.of(hub, desk.repo).query(chunk_digest(split(data)[0]))

    assert found is not None
    assert set(found.xorbs) == names

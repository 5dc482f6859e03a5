"""Xorbs that clients write to the object store themselves, against a real S3 server; and hubs that do not offer it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from api.conftest import HubMaker
from api.test_xet_xorbs import BODY, INDEX, NAME, Uploader, doomed, has_row, make_xorb, row, set_state, stored
from openhood.base.settings import Xet
from openhood.engines.xet.xorb import MAX_BODY_BYTES
from openhood.infra.db.tables import xorb_grants
from openhood.testing.hub import HubUnderTest

HOUR = 3600.0
ASKED = {"length": len(BODY), "checksum": {"algo": "crc64nvme", "value": "1234"}}


@pytest.fixture
def hub(make_hub: HubMaker, s3_url: str) -> HubUnderTest:
    """A hub on S3 that lets clients write there."""
    return make_hub(objects_url=s3_url, xet=Xet(direct_uploads=True))


@pytest.fixture
def alice(hub: HubUnderTest) -> Uploader:
    return Uploader(hub)


def ask(who: Uploader, name: str = NAME, **changes: object) -> httpx.Response:
    """Ask for a grant."""
    return who.client.post(f"/cas/e/v1/xorb-grants/default/{name}", json={**ASKED, **changes})


def granted(who: Uploader, name: str = NAME, body: bytes = BODY) -> dict[str, Any]:
    """Ask for a grant that must be given."""
    answer = ask(who, name, length=len(body))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"id", "method", "url", "headers"}
    return found


def use(grant: dict[str, Any], body: bytes = BODY) -> httpx.Response:
    """Write to the object store as the client does: no credentials, no media type, the headers as they are."""
    request = httpx.Request(grant["method"], grant["url"], content=body, headers=grant["headers"])
    with httpx.Client() as client:
        return client.send(request)


def commit(who: Uploader, grant: dict[str, Any], name: str = NAME) -> httpx.Response:
    """Say that a grant was used."""
    return who.client.post(f"/cas/e/v1/xorb-commits/default/{name}/grant/{grant['id']}")


def staged(hub: HubUnderTest) -> list[str]:
    """The keys of what was written and not yet verified."""
    return [each.key for each in hub.sv.objects.list("staging/")]


def count_grants(hub: HubUnderTest) -> int:
    """How many grants there are."""
    with hub.sv.db.read() as tx:
        return tx.execute(select(func.count()).select_from(xorb_grants)).scalar_one()


# --- not offered ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_on", [False, True])
def test_a_local_store_offers_nothing(make_hub: HubMaker, is_on: bool) -> None:
    alice = Uploader(make_hub(xet=Xet(direct_uploads=is_on)))

    answer = ask(alice)

    assert answer.status_code == 404
    assert count_grants(alice.hub) == 0


def test_off_by_default(make_hub: HubMaker, s3_url: str) -> None:
    alice = Uploader(make_hub(objects_url=s3_url))

    assert ask(alice).status_code == 404
    assert alice.stores()


def test_a_store_that_does_not_presign_offers_nothing(make_hub: HubMaker, s3_url: str) -> None:
    alice = Uploader(make_hub(objects_url=f"{s3_url}&presign=0", xet=Xet(direct_uploads=True)))

    assert ask(alice).status_code == 404
    assert count_grants(alice.hub) == 0


# --- the good way ---------------------------------------------------------------------------


def test_asked_written_committed(hub: HubUnderTest, alice: Uploader) -> None:
    grant = granted(alice)
    assert 200 <= use(grant).status_code < 300
    assert not has_row(hub.sv)
    assert staged(hub) == [f"staging/{grant['id']}"]

    answer = commit(alice, grant)

    assert (answer.status_code, answer.json()) == (200, {"was_inserted": True})
    made = row(hub.sv)
    assert hub.sv.objects.get(made.key) == BODY + INDEX.footer()
    assert staged(hub) == []
    assert count_grants(hub) == 0
    # The link still works for a while: what is written with it goes too.
    assert 200 <= use(grant).status_code < 300
    hub.clock.advance(3 * HOUR)
    hub.run_jobs()
    assert staged(hub) == []
    assert stored(hub.sv) == [made.key]


def test_written_twice_says_so(alice: Uploader) -> None:
    grant = granted(alice)
    use(grant)

    assert use(grant).status_code == 412
    assert commit(alice, grant).status_code == 200


def test_what_is_there_need_not_be_sent(hub: HubUnderTest, alice: Uploader) -> None:
    bob = Uploader(hub, "bob")
    alice.stores()
    before = row(hub.sv)
    assert ask(bob).status_code == 201
    set_state(hub.sv, "condemned")

    assert ask(alice).status_code == 200

    after = row(hub.sv)
    assert after.state == "live"
    assert after.lease_until >= before.lease_until
    assert ask(bob).status_code == 201
    set_state(hub.sv, "damaged")
    grant = granted(alice)
    use(grant)
    assert commit(alice, grant).json() == {"was_inserted": True}
    assert row(hub.sv).state == "live"
    assert row(hub.sv).key != before.key


def test_another_may_bring_what_is_there(hub: HubUnderTest, alice: Uploader) -> None:
    bob = Uploader(hub, "bob")
    alice.stores()
    alice.use()
    grant = granted(bob)
    use(grant)

    assert commit(bob, grant).json() == {"was_inserted": True}
    assert len(stored(hub.sv)) == 1
    assert staged(hub) == []


# --- refused --------------------------------------------------------------------------------


def test_another_length_is_not_taken_by_the_store(hub: HubUnderTest, alice: Uploader) -> None:
    grant = granted(alice)

    assert use(grant, BODY[:-1]).status_code == 403
    assert use(grant, BODY + b"x").status_code == 403
    assert staged(hub) == []


def test_committed_without_having_been_written(hub: HubUnderTest, alice: Uploader) -> None:
    grant = granted(alice)

    assert commit(alice, grant).status_code == 404
    use(grant)
    assert commit(alice, grant).status_code == 200


def test_wrong_bytes_end_the_grant(hub: HubUnderTest, alice: Uploader) -> None:
    grant = granted(alice)
    wrong = bytearray(BODY)
    wrong[-1] ^= 1
    use(grant, bytes(wrong))

    assert commit(alice, grant).status_code == 400
    assert commit(alice, grant).status_code == 404
    assert staged(hub) == []
    assert stored(hub.sv) == []
    assert not has_row(hub.sv)


def test_a_grant_is_for_one_xorb_of_one_repository(hub: HubUnderTest, alice: Uploader) -> None:
    bob = Uploader(hub, "bob")
    other = make_xorb(2)[0]
    grant = granted(alice)
    use(grant)

    assert commit(bob, grant).status_code == 404
    assert commit(alice, grant, other).status_code == 404
    assert commit(alice, {"id": "0" * 32}).status_code == 404
    assert commit(alice, grant).status_code == 200


@pytest.mark.parametrize("length", [0, -1, MAX_BODY_BYTES + 1, None, "5", True, 1.5])
def test_lengths_that_cannot_be(alice: Uploader, length: object) -> None:
    assert ask(alice, length=length).status_code == 400


def test_tokens_that_do_not_allow_it(hub: HubUnderTest, alice: Uploader) -> None:
    grant = granted(alice)
    use(grant)
    for token, status in ((None, 401), ("nonsense", 401), (alice.token(may_write=False), 403)):
        client = hub.client(token)
        assert client.post(f"/cas/e/v1/xorb-grants/default/{NAME}", json=ASKED).status_code == status
        assert client.post(f"/cas/e/v1/xorb-commits/default/{NAME}/grant/{grant['id']}").status_code == status
    assert not has_row(hub.sv)
    assert ask(alice, "g" * 64).status_code == 400
    assert alice.client.post(f"/cas/e/v1/xorb-grants/other/{NAME}", json=ASKED).status_code == 404


# --- never used -----------------------------------------------------------------------------


def test_grants_that_were_not_used_are_swept(hub: HubUnderTest, alice: Uploader) -> None:
    unused, written = granted(alice), granted(alice)
    use(written)
    hub.clock.advance(1.5 * HOUR)
    hub.run_jobs()
    assert count_grants(hub) == 2
    assert len(staged(hub)) == 1

    hub.clock.advance(1.5 * HOUR)
    hub.run_jobs()

    assert count_grants(hub) == 0
    assert staged(hub) == []
    assert doomed(hub.sv) == {}
    for grant in (unused, written):
        assert commit(alice, grant).status_code == 404


def test_a_deleted_repository_leaves_nothing_staged(hub: HubUnderTest, alice: Uploader) -> None:
    use(granted(alice))
    alice.delete_repo()
    assert ask(alice).status_code == 404
    assert len(staged(hub)) == 1

    hub.clock.advance(3 * HOUR)
    hub.run_jobs()

    assert staged(hub) == []

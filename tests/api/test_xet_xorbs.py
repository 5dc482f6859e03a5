"""Uploading xorbs: what is stored, what is refused, and what nobody learns who must not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, select, update

from api.conftest import HubMaker
from api.content import Content
from api.xet_content import mixed_content, split, store_file
from openhood.base.errors import BadXorb, NotFound, Unavailable
from openhood.base.names import XetHash
from openhood.base.ports import ObjectStore, ObjectWriter
from openhood.base.settings import Xet
from openhood.domain.access import SYSTEM
from openhood.domain.repos import lifecycle
from openhood.domain.services import Services
from openhood.domain.storage.gc import FORGOTTEN_GRACE_S
from openhood.domain.xet import indexes, passes, rows, xorbs
from openhood.domain.xet.types import Pass, Xorb
from openhood.engines.xet.hashing import chunk_digest, to_text
from openhood.engines.xet.xorb import XorbBuilder, XorbIndex
from openhood.infra.db.tables import doomed_objects
from openhood.infra.db.tables import xorbs as xorbs_table
from openhood.testing.hub import HubUnderTest

DAY = 86400.0
HOUR = 3600.0


def make_xorb(seed: int = 1, size: int = 1_000_000) -> tuple[XetHash, bytes, XorbIndex]:
    """A xorb of mixed compression: its name, what a client sends, and its index."""
    builder = XorbBuilder()
    for chunk in split(mixed_content(size, seed=seed)):
        assert builder.add(chunk, chunk_digest(chunk))
    view, index = builder.finish()
    body = bytes(view)
    return to_text(index.digest), body, index


NAME, BODY, INDEX = make_xorb()


class Uploader:
    """Somebody with a repository of theirs and a token that may write to it."""

    def __init__(self, hub: HubUnderTest, user: str = "alice") -> None:
        self.hub = hub
        self.sv = hub.sv
        hub.add_user(user)
        self.repo = Content(hub.sv, f"{user}/m").repo
        self.given = Pass(self.repo.owner_id, self.repo.id, may_write=True)

    @property
    def client(self) -> httpx.Client:
        """A client with a fresh token that may write."""
        return self.hub.client(self.token(may_write=True))

    def token(self, *, may_write: bool) -> str:
        """A CAS token of the repository."""
        return passes.make_token(self.sv, replace(self.given, may_write=may_write))[0]

    def delete_repo(self) -> None:
        """Delete the repository."""
        lifecycle.delete_repo(self.sv, SYSTEM, repo_type=self.repo.type, repo_id=self.repo.repo_id)

    def post(self, name: str = NAME, body: bytes = BODY, *, path: str = "v1/xorbs/default") -> httpx.Response:
        """Send a xorb."""
        return self.client.post(f"/cas/e/{path}/{name}", content=body)

    def stores(self, name: str = NAME, body: bytes = BODY) -> bool:
        """Send a xorb that must be taken; returns what is said about its being new."""
        answer = self.post(name, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert list(answer.json()) == ["was_inserted"]
        return bool(answer.json()["was_inserted"])

    def use(self, index: XorbIndex = INDEX, seed: int = 1) -> None:
        """Let the repository hold a file that is made of the whole xorb."""
        store_file(
            self.sv, self.repo.id, mixed_content(index.raw_bytes, seed=seed), [(index, 0, index.chunk_count)]
        )


@pytest.fixture
def alice(hub: HubUnderTest) -> Uploader:
    return Uploader(hub)


def row(sv: Services, name: str = NAME) -> Xorb:
    """The row of a xorb."""
    with sv.db.read() as tx:
        found = rows.get_xorb(tx, XetHash(name))
    assert found is not None
    return found


def has_row(sv: Services, name: str = NAME) -> bool:
    """Whether a xorb has a row."""
    with sv.db.read() as tx:
        return rows.get_xorb(tx, XetHash(name)) is not None


def stored(sv: Services) -> list[str]:
    """The keys of all xorbs in the store."""
    return sorted(each.key for each in sv.objects.list("xorbs/"))


def doomed(sv: Services) -> dict[str, timedelta]:
    """The doomed keys, and how long they have."""
    with sv.db.read() as tx:
        return {each.key: each.delete_after - sv.clock.now() for each in tx.execute(select(doomed_objects))}


def scraps(hub: HubUnderTest) -> list[Path]:
    """What unfinished writes left in the local store."""
    return list((hub.data_dir / "objects" / ".tmp").iterdir())


def set_state(sv: Services, state: str) -> None:
    """Put the xorb into a state, with its lease over."""
    with sv.db.write() as tx:
        tx.execute(update(xorbs_table).values(state=state, lease_until=sv.clock.now() - timedelta(days=1)))


# --- the good way ---------------------------------------------------------------------------


def test_a_xorb_is_stored_with_our_footer(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)

    assert alice.stores()

    made = row(alice.sv)
    assert (made.chunk_count, made.raw_bytes, made.stored_bytes) == (INDEX.chunk_count, 1_000_000, len(BODY))
    assert made.state == "live"
    assert made.lease_until - alice.sv.clock.now() > timedelta(days=22)
    assert stored(alice.sv) == [made.key]
    assert alice.sv.objects.get(made.key) == BODY + INDEX.footer()
    assert indexes.load_index(alice.sv, made) == INDEX
    assert doomed(alice.sv) == {}


def test_the_path_of_old_clients(alice: Uploader) -> None:
    answer = alice.post(path="xorb/default")

    assert (answer.status_code, answer.json()) == (200, {"was_inserted": True})
    assert row(alice.sv).stored_bytes == len(BODY)


def test_a_footer_of_the_client_is_taken_off(alice: Uploader) -> None:
    lying = bytearray(INDEX.footer())
    lying[60] ^= 1

    assert alice.stores(body=BODY + bytes(lying))

    assert alice.sv.objects.get(row(alice.sv).key) == BODY + INDEX.footer()


def test_a_xorb_of_one_small_chunk(alice: Uploader) -> None:
    builder = XorbBuilder()
    builder.add(b"x", chunk_digest(b"x"))
    view, index = builder.finish()
    body = bytes(view)

    assert alice.stores(to_text(index.digest), body)

    assert alice.sv.objects.get(row(alice.sv, to_text(index.digest)).key) == body + index.footer()


def test_a_body_without_a_length(alice: Uploader) -> None:
    def pieces() -> Iterator[bytes]:
        for start in range(0, len(BODY), 70_001):
            yield BODY[start : start + 70_001]

    answer = alice.client.post(f"/cas/e/v1/xorbs/default/{NAME}", content=pieces())

    assert answer.json() == {"was_inserted": True}
    assert alice.sv.objects.get(row(alice.sv).key) == BODY + INDEX.footer()


# --- again, and who learns of it ------------------------------------------------------------


def test_again_it_is_verified_but_not_stored(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)
    alice.stores()
    before = row(alice.sv)
    hub_on_both.clock.advance(5 * DAY)

    alice.stores()

    after = row(alice.sv)
    assert stored(alice.sv) == [before.key] == [after.key]
    assert after.lease_until - before.lease_until >= timedelta(days=5)
    broken = alice.post(body=BODY[:-1])
    assert broken.status_code == 400
    assert stored(alice.sv) == [before.key]


def test_who_does_not_use_it_is_told_that_it_was_new(hub: HubUnderTest, alice: Uploader) -> None:
    bob = Uploader(hub, "bob")
    alice.stores()
    alice.use()

    assert bob.stores()
    assert not alice.stores()
    assert len(stored(hub.sv)) == 1


def test_with_dedup_over_the_hub_everybody_is_told(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(dedup="hub"))
    alice, bob = Uploader(hub), Uploader(hub, "bob")

    assert alice.stores()
    assert not bob.stores()
    assert not alice.stores()


def test_head_tells_only_who_may_know(hub: HubUnderTest, alice: Uploader) -> None:
    bob = Uploader(hub, "bob")
    alice.stores()
    path = f"/cas/e/v1/xorbs/default/{NAME}"
    assert alice.client.head(path).status_code == 200, "who brought it knows"
    unused = hub.client(alice.token(may_write=False)).head(path)
    alice.use()

    mine, others = alice.client.head(path), bob.client.head(path)
    absent = bob.client.head(f"/cas/e/v1/xorbs/default/{make_xorb(2)[0]}")
    reader = hub.client(alice.token(may_write=False)).head(path)

    assert (mine.status_code, mine.headers["content-length"]) == (200, str(len(BODY)))
    assert reader.status_code == 200
    assert unused.status_code == others.status_code == absent.status_code == 404
    assert others.headers["x-error-message"].replace(NAME, "") == absent.headers["x-error-message"].replace(
        make_xorb(2)[0], ""
    )


def test_head_with_dedup_over_the_hub(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(dedup="hub"))
    alice, bob = Uploader(hub), Uploader(hub, "bob")
    alice.stores()
    path = f"/cas/e/v1/xorbs/default/{NAME}"

    assert bob.client.head(path).status_code == 200
    # Whoever may read a public repository must not learn what is in the others.
    assert hub.client(bob.token(may_write=False)).head(path).status_code == 404
    set_state(hub.sv, "damaged")
    assert bob.client.head(path).status_code == 404


def test_a_condemned_xorb_is_revived(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)
    alice.stores()
    before = row(alice.sv)
    set_state(alice.sv, "condemned")

    assert not alice.stores()

    after = row(alice.sv)
    assert (after.state, after.key) == ("live", before.key)
    assert after.lease_until - alice.sv.clock.now() > timedelta(days=22)
    assert stored(alice.sv) == [before.key]


def test_a_damaged_xorb_is_healed(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)
    alice.stores()
    before = row(alice.sv)
    set_state(alice.sv, "damaged")

    assert alice.stores()

    after = row(alice.sv)
    assert after.state == "live"
    assert after.key != before.key
    assert after.id == before.id
    assert after.lease_until - alice.sv.clock.now() > timedelta(days=22)
    assert alice.sv.objects.get(after.key) == BODY + INDEX.footer()
    assert doomed(alice.sv).keys() == {before.key}
    hub_on_both.clock.advance(FORGOTTEN_GRACE_S + HOUR)
    hub_on_both.run_jobs()
    assert stored(alice.sv) == [after.key]


@pytest.mark.parametrize(("policy", "second"), [("visible", True), ("hub", False)])
def test_of_two_at_the_same_time_one_is_kept(make_hub: HubMaker, policy: str, second: bool) -> None:
    hub = make_hub(xet=Xet(dedup=policy))
    alice, bob = Uploader(hub), Uploader(hub, "bob")
    both = [xorbs.begin(hub.sv, each.given, NAME) for each in (alice, bob)]
    for each in both:
        each.feed(BODY)

    assert [each.finish() for each in both] == [True, second]

    kept = row(hub.sv).key
    assert len(stored(hub.sv)) == 2
    hub.run_jobs()
    assert stored(hub.sv) == [kept]


def test_what_vanishes_while_it_is_sent_again_must_be_sent_once_more(alice: Uploader) -> None:
    alice.stores()
    incoming = xorbs.begin(alice.sv, alice.given, NAME)
    incoming.feed(BODY)
    with alice.sv.db.write() as tx:
        tx.execute(delete(xorbs_table))

    with pytest.raises(Unavailable, match="Send it again"):
        incoming.finish()

    assert alice.stores()
    assert has_row(alice.sv)


def test_what_is_found_damaged_while_it_is_sent_again_must_be_sent_once_more(alice: Uploader) -> None:
    alice.stores()
    incoming = xorbs.begin(alice.sv, alice.given, NAME)
    incoming.feed(BODY)
    set_state(alice.sv, "damaged")

    with pytest.raises(Unavailable, match="Send it again"):
        incoming.finish()

    assert alice.stores()
    assert row(alice.sv).state == "live"


def test_the_hub_itself_is_told_the_truth(alice: Uploader) -> None:
    outcomes = []
    for _ in range(2):
        incoming = xorbs.begin_internal(alice.sv, NAME)
        incoming.feed(BODY)
        outcomes.append(incoming.finish())

    assert outcomes == [True, False]


# --- refused --------------------------------------------------------------------------------


def test_tokens_that_do_not_allow_it(hub: HubUnderTest, alice: Uploader) -> None:
    path = f"/cas/e/v1/xorbs/default/{NAME}"
    old = alice.token(may_write=True)
    for token, status in ((None, 401), ("nonsense", 401), (alice.token(may_write=False), 403)):
        answer = hub.client(token).post(path, content=BODY)
        assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
        assert hub.client(token).head(path).status_code == {401: 401, 403: 404}[status]
    hub.clock.advance(2 * HOUR)
    assert hub.client(old).post(path, content=BODY).status_code == 401
    assert stored(hub.sv) == []


def test_a_repository_that_was_deleted(hub: HubUnderTest, alice: Uploader) -> None:
    alice.delete_repo()

    assert alice.post().status_code == 404
    assert stored(hub.sv) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"v1/xorbs/other/{NAME}", 404),
        (f"v1/xorbs/default-merkledb/{NAME}", 404),
        (f"v1/xorbs/default/{NAME[:-1]}", 400),
        (f"v1/xorbs/default/{NAME.upper()}", 400),
        (f"v1/xorbs/default/{'g' * 64}", 400),
        (f"xorb/other/{NAME}", 404),
    ],
)
def test_names_that_are_none(alice: Uploader, path: str, status: int) -> None:
    for method in ("POST", "HEAD") if path.startswith("v1") else ("POST",):
        answer = alice.client.request(method, f"/cas/e/{path}", content=BODY if method == "POST" else None)
        assert answer.status_code == status
    assert stored(alice.sv) == []


def flip(body: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    changed = bytearray(body)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY[:5],
        BODY[:-1],
        BODY[: INDEX.stored_ends[3]],
        BODY + b"\0",
        BODY + BODY,
        flip(BODY, 0),
        flip(BODY, 5),
        flip(BODY, len(BODY) // 2),
        flip(BODY, len(BODY) - 1),
        random.Random(3).randbytes(100_000),
        make_xorb(2)[1],
    ],
)
def test_bytes_that_are_wrong(hub: HubUnderTest, alice: Uploader, body: bytes) -> None:
    answer = alice.post(body=body)

    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 15
    assert stored(hub.sv) == []
    assert scraps(hub) == []
    assert doomed(hub.sv) == {}
    assert not has_row(hub.sv)


def test_bytes_that_are_wrong_are_named(alice: Uploader) -> None:
    third = bytearray(BODY)
    third[INDEX.stored_ends[1] + 4] = 9

    assert "chunk 2" in alice.post(body=bytes(third)).json()["error"].lower()


# --- ended in the middle --------------------------------------------------------------------


class Stopped(BaseException):
    """The hub ends here."""


class StoppingWriter:
    """A writer after whose commit the hub is no more."""

    def __init__(self, inner: ObjectWriter) -> None:
        self._inner = inner
        self.write, self.abort = inner.write, inner.abort

    def commit(self) -> None:
        self._inner.commit()
        raise Stopped


class StoppingStore:
    """The store of a hub that ends once an object became durable."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    def open_writer(self, key: str) -> ObjectWriter:
        return StoppingWriter(self._inner.open_writer(key))


def test_the_end_between_bytes_and_rows_leaves_nothing_for_ever(hub: HubUnderTest, alice: Uploader) -> None:
    ending = replace(hub.sv, objects=StoppingStore(hub.sv.objects))
    incoming = xorbs.begin(ending, alice.given, NAME)
    incoming.feed(BODY)

    with pytest.raises(Stopped):
        incoming.finish()

    assert not has_row(hub.sv)
    (key,) = stored(hub.sv)
    assert doomed(hub.sv)[key] > timedelta(hours=23)
    assert alice.stores()
    kept = row(hub.sv).key
    assert kept != key
    hub.clock.advance(2 * DAY)
    hub.run_jobs()
    assert stored(hub.sv) == [kept]


def test_bytes_that_the_sweeper_may_have_taken_are_not_published(hub: HubUnderTest, alice: Uploader) -> None:
    class Late:
        """A store whose writes take two days."""

        def open_writer(self, key: str) -> ObjectWriter:
            writer = hub.sv.objects.open_writer(key)

            class Writer:
                write, abort = writer.write, writer.abort

                def commit(self) -> None:
                    writer.commit()
                    hub.clock.advance(2 * DAY)

            return Writer()

    incoming = xorbs.begin(replace(hub.sv, objects=Late()), alice.given, NAME)
    incoming.feed(BODY)

    with pytest.raises(Unavailable):
        incoming.finish()

    assert not has_row(hub.sv)
    hub.run_jobs()
    assert stored(hub.sv) == []


def test_what_was_begun_and_dropped_leaves_nothing(hub: HubUnderTest, alice: Uploader) -> None:
    incoming = xorbs.begin(hub.sv, alice.given, NAME)
    incoming.feed(BODY[:100_000])
    assert stored(hub.sv) == []
    assert doomed(hub.sv) == {}
    incoming.abort()
    incoming.abort()
    assert scraps(hub) == []
    with pytest.raises((BadXorb, ValueError)):
        incoming.finish()


def test_a_pass_for_no_repository_begins_nothing(hub: HubUnderTest, alice: Uploader) -> None:
    with pytest.raises(NotFound):
        xorbs.begin(hub.sv, Pass(1, 10_000, may_write=True), NAME)

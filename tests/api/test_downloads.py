"""Downloads: what counts as one, once per visitor and window also across replicas, and the days that pass."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, text, update

from api.commits_client import commit
from api.conftest import HubMaker
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, SYSTEM
from openhood.domain.catalog import texts
from openhood.domain.discovery import counting_rows, downloads
from openhood.domain.repos import lifecycle
from openhood.domain.repos.downloads import Client, counts, note, note_grant
from openhood.domain.repos.rows import get_repo
from openhood.domain.repos.types import Repo
from openhood.infra.db.discovery_tables import download_days, download_visits, repo_texts
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

DAY_S = 86_400
MARK = {"X-HF-Download-Counter": "1"}


def numbers(hub: HubUnderTest, name: str = "m") -> tuple[int, int]:
    """Downloads of the last days, and of all time."""
    with hub.sv.db.read() as tx:
        row = tx.execute(
            select(repos.c.downloads, repos.c.downloads_all_time).where(repos.c.name == name)
        ).one()
    return row.downloads, row.downloads_all_time


def find(hub: HubUnderTest, name: str = "m", kind: RepoType = RepoType.MODEL) -> Repo:
    with hub.sv.db.read() as tx:
        found = get_repo(tx, kind, RepoId("alice", name))
    assert found is not None
    return found


def make(hub: HubUnderTest, *, kind: str = "model", name: str = "m", **files: bytes) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    client.post("/api/repos/create", json={"name": name, "type": kind}).raise_for_status()
    content = {
        "README.md": b"# it\n",
        "config.json": b'{"model_type": "bert"}',
        "tokenizer.json": b"{}",
        "q.gguf": b"GGUF",
    }
    commit(client, f"alice/{name}", content, kind=f"{kind}s")
    return client


def visit(hub: HubUnderTest, repo: Repo, address: str) -> None:
    note(hub.sv, ANONYMOUS, repo, "config.json", client=Client(address, "curl/8", is_marked=False))


def forward_to_midday(hub: HubUnderTest) -> None:
    """Go to the middle of a window and of a day, so that what follows at once is in the same ones."""
    at_s = hub.clock.now().timestamp()
    hub.clock.advance(DAY_S - at_s % DAY_S + DAY_S / 2 + 10)


def test_downloads_are_counted_once_per_visitor_and_window_and_written_later(
    hub_on_both: HubUnderTest,
) -> None:
    hub = hub_on_both
    make(hub)
    forward_to_midday(hub)
    client = hub.client()
    for _ in range(3):
        assert client.head("/alice/m/resolve/main/config.json").status_code == 200
        assert client.get("/alice/m/resolve/main/config.json").status_code == 200
    client.get("/alice/m/resolve/main/tokenizer.json")
    assert numbers(hub) == (0, 0)
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (1, 1)
    client.get("/alice/m/resolve/main/config.json")
    assert downloads.flush(hub.sv) == 0

    # Somebody else, then the same one later.
    hub.client(hub.add_user("bob")).get("/alice/m/resolve/main/tokenizer.json", headers=MARK)
    hub.clock.advance(600)
    client.get("/alice/m/resolve/main/config.json")
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (3, 3)
    with hub.sv.db.read() as tx:
        days = tx.execute(select(download_days.c.day, download_days.c.count)).all()
    assert [tuple(day) for day in days] == [(int(hub.clock.now().timestamp() // DAY_S), 3)]


def test_what_is_missing_or_forbidden_is_no_download(hub: HubUnderTest) -> None:
    alice = make(hub)
    client = hub.client()
    assert client.get("/alice/m/resolve/main/config.yaml", headers=MARK).status_code == 404
    assert client.get("/alice/m/resolve/other/config.json", headers=MARK).status_code == 404
    alice.put("/api/models/alice/m/settings", json={"gated": "auto"}).raise_for_status()
    assert client.get("/alice/m/resolve/main/config.json", headers=MARK).status_code in (401, 403)
    assert downloads.flush(hub.sv) == 0


def test_a_client_whose_agent_changes_from_file_to_file_is_one(hub: HubUnderTest) -> None:
    make(hub)
    forward_to_midday(hub)
    for first, last in (("transformers/5.1", "file_type/config; session_id/1"), ("unknown/None", "x/y")):
        agent = f"{first}; hf_hub/2.4.0; python/3.11; torch/2.9; {last}"
        hub.client(headers={"User-Agent": agent}).head("/alice/m/resolve/main/config.json", headers=MARK)
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (1, 1)
    hub.client(headers={"User-Agent": "curl/8.1"}).get("/alice/m/resolve/main/config.json")
    downloads.flush(hub.sv)
    assert numbers(hub) == (2, 2)


def test_who_goes_straight_to_the_chunks_is_counted(hub: HubUnderTest) -> None:
    """huggingface_hub reads the tree and asks for a token; no file is requested."""
    make(hub)
    client = hub.client()
    assert client.get("/api/models/alice/m/xet-read-token/main").status_code == 200
    assert downloads.flush(hub.sv) == 0, "an older client asks for config.json besides"
    assert client.get("/api/models/alice/m/xet-read-token/main", headers=MARK).status_code == 200
    assert downloads.flush(hub.sv) == 1

    alice = hub.client(hub.add_token("alice"))
    for kind in ("dataset", "space"):
        body = {"name": kind, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
        alice.post("/api/repos/create", json=body).raise_for_status()
        assert client.get(f"/api/{kind}s/alice/{kind}/xet-read-token/main").status_code == 200
    downloads.flush(hub.sv)
    assert numbers(hub, "dataset") == (1, 1)
    assert numbers(hub, "space") == (0, 0)


@pytest.mark.parametrize(
    ("library", "path", "expected"),
    [
        (None, "config.json", True),
        (None, "params.json", True),
        (None, "sub/config.json", False),
        (None, "model.safetensors", False),
        (None, "sub/q4.gguf", True),
        ("transformers", "config.json", True),
        ("no-such-library", "meta.yaml", True),
        ("peft", "adapter_config.json", True),
        ("peft", "config.json", False),
        ("peft", "q4.gguf", True),
        ("nemo", "deep/a.nemo", True),
        ("diffusers", "model_index.json", True),
        ("diffusers", "lora.safetensors", True),
        ("diffusers", "unet/model.safetensors", False),
        ("diffusers", "config.json", False),
    ],
)
def test_the_files_of_a_library_count(
    hub: HubUnderTest, library: str | None, path: str, *, expected: bool
) -> None:
    hub.add_user("alice")
    hub.client(hub.add_token("alice")).post("/api/repos/create", json={"name": "m"}).raise_for_status()
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).values(library_name=library))
    repo = find(hub)
    assert counts(repo, path, is_marked=False) is expected
    assert counts(repo, path, is_marked=True)
    assert counts(repo, "README.md", is_marked=True)
    assert not counts(repo, "README.md", is_marked=False)


def test_any_file_of_a_dataset_counts_and_none_of_a_space(hub: HubUnderTest) -> None:
    client = make(hub, kind="dataset", name="d")
    anybody = hub.client()
    forward_to_midday(hub)
    for path in ("README.md", "tokenizer.json"):
        anybody.get(f"/datasets/alice/d/resolve/main/{path}")
    downloads.flush(hub.sv)
    assert numbers(hub, "d") == (1, 1)
    client.post("/api/repos/create", json={"name": "s", "type": "space", "sdk": "static"}).raise_for_status()
    commit(client, "alice/s", {"config.json": b"{}"}, kind="spaces")
    anybody.get("/spaces/alice/s/resolve/main/config.json", headers=MARK)
    assert downloads.flush(hub.sv) == 0


# --- replicas, faults, floods ---------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def replicas(
    request: pytest.FixtureRequest, make_hub: HubMaker, tmp_path: Path
) -> tuple[HubUnderTest, HubUnderTest]:
    """Two hubs on one database and one store."""
    url = f"sqlite:///{tmp_path}/hub.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    store = (tmp_path / "objects").as_uri()
    return (
        make_hub(database_url=url, objects_url=store),
        make_hub(database_url=url, objects_url=store),
    )


def test_two_replicas_count_one_visitor_once(replicas: tuple[HubUnderTest, HubUnderTest]) -> None:
    first, second = replicas
    make(first)
    forward_to_midday(first)
    second.clock.advance((first.clock.now() - second.clock.now()).total_seconds())
    for hub in replicas:
        assert hub.client().get("/alice/m/resolve/main/config.json").status_code == 200
    second.client(headers={"User-Agent": "other"}).get("/alice/m/resolve/main/config.json")
    assert downloads.flush(first.sv) == 1
    assert downloads.flush(second.sv) == 1
    assert numbers(first) == (2, 2)
    with first.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(download_visits)).scalar_one() == 2


def test_replicas_that_write_at_once_lose_and_double_nothing(
    replicas: tuple[HubUnderTest, HubUnderTest],
) -> None:
    first, second = replicas
    client = make(first)
    for number in range(8):
        client.post("/api/repos/create", json={"name": f"r{number}"}).raise_for_status()
    found = [find(first, f"r{number}") for number in range(8)]
    at_s = first.clock.now().timestamp()
    expected: dict[str, set[int]] = {repo.repo_id.name: set() for repo in found}

    def work(number: int) -> None:
        hub = replicas[number % 2]
        picked = random.Random(number)
        for _ in range(60):
            repo, visitor = picked.choice(found), picked.randrange(40)
            expected[repo.repo_id.name].add(visitor)
            hub.sv.downloads.note(repo.id, visitor, at_s=at_s)
        if number == 5:
            lifecycle.delete_repo(second.sv, SYSTEM, repo_type=RepoType.MODEL, repo_id=RepoId("alice", "r7"))
        downloads.flush(hub.sv)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(24)))
    for hub in replicas:
        downloads.flush(hub.sv)
    for number in range(7):
        assert numbers(first, f"r{number}")[1] == len(expected[f"r{number}"])


def test_a_deleted_repository_does_not_stop_the_others(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = make(hub)
    client.post("/api/repos/create", json={"name": "gone"}).raise_for_status()
    gone = find(hub, "gone")
    visit(hub, gone, "10.0.0.1")
    visit(hub, find(hub), "10.0.0.1")
    lifecycle.delete_repo(hub.sv, SYSTEM, repo_type=RepoType.MODEL, repo_id=gone.repo_id)
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (1, 1)


def test_what_could_not_be_written_is_kept_and_not_counted_twice(hub: HubUnderTest) -> None:
    make(hub)
    repo = find(hub)
    visit(hub, repo, "10.0.0.1")
    with hub.sv.db.write() as tx:
        tx.execute(text("ALTER TABLE download_days RENAME TO hidden_days"))
    with pytest.raises(Exception, match="download_days"):
        downloads.flush(hub.sv)
    with hub.sv.db.write() as tx:
        tx.execute(text("ALTER TABLE hidden_days RENAME TO download_days"))
    visit(hub, repo, "10.0.0.2")
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (2, 2)
    assert downloads.flush(hub.sv) == 0


def test_a_flood_is_written_in_several_units(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    make(hub)
    forward_to_midday(hub)
    repo = find(hub)
    for number in range(4_500):
        visit(hub, repo, f"10.0.{number // 250}.{number % 250}")
    assert downloads.flush(hub.sv) == 1
    assert numbers(hub) == (4_500, 4_500)


def test_no_address_is_kept_and_the_number_changes_with_the_day(hub: HubUnderTest) -> None:
    make(hub)
    repo = find(hub)
    visit(hub, repo, "192.0.2.77")
    downloads.flush(hub.sv)
    hub.clock.advance(DAY_S)
    visit(hub, repo, "192.0.2.77")
    downloads.flush(hub.sv)
    with hub.sv.db.read() as tx:
        kept = tx.execute(select(download_visits.c.visitor)).scalars().all()
    assert len(set(kept)) == 2
    hub.sv.db.close()
    for file in hub.data_dir.rglob("*.db*"):
        assert b"192.0.2.77" not in file.read_bytes()


def test_what_is_noted_is_written_when_the_hub_stops(make_hub: HubMaker, tmp_path: Path) -> None:
    url, store = f"sqlite:///{tmp_path}/hub.db", (tmp_path / "objects").as_uri()
    with HubUnderTest(database_url=url, objects_url=store) as first:
        make(first)
        first.client().get("/alice/m/resolve/main/config.json")
    assert numbers(make_hub(database_url=url, objects_url=store)) == (1, 1)


# --- days -----------------------------------------------------------------------------------


def place_of(hub: HubUnderTest, repo: Repo) -> int:
    with hub.sv.db.read() as tx:
        return tx.execute(select(repo_texts.c.place).where(repo_texts.c.repo_id == repo.id)).scalar_one()


def roll(hub: HubUnderTest) -> None:
    downloads.roll_downloads(hub.sv, {})


def test_thirty_days_are_counted(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    make(hub)
    forward_to_midday(hub)
    repo = find(hub)
    for day, visitors in enumerate((5, 0, 3)):
        for number in range(visitors):
            visit(hub, repo, f"10.0.{day}.{number}")
        downloads.flush(hub.sv)
        hub.clock.advance(DAY_S)
    assert numbers(hub) == (8, 8)
    hub.clock.advance(26 * DAY_S)  # the first day is the thirtieth
    roll(hub)
    assert numbers(hub) == (8, 8)
    hub.clock.advance(DAY_S)
    roll(hub)
    roll(hub)
    assert numbers(hub) == (3, 8)
    # The jobs stood still for a long time.
    hub.clock.advance(400 * DAY_S)
    roll(hub)
    assert numbers(hub) == (0, 8)
    with hub.sv.db.read() as tx:
        assert tx.execute(select(download_days)).all() == []
        assert tx.execute(select(download_visits)).all() == []


def test_days_are_folded_for_many_repositories_without_touching_others(
    hub: HubUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(hub)
    forward_to_midday(hub)
    today = int(hub.clock.now().timestamp() // DAY_S)
    for number in range(7):
        client.post("/api/repos/create", json={"name": f"r{number}"}).raise_for_status()
    monkeypatch.setattr(downloads, "_FOLDED_AT_ONCE", 3)
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).values(downloads=1000))
        ids = {row.name: row.id for row in tx.execute(select(repos.c.name, repos.c.id))}
        for number in range(6):
            days = [(today - 30 - number, 10), (today - 29, 1), (today - 200, 5)]
            for day, count in days:
                tx.execute(download_days.insert().values(repo_id=ids[f"r{number}"], day=day, count=count))
    roll(hub)
    assert [numbers(hub, f"r{number}")[0] for number in range(7)] == [1] * 6 + [1000]


def test_who_came_is_forgotten_after_a_day(
    hub_on_both: HubUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_on_both
    make(hub)
    forward_to_midday(hub)
    repo = find(hub)
    monkeypatch.setattr(downloads, "_SWEPT_AT_ONCE", 4)
    for number in range(11):
        visit(hub, repo, f"10.0.0.{number}")
    hub.clock.advance(3600)
    visit(hub, repo, "10.0.0.1")
    downloads.flush(hub.sv)
    hub.clock.advance(DAY_S - 1800)
    roll(hub)
    with hub.sv.db.read() as tx:
        assert len(tx.execute(select(download_visits)).all()) == 1
    assert numbers(hub) == (12, 12)


def test_the_less_popular_falls_back_in_the_search_when_its_days_are_over(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    make(hub)
    forward_to_midday(hub)
    repo = find(hub)
    with hub.sv.db.write() as tx:
        locked = counting_rows.lock_repos(tx, [repo.id])
        tx.execute(update(repos).values(downloads=900))
        counting_rows.refile(tx, locked)
        day = int(hub.clock.now().timestamp() // DAY_S) - 30
        tx.execute(download_days.insert().values(repo_id=repo.id, day=day, count=900))
    before = place_of(hub, repo)
    assert texts.has_tier(before, tier=texts.tier_of(downloads=900, likes=0))
    roll(hub)
    after = place_of(hub, repo)
    assert texts.has_tier(after, tier=63)
    assert after > before


def test_a_read_token_asked_for_is_noted_in_the_domain_too(hub: HubUnderTest) -> None:
    make(hub)
    repo = find(hub)
    for marked in (False, True):
        note_grant(hub.sv, ANONYMOUS, repo, client=Client("10.0.0.1", "x", is_marked=marked))
    assert downloads.flush(hub.sv) == 1

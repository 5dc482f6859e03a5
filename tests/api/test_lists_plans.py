"""Every plan gives the same lists: what a look at all rows with the policy itself would give."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, SYSTEM, Need, OrgRole, Verdict, Viewer, decide
from openhood.domain.catalog import record
from openhood.domain.catalog.types import TipFacts
from openhood.domain.discovery import list_rows
from openhood.domain.discovery.planning import Plan
from openhood.domain.discovery.wanted import SORTS, Order, Position, Wanted
from openhood.domain.repos import birth, lifecycle_rows
from openhood.domain.repos.types import Repo
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

START = datetime(2025, 1, 1, tzinfo=UTC)
TAGS = ("region:us", "gguf", "safetensors", "license:mit", "fr", "Rare", "text-generation")
WORDS = ("bert", "llama", "gguf", "tiny", "a", "x1")
PLANS = (Plan(None, False), Plan(None, True), Plan(0, False), Plan(1, False), Plan(3, True), None)


@dataclass
class Made:
    """A repository as it was made."""

    repo: Repo
    tags: tuple[str, ...]
    pipeline: str | None
    parameters: int | None
    sorts: dict[str, object] = field(default_factory=dict)


@pytest.fixture(scope="module")
def world(shared_hub_on_both: HubUnderTest) -> tuple[HubUnderTest, list[Made], dict[str, Viewer]]:
    """A hub with a hundred repositories of three owners, some private, gated or disabled."""
    hub, chance = shared_hub_on_both, random.Random(4)
    people = {name: hub.add_user(name) for name in ("alice", "bob")}
    hub.add_org("acme", {"bob": "read"})
    with hub.sv.db.read() as tx:
        from openhood.domain.accounts import actions

        owners = {name: actions.find_account(tx, name) for name in ("alice", "bob", "acme")}
    assert people
    made: list[Made] = []
    for number in range(100):
        name = "-".join(chance.sample(WORDS, 2)) + f".{number}"
        owner = owners[chance.choice(list(owners))]
        assert owner is not None
        repo = Repo(
            id=birth.new_number(START + timedelta(seconds=number)),
            hex_id=f"{number:024x}",
            type=chance.choice([RepoType.MODEL, RepoType.MODEL, RepoType.DATASET]),
            repo_id=RepoId(owner.name, name),
            owner_id=owner.id,
            creator_id=None,
            visibility=chance.choice(["public", "public", "private"]),
            gated=chance.choice(["", "", "auto"]),
            is_disabled=chance.random() < 0.05,
            pack_epoch=0,
            head_oid=None,
            created_at=START + timedelta(days=chance.randrange(20)),
            last_modified=START + timedelta(days=chance.randrange(20)),
        )
        pipeline = chance.choice([None, "text-generation", "fill-mask"])
        tags = ["region:us", *chance.sample(TAGS[1:], chance.randrange(4)), *([pipeline] if pipeline else [])]
        parameters = chance.choice([None, 5, 50, 500])
        made.append(_make(hub, repo, tuple(dict.fromkeys(tags)), pipeline, parameters, chance))
    viewers = {
        "nobody": ANONYMOUS,
        "system": SYSTEM,
        "alice": Viewer(user_id=owners["alice"].id, name="alice"),  # type: ignore[union-attr]
        "bob": Viewer(user_id=owners["bob"].id, name="bob", roles={owners["acme"].id: OrgRole.READ}),  # type: ignore[union-attr]
    }
    return hub, made, viewers


def _make(
    hub: HubUnderTest,
    repo: Repo,
    tags: tuple[str, ...],
    pipeline: str | None,
    parameters: int | None,
    chance: random.Random,
) -> Made:
    numbers = {name: chance.randrange(6) for name in ("downloads", "likes", "trending_score", "main_bytes")}
    with hub.sv.db.write() as tx:
        lifecycle_rows.insert_repo(tx, repo, settings={})
        tip = TipFacts(None, None, tags, pipeline, None, None)
        record.record_tip(tx, repo.id, tip, head_oid="0" * 40)
        tx.execute(
            update(repos)
            .where(repos.c.id == repo.id)
            .values(parameters=parameters, gated=repo.gated, is_disabled=repo.is_disabled, **numbers)
        )
    keys = {
        "downloads": "downloads",
        "likes": "likes",
        "trendingScore": "trending_score",
        "mainSize": "main_bytes",
    }
    sorts: dict[str, object] = {key: numbers[name] for key, name in keys.items()}
    sorts |= {
        "createdAt": repo.created_at,
        "lastModified": repo.last_modified,
        "id": str(repo.repo_id).lower(),
        "num_parameters": parameters,
    }
    return Made(repo, tags, pipeline, parameters, sorts)


def _expected(made: list[Made], viewer: Viewer, wanted: Wanted, order: Order) -> list[int]:
    found = [each for each in made if _fits(each, viewer, wanted) and each.sorts[order.sort] is not None]
    found.sort(key=lambda each: (each.sorts[order.sort], each.repo.id), reverse=order.descending)  # type: ignore[arg-type, return-value]
    return [each.repo.id for each in found]


def _fits(each: Made, viewer: Viewer, wanted: Wanted) -> bool:
    text = str(each.repo.repo_id).lower()
    least, most = wanted.parameters or (None, None)
    return (
        each.repo.type in wanted.types
        and decide(viewer, each.repo.facts, Need.INFO) is Verdict.ALLOW
        and (wanted.author is None or each.repo.repo_id.namespace == wanted.author)
        and set(wanted.tags) <= set(each.tags)
        and all({tag.lower() for tag in each.tags} & set(group) for group in wanted.any_tags)
        and (wanted.pipeline_tag is None or each.pipeline == wanted.pipeline_tag)
        and (wanted.gated is None or bool(each.repo.gated) == wanted.gated)
        and (
            wanted.parameters is None
            or (each.parameters is not None and (least or 0) <= each.parameters <= (most or 10**9))
        )
        and all(_has_word(text, word) for word in wanted.words)
    )


def _has_word(text: str, word: str) -> bool:
    if len(word) > 2:
        return word in text
    return text.startswith(word) or any(f"{before}{word}" in text for before in "/-_.")


def _ask(chance: random.Random) -> Wanted:
    maybe = chance.random
    return Wanted(
        types=(chance.choice([RepoType.MODEL, RepoType.DATASET]),),
        author=chance.choice(["alice", "acme"]) if maybe() < 0.25 else None,
        searches=tuple(chance.choice([*WORDS, "ert", "a-b", "LLA", "zz", "%", "acme/"]) for _ in range(chance.choice([0, 0, 1, 2]))),
        tags=tuple(chance.sample(TAGS, chance.choice([0, 0, 1, 2]))),
        any_tags=(("rare", "fr"),) if maybe() < 0.15 else (),
        pipeline_tag=chance.choice(["text-generation", "fill-mask", "none"]) if maybe() < 0.2 else None,
        gated=chance.choice([True, False]) if maybe() < 0.2 else None,
        parameters=chance.choice([(None, 50), (50, None), (6, 499)]) if maybe() < 0.2 else None,
    )  # fmt: skip


def test_every_plan_gives_the_same(world: tuple[HubUnderTest, list[Made], dict[str, Viewer]]) -> None:
    hub, made, viewers = world
    chance = random.Random(9)
    seen = 0
    # Plans are chosen above the databases; what PostgreSQL makes of each clause a third of the questions show.
    rounds = 120 if hub.sv.db.is_sqlite else 40
    for _ in range(rounds):
        wanted, order = _ask(chance), Order(chance.choice(list(SORTS)), chance.random() < 0.7)
        for name, viewer in viewers.items():
            expected = _expected(made, viewer, wanted, order)
            seen += bool(expected)
            for plan in PLANS:
                with hub.sv.db.read() as tx:
                    found = list_rows.find_numbers(
                        tx, viewer, wanted, order, after=None, limit=200, plan=plan
                    )
                assert [each.number for each in found] == expected, (name, wanted, order, plan)
    assert seen > rounds * 0.8


def test_pages_give_every_row_once(world: tuple[HubUnderTest, list[Made], dict[str, Viewer]]) -> None:
    hub, made, viewers = world
    chance = random.Random(5)
    for sort in SORTS:
        for descending in (True, False):
            order, wanted = Order(sort, descending), replace(_ask(chance), searches=(), pipeline_tag=None)
            for viewer in viewers.values():
                for plan in PLANS:
                    assert _all_pages(hub, viewer, wanted, order, plan) == _expected(
                        made, viewer, wanted, order
                    )


def _all_pages(
    hub: HubUnderTest, viewer: Viewer, wanted: Wanted, order: Order, plan: Plan | None
) -> list[int]:
    numbers: list[int] = []
    after: Position | None = None
    while True:
        with hub.sv.db.read() as tx:
            page = list_rows.find_numbers(tx, viewer, wanted, order, after=after, limit=4, plan=plan)
        numbers += [each.number for each in page]
        if len(page) < 4:
            return numbers
        after = Position(page[-1].value, page[-1].number)


def test_sorts_read_from_rows_are_those_of_the_query(
    world: tuple[HubUnderTest, list[Made], dict[str, Viewer]],
) -> None:
    hub, _made, _viewers = world
    for sort in SORTS:
        order = Order(sort, descending=True)
        with hub.sv.db.read() as tx:
            found = list_rows.find_numbers(tx, SYSTEM, Wanted((RepoType.MODEL,)), order, after=None, limit=5)
            listed = list_rows.list_repos(
                tx, SYSTEM, Wanted((RepoType.MODEL,)), order, after=None, limit=5, with_card=False
            )
        assert [list_rows.position_of(each, order) for each in listed] == [Position(*each) for each in found]

"""Resource groups: their routes, what roles in them allow, and that lists show what the policy allows."""

from __future__ import annotations

import itertools
import random

import httpx
import pytest

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, OrgRole, Verdict, Viewer, decide
from openhood.domain.accounts import sign_in
from openhood.domain.discovery import list_rows
from openhood.domain.discovery.planning import Plan
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.repos import rows
from openhood.testing.hub import HubUnderTest

GROUPS = "/api/organizations/acme/resource-groups"
PEOPLE = {
    "boss": "admin",
    "ann": "write",
    "ben": "read",
    "cid": "no_access",
    "dot": "contributor",
}


@pytest.fixture
def acme(hub: HubUnderTest) -> dict[str, httpx.Client]:
    """An organization with a member of each role, and a stranger."""
    tokens = {name: hub.add_user(name) for name in (*PEOPLE, "eve")}
    hub.add_org("acme", PEOPLE)
    return {name: hub.client(token) for name, token in tokens.items()} | {"nobody": hub.client()}


def make_group(boss: httpx.Client, name: str = "team", **more: object) -> str:
    """Create a group and return its id."""
    answer = boss.post(GROUPS, json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_group_from_beginning_to_end(acme: dict[str, httpx.Client]) -> None:
    boss = acme["boss"]
    boss.post("/api/repos/create", json={"name": "acme/old", "private": True}).raise_for_status()
    made = boss.post(
        GROUPS,
        json={
            "name": "Team  A",
            "description": "what we do",
            "users": [{"user": "ben", "role": "write"}, {"user": "Ann", "role": "admin"}],
            "repos": [{"type": "model", "name": "acme/old"}],
            "autoJoin": {"enabled": True, "role": "read"},
        },
    )
    assert made.status_code == 200, made.text
    group = made.json()
    assert (group["name"], group["description"]) == ("Team A", "what we do")
    assert {each["name"]: each["role"] for each in group["users"]} == {"ben": "write", "ann": "admin"}
    assert group["repos"] == [{"name": "acme/old", "type": "model", "private": True}]
    assert (group["numUsers"], group["numRepos"]) == (2, 1)
    assert group["autoJoin"] == {"enabled": True, "role": "read"}
    here = f"{GROUPS}/{group['id']}"
    assert boss.get(here).json() == group
    assert [each["id"] for each in boss.get(GROUPS).json()] == [group["id"]]
    assert boss.post(GROUPS, json={"name": "team a"}).status_code == 409
    # The group's own administrator may change it, not remove it.
    ann = acme["ann"]
    assert ann.patch(here, json={"name": "Team B"}).json()["name"] == "Team B"
    assert ann.patch(f"{here}/users/ben", json={"role": "read"}).status_code == 200
    assert ann.post(f"{here}/users", json={"users": [{"user": "dot", "role": "read"}]}).status_code == 200
    assert ann.delete(f"{here}/users/dot").status_code == 200
    assert ann.delete(f"{here}/users/dot").status_code == 404
    assert ann.patch(f"{here}/users/dot", json={"role": "read"}).status_code == 404
    assert ann.post(f"{here}/settings", json={"autoJoin": {"enabled": False}}).json()["autoJoin"] == {
        "enabled": False
    }
    assert ann.delete(here).status_code == 403
    people = ann.get(f"{here}/users").json()
    assert {each["name"]: each["role"] for each in people} == {"ben": "read", "ann": "admin"}
    assert boss.delete(here).status_code == 200
    assert boss.get(here).status_code == 404
    assert boss.get("/api/models/acme/old/resource-group").json() == {"resourceGroup": None}


def test_who_may_see_and_change_groups(acme: dict[str, httpx.Client]) -> None:
    team = make_group(acme["boss"], users=[{"user": "ben", "role": "read"}])
    here = f"{GROUPS}/{team}"
    for name, status in {"ben": 200, "ann": 404, "eve": 403, "nobody": 401, "boss": 200}.items():
        assert acme[name].get(here).status_code == status, name
        assert acme[name].get(f"{here}/users").status_code == status, name
    seen = {name: len(acme[name].get(GROUPS).json()) for name in ("boss", "ben", "ann", "cid")}
    assert seen == {"boss": 1, "ben": 1, "ann": 0, "cid": 0}
    for name in ("ann", "ben", "cid", "eve"):
        client = acme[name]
        assert client.post(GROUPS, json={"name": "mine"}).status_code == 403
        assert client.patch(here, json={"name": "mine"}).status_code == 403
        assert client.delete(here).status_code == 403
        body = {"users": [{"user": name, "role": "admin"}]}
        assert client.post(f"{here}/users", json=body).status_code == 403
    assert acme["ben"].delete(f"{here}/users/ben").status_code == 200  # leaving


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "x" * 97}, 400),
        ({"name": "x", "users": [{"user": "eve", "role": "read"}]}, 400),
        ({"name": "x", "users": [{"user": "ben", "role": "no_access"}]}, 400),
        ({"name": "x", "users": [{"user": "ben", "role": "king"}]}, 400),
        ({"name": "x", "repos": [{"name": "acme/none"}]}, 404),
        ({"name": "x", "repos": [{"name": "eve/hers"}]}, 403),
        ({"name": "x", "repos": [{"name": "boss/own"}]}, 400),
    ],
)
def test_groups_that_are_refused(acme: dict[str, httpx.Client], body: dict[str, object], status: int) -> None:
    acme["eve"].post("/api/repos/create", json={"name": "hers"}).raise_for_status()
    acme["boss"].post("/api/repos/create", json={"name": "own"}).raise_for_status()
    assert acme["boss"].post(GROUPS, json=body).status_code == status
    assert acme["boss"].get(GROUPS).json() == []


def test_groups_page_by_page(acme: dict[str, httpx.Client]) -> None:
    names = [f"g{number}" for number in range(5)]
    for name in names:
        make_group(acme["boss"], name)
    seen: list[str] = []
    url: str | None = f"{GROUPS}?limit=2"
    while url:
        answer = acme["boss"].get(url)
        seen += [each["name"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == names


def test_who_joins_comes_into_the_groups_that_take_everybody_in(
    hub: HubUnderTest, acme: dict[str, httpx.Client]
) -> None:
    open_group = make_group(acme["boss"], "all", autoJoin={"enabled": True, "role": "write"})
    closed = make_group(acme["boss"], "few")
    made = acme["boss"].post("/api/organizations/acme/invite", json={"user": "eve"}).json()
    acme["eve"].post(f"/api/settings/invitations/{made['_id']}/accept").raise_for_status()
    users = acme["boss"].get(f"{GROUPS}/{open_group}").json()["users"]
    assert [(each["name"], each["role"]) for each in users] == [("eve", "write")]
    assert acme["boss"].get(f"{GROUPS}/{closed}").json()["users"] == []


# --- what roles allow ------------------------------------------------------------------------------


def test_a_role_in_a_group_stands_for_the_role_in_the_organization(acme: dict[str, httpx.Client]) -> None:
    team = make_group(
        acme["boss"],
        users=[{"user": "ben", "role": "write"}, {"user": "cid", "role": "read"}],
    )
    made = acme["boss"].post(
        "/api/repos/create", json={"name": "acme/secret", "private": True, "resourceGroupId": team}
    )
    assert made.status_code == 200, made.text
    commit = b'{"key":"header","value":{"summary":"s"}}\n{"key":"file","value":{"path":"a","content":"eA=="}}'
    kind = {"Content-Type": "application/x-ndjson"}
    expected = {  # reading, writing
        "boss": (200, 200),
        "ben": (200, 200),
        "cid": (200, 403),
        "ann": (404, 404),
        "dot": (404, 404),
        "eve": (404, 404),
        "nobody": (401, 401),
    }
    for name, (reading, writing) in expected.items():
        client = acme[name]
        assert client.get("/api/models/acme/secret").status_code == reading, name
        assert client.get("/api/models/acme/secret/tree/main").status_code == reading, name
        sent = client.post("/api/models/acme/secret/commit/main", content=commit, headers=kind)
        assert sent.status_code == writing, (name, sent.text)
        shown = [each["id"] for each in client.get("/api/models").json()]
        assert shown == (["acme/secret"] if reading == 200 else []), name
        found = client.get("/api/models", params={"search": "secret", "author": "acme"}).json()
        assert len(found) == (1 if reading == 200 else 0), name
        quick = client.get("/api/quicksearch", params={"q": "secret"}).json()
        assert len(quick.get("models", [])) == (1 if reading == 200 else 0), name
        count = client.get("/api/organizations/acme/overview").json()["numModels"]
        assert count == (1 if reading == 200 else 0), name
    expand = {"expand": "resourceGroup"}
    assert acme["ben"].get("/api/models/acme/secret", params=expand).json()["resourceGroup"] == {
        "id": team,
        "name": "team",
    }
    acme["boss"].put("/api/models/acme/secret/settings", json={"private": False}).raise_for_status()
    assert "resourceGroup" not in acme["eve"].get("/api/models/acme/secret", params=expand).json()
    assert "resourceGroup" in acme["ann"].get("/api/models", params=expand).json()[0]


def test_creating_in_a_group(acme: dict[str, httpx.Client]) -> None:
    team = make_group(
        acme["boss"],
        users=[{"user": "cid", "role": "contributor"}, {"user": "ben", "role": "read"}],
    )

    def create(name: str, who: str, group: str | None = team) -> int:
        body = {"name": f"acme/{name}", "private": True, "resourceGroupId": group}
        return acme[who].post("/api/repos/create", json=body).status_code

    assert create("a", "cid") == 200
    assert create("b", "cid", None) == 403
    assert create("c", "ben") == 403
    assert create("d", "ann") == 403  # a writer of the organization who is not in the group
    assert create("d", "ann", None) == 200
    assert create("e", "eve") == 403
    assert create("f", "boss", "0" * 24) == 404
    assert create("g", "boss", "x") == 404
    # Contributors administrate what they made.
    assert acme["cid"].get("/api/models/acme/a").status_code == 200
    assert acme["ann"].get("/api/models/acme/a").status_code == 404
    copy = acme["cid"].post(
        "/api/models/acme/a/duplicate", json={"repository": "acme/copy", "resourceGroupId": team}
    )
    assert copy.status_code == 200, copy.text
    assert acme["cid"].get("/api/models/acme/copy/resource-group").json()["resourceGroup"]["id"] == team


def test_moving_between_groups(acme: dict[str, httpx.Client]) -> None:
    boss = acme["boss"]
    users = [{"user": "ann", "role": "admin"}]
    one, two = make_group(boss, "one", users=users), make_group(boss, "two")
    boss.post("/api/repos/create", json={"name": "acme/m", "private": True}).raise_for_status()
    path = "/api/models/acme/m/resource-group"

    def put(who: str, group: str | None) -> int:
        return acme[who].post(path, json={"resourceGroupId": group}).status_code

    assert put("ben", one) == 403
    assert put("eve", one) == 404
    assert put("ann", one) == 200
    assert boss.get(path).json()["resourceGroup"] == {"id": one, "name": "one"}
    assert put("ann", two) == 403
    assert put("boss", two) == 200
    assert put("ann", one) == 404  # it is hidden from her now
    assert put("boss", one) == 200
    assert put("ann", None) == 200
    assert put("boss", "0" * 24) == 404
    assert boss.get(path).json() == {"resourceGroup": None}
    assert acme["eve"].post("/api/repos/create", json={"name": "hers"}).status_code == 200
    own = acme["eve"].post("/api/models/eve/hers/resource-group", json={"resourceGroupId": one})
    assert own.status_code == 400


def test_a_repository_that_leaves_the_organization_leaves_its_group(
    hub: HubUnderTest, acme: dict[str, httpx.Client]
) -> None:
    boss = acme["boss"]
    team = make_group(boss)
    body = {"name": "acme/m", "private": True, "resourceGroupId": team}
    boss.post("/api/repos/create", json=body).raise_for_status()
    renamed = {"fromRepo": "acme/m", "toRepo": "acme/n", "type": "model"}
    boss.post("/api/repos/move", json=renamed).raise_for_status()
    assert boss.get("/api/models/acme/n/resource-group").json()["resourceGroup"]["id"] == team
    moved = {"fromRepo": "acme/n", "toRepo": "boss/n", "type": "model"}
    boss.post("/api/repos/move", json=moved).raise_for_status()
    with hub.sv.db.read() as tx:
        repo = rows.get_repo(tx, RepoType.MODEL, RepoId("boss", "n"))
    assert repo is not None
    assert repo.resource_group_id is None


# --- lists and the policy ----------------------------------------------------------------------------


def test_every_list_plan_agrees_with_the_policy(hub_on_both: HubUnderTest) -> None:
    hub, chance = hub_on_both, random.Random(7)
    tokens = {name: hub.add_user(name) for name in ("boss", "ann", "ben", "cid", "eve")}
    hub.add_org("acme", {"boss": "admin", "ann": "write", "ben": "read", "cid": "no_access"})
    hub.add_org("other", {"ann": "read", "boss": "admin"})
    boss = hub.client(tokens["boss"])
    groups: dict[str, list[str | None]] = {"acme": [None], "other": [None], "boss": [None]}
    for org in ("acme", "other"):
        for name in ("one", "two"):
            members = [
                who for who in (("ben", "cid") if org == "acme" else ("ann",)) if chance.random() < 0.7
            ]
            made = boss.post(
                f"/api/organizations/{org}/resource-groups",
                json={"name": name, "users": [{"user": who, "role": "read"} for who in members]},
            )
            groups[org].append(made.json()["id"])
    for number in range(24):
        owner = chance.choice(("acme", "acme", "other", "boss"))
        body = {
            "name": f"{owner}/m{number}",
            "private": chance.random() < 0.8,
            "resourceGroupId": chance.choice(groups[owner]),
        }
        boss.post("/api/repos/create", json=body).raise_for_status()
    viewers: dict[str, Viewer] = {name: sign_in.by_token(hub.sv, token) for name, token in tokens.items()}
    assert viewers["ben"].group_roles
    assert all(role is OrgRole.READ for role in viewers["ben"].group_roles.values())
    with hub.sv.db.read() as tx:
        made_repos = [
            rows.get_repo(tx, RepoType.MODEL, RepoId(owner, f"m{number}"))
            for owner, number in itertools.product(groups, range(24))
        ]
    everything = [repo for repo in made_repos if repo is not None]
    assert len(everything) == 24
    sizes = set()
    for name, viewer in viewers.items():
        allowed = {repo.id for repo in everything if decide(viewer, repo.facts, Need.INFO) is Verdict.ALLOW}
        sizes.add(len(allowed))
        for wanted in (
            Wanted((RepoType.MODEL,)),
            Wanted((RepoType.MODEL,), searches=("m",)),
            Wanted((RepoType.MODEL, RepoType.DATASET)),
        ):
            for plan in (Plan(None, False), Plan(None, True), Plan(0, False), Plan(3, True), None):
                with hub.sv.db.read() as tx:
                    found = list_rows.find_numbers(
                        tx, viewer, wanted, Order("lastModified", True), after=None, limit=100, plan=plan
                    )
                assert {each.number for each in found} == allowed, (name, wanted, plan)
        # The viewer who is not known to be in no group is shown the same, only slower.
        assert len(allowed) == len(hub.client(tokens[name]).get("/api/models?limit=100").json())
    assert len(sizes) > 3


def test_signing_in_finds_roles_in_groups(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    boss, ben = hub.add_user("boss"), hub.add_user("ben")
    hub.add_org("acme", {"boss": "admin", "ben": "read"})
    hub.add_org("plain", {"ben": "write"})
    hub.add_org("third", {"ben": "write", "boss": "admin"})
    client = hub.client(boss)
    users = [{"user": "ben", "role": "write"}]
    for org, name in (("acme", "a"), ("acme", "b"), ("third", "c")):
        made = client.post(f"/api/organizations/{org}/resource-groups", json={"name": name, "users": users})
        assert made.status_code == 200
    client.post("/api/organizations/acme/resource-groups", json={"name": "without"}).raise_for_status()
    viewer = sign_in.by_token(hub.sv, ben)
    assert sorted(viewer.roles.values()) == [OrgRole.READ, OrgRole.WRITE, OrgRole.WRITE]
    assert list(viewer.group_roles.values()) == [OrgRole.WRITE] * 3
    assert len(viewer.ungrouped_orgs) == 1
    assert viewer.user_id is not None
    with hub.sv.db.read() as tx:
        same = sign_in.by_number(tx, viewer.user_id)
    assert same is not None
    assert (same.roles, same.group_roles) == (viewer.roles, viewer.group_roles)
    assert same.token is None

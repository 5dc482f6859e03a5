"""Organizations, their members and their resource groups as every generation of huggingface_hub sees them."""

from __future__ import annotations

import httpx

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


def test_members_and_roles(alice: Client, make_client: ClientMaker, generation: str, hub: Hub) -> None:
    def story() -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        me = api.whoami()
        roles = {org["name"]: org["roleInOrg"] for org in me["orgs"]}
        members = {user.username: user.fullname for user in api.list_organization_members("acme")}
        overview = None
        if hasattr(api, "get_organization_overview"):
            overview = api.get_organization_overview("acme").num_users
        return {"roles": roles, "members": members, "overview": overview, "type": me["type"]}

    found = alice.call(story)
    assert found["roles"]["acme"] == "admin"
    assert found["members"] == {"alice": "Alice A.", "bob": "bob", "reader": "reader"}
    assert found["overview"] in (None, 3)
    assert make_client(generation, "reader").call(story)["roles"]["acme"] == "read"


def test_a_repository_in_a_resource_group(
    alice: Client, make_client: ClientMaker, generation: str, hub: Hub
) -> None:
    def create(repo: str, group: str) -> dict:
        import inspect

        import kit
        from huggingface_hub import HfApi

        api = HfApi()
        if "resource_group_id" not in inspect.signature(api.create_repo).parameters:
            return {"old": True}
        api.create_repo(repo, private=True, resource_group_id=group)
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
        shown = api.model_info(repo, expand=["resourceGroup"])
        wrong = kit.failure(lambda: api.create_repo(repo + "-2", resource_group_id="0" * 24))
        copy = None
        duplicate = getattr(api, "duplicate_repo", None)
        if duplicate and "resource_group_id" in inspect.signature(duplicate).parameters:
            duplicate(repo, repo + "-copy", resource_group_id=group)
            copy = api.model_info(repo + "-copy", expand=["resourceGroup"]).resource_group
        group_shown = getattr(shown, "resource_group", None) or getattr(shown, "resourceGroup", None)
        return {
            "group": group_shown,
            "wrong": wrong["status"],
            "copy": copy,
        }

    def look(repo: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        listed = [model.id for model in api.list_models(author="acme")]
        return {"exists": api.repo_exists(repo), "listed": repo in listed}

    with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"}) as admin:
        repo = hub.new_id("acme")
        made = admin.post(
            "/api/organizations/acme/resource-groups",
            json={"name": repo.partition("/")[2], "users": [{"user": "reader", "role": "read"}]},
        )
        assert made.status_code == 200, made.text
        group = made.json()["id"]
        found = alice.call(create, repo=repo, group=group)
        if found == {"old": True}:
            body = {"name": repo, "private": True, "resourceGroupId": group}
            admin.post("/api/repos/create", json=body).raise_for_status()
        else:
            assert found["group"] == {"id": group, "name": made.json()["name"]}
            assert found["copy"] in (None, found["group"])
            assert found["wrong"] == 404
        # Bob may write all that acme has, but is not in the group; who reads only, is.
        assert make_client(generation, "bob").call(look, repo=repo) == {"exists": False, "listed": False}
        assert make_client(generation, "reader").call(look, repo=repo) == {"exists": True, "listed": True}
        assert alice.call(look, repo=repo) == {"exists": True, "listed": True}


def test_a_service_account_deposits(make_client: ClientMaker, generation: str, hub: Hub) -> None:
    def story(repo: str, token: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        me = api.whoami()
        api.create_repo(repo)
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
        return {
            "name": me["name"],
            "orgs": [org["name"] for org in me["orgs"]],
            "files": api.list_repo_files(repo),
        }

    name = hub.new_id().partition("/")[2]
    with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"}) as admin:
        path = "/api/organizations/acme/service-accounts"
        admin.post(path, json={"name": name, "role": "write"}).raise_for_status()
        made = admin.post(f"{path}/{name}/tokens", json={"displayName": "ci", "role": "write"}).json()
        found = make_client(generation).call(story, repo=hub.new_id("acme"), token=made["token"])
        assert (found["name"], found["orgs"]) == (name, ["acme"])
        assert "a.txt" in found["files"]
        admin.delete(f"{path}/{name}").raise_for_status()

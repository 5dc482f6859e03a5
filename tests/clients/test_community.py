"""Collections, overviews and followers as the real clients see them."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from pathlib import Path

import pytest

from clients.conftest import ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from openhood.testing.venvs import client_modules


def test_a_collection(alice: Client, hub: Hub) -> None:
    def story(repo: str, title: str) -> dict:
        import kit
        from huggingface_hub import HfApi

        api = HfApi()
        for kind in ("model", "dataset", "space"):
            api.create_repo(repo, repo_type=kind, space_sdk="static" if kind == "space" else None)
        made = api.create_collection(title, namespace="acme", description="Good ones")
        again = api.create_collection(title, namespace="acme", exists_ok=True)
        refused = kit.failure(lambda: api.create_collection(title, namespace="acme"))
        for kind in ("model", "dataset", "space"):
            api.add_collection_item(made.slug, repo, kind, note=f"A {kind}")
        api.add_collection_item(made.slug, "2307.09288", "paper")
        api.add_collection_item(made.slug, repo, "model", exists_ok=True)
        twice = kit.failure(lambda: api.add_collection_item(made.slug, repo, "model"))
        first = api.get_collection(made.slug)
        api.update_collection_item(made.slug, first.items[3].item_object_id, position=0, note="Read this")
        api.delete_collection_item(made.slug, first.items[1].item_object_id)
        api.delete_collection_item(made.slug, first.items[1].item_object_id, missing_ok=True)
        changed = api.get_collection(made.slug)
        renamed = api.update_collection_metadata(
            made.slug, title=title + " again", theme="green", private=True, position=2
        )
        by_old = api.get_collection(made.slug)
        listed = [each.slug for each in api.list_collections(owner="acme", item=f"models/{repo}")]
        hidden = [each.slug for each in api.list_collections(owner="acme", token=False)]
        lost = kit.failure(lambda: api.get_collection(renamed.slug, token=False))
        api.delete_collection(renamed.slug)
        api.delete_collection(renamed.slug, missing_ok=True)
        gone = kit.failure(lambda: api.delete_collection(renamed.slug))
        return {
            "same": made.slug == again.slug,
            "refused": refused["status"],
            "twice": twice["status"],
            "url": made.url,
            "first": [[item.item_type, item.item_id, item.note, item.position] for item in first.items],
            "changed": [[item.item_type, item.note, item.position] for item in changed.items],
            "renamed": [renamed.title, renamed.theme, renamed.private, renamed.position],
            "slugs": [made.slug, renamed.slug, by_old.slug],
            "listed": listed,
            "hidden": renamed.slug in hidden,
            "lost": lost["status"],
            "gone": gone["status"],
        }

    repo, title = hub.new_id("acme"), f"Mine {secrets.token_hex(4)}"
    found = alice.call(story, repo=repo, title=title)
    words = title.lower().replace(" ", "-")
    old, new, by_old = found["slugs"]
    assert old.startswith(f"acme/{words}-")
    assert new.startswith(f"acme/{words}-again-")
    assert by_old == new
    assert old[-24:] == new[-24:]
    assert found["url"] == f"{hub.url}/collections/{old}"
    assert (found["same"], found["refused"], found["twice"]) == (True, 409, 409)
    assert found["first"] == [
        ["model", repo, "A model", 0],
        ["dataset", repo, "A dataset", 1],
        ["space", repo, "A space", 2],
        ["paper", "2307.09288", None, 3],
    ]
    assert found["changed"] == [["paper", "Read this", 0], ["model", "A model", 1], ["space", "A space", 2]]
    assert found["renamed"] == [f"{title} again", "green", True, 2]
    assert found["listed"] == [new]
    assert (found["hidden"], found["lost"], found["gone"]) == (False, 404, 404)


def test_many_collections_page_by_page(alice: Client) -> None:
    def story(prefix: str) -> dict:
        from huggingface_hub import HfApi

        api = HfApi()
        made = [api.create_collection(f"{prefix} {number}").slug for number in range(23)]
        listed = [each for each in api.list_collections(owner="alice") if each.title.startswith(prefix)]
        few = list(api.list_collections(owner="alice", limit=3, sort="upvotes"))
        for slug in made:
            api.delete_collection(slug)
        return {
            "all": sorted(each.slug for each in listed) == sorted(made),
            "newest": listed[0].slug == made[-1],
            "few": len(few),
        }

    assert alice.call(story, prefix=f"p{secrets.token_hex(4)}") == {"all": True, "newest": True, "few": 3}


def test_overviews_and_followers(alice: Client, generation: str) -> None:
    def story() -> dict:
        import kit
        from huggingface_hub import HfApi, constants
        from huggingface_hub.utils import get_session

        api = HfApi()
        for place in ("users/bob", "organizations/acme"):  # no client has a method for this
            url = f"{constants.ENDPOINT}/api/{place}/follow"
            get_session().post(url, headers=api._build_hf_headers()).raise_for_status()
        bob = vars(api.get_user_overview("bob"))
        found = {
            # The oldest keeps names as they come.
            "bob": [bob["username"], bob.get("num_followers", bob.get("numFollowers"))],
            "followed": bob.get("is_following", bob.get("isFollowing")),
            "followers": [each.username for each in api.list_user_followers("bob")],
            "following": [each.username for each in api.list_user_following("alice")],
            "members": sorted(each.username for each in api.list_organization_members("acme")),
            "nobody": kit.failure(lambda: api.get_user_overview("nobody-at-all"))["status"],
        }
        if hasattr(api, "list_organization_followers"):
            found["fans"] = [each.username for each in api.list_organization_followers("acme")]
        if hasattr(api, "get_organization_overview"):
            acme = api.get_organization_overview("acme")
            found["acme"] = [acme.name, acme.fullname, acme.num_followers]
        return found

    found = alice.call(story)
    assert found.pop("fans", ["alice"]) == ["alice"]
    assert found.pop("acme", ["acme", "Acme", 1]) == ["acme", "Acme", 1]
    # Other tests of the same hub may bring more.
    assert {"alice", "bob", "reader"} <= set(found["members"])
    assert found["bob"] == ["bob", 1]
    # The oldest asks as nobody.
    assert found["followed"] is (generation != "hub-0.23")
    assert (found["followers"], found["following"]) == (["alice"], ["bob"])
    assert found["nobody"] == 404


@pytest.mark.parametrize("client", ["hub-2.4", pytest.param("hub-1", marks=pytest.mark.clients)])
def test_the_command_line(make_client: ClientMaker, hub: Hub, client: str) -> None:
    cli = make_client(client, "alice")

    def ok(*arguments: str) -> str:
        ran = cli.hf("collections", *arguments)
        assert ran.code == 0, f"hf collections {' '.join(arguments)}\n{ran.text}"
        return ran.text

    title = f"Typed {secrets.token_hex(4)}"
    made = ok("create", title, "--description", "By hand")
    slug = next(
        word for word in made.replace('"', " ").split() if word.startswith("slug=") or "/typed-" in word
    )
    slug = slug.removeprefix("slug=").removeprefix(f"{hub.url}/collections/")
    ok("add-item", slug, "2307.09288", "paper", "--note", "Read")
    assert "2307.09288" in ok("info", slug)
    listed = ok("ls", "--owner", "alice", "--limit", "5")
    assert slug[-24:] in listed or title in listed
    ok("update", slug, "--theme", "green")
    ok("delete", slug)
    assert cli.hf("collections", "info", slug).code != 0


@pytest.mark.clients
def test_javascript(hub: Hub, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "collections.mjs"
    script.write_bytes((SCRIPTS / "collections.mjs").read_bytes())
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    ran = node.run("node", str(script), hub.url, hub.tokens["alice"])
    assert ran.code == 0, ran.text
    seen = json.loads(ran.out)
    assert seen["slug"].startswith("alice/from-javascript-")
    found = seen["found"]
    assert (found["slug"], found["theme"], found["gating"]) == (seen["slug"], "blue", False)
    assert found["owner"]["name"] == "alice"
    assert [(item["type"], item["id"]) for item in found["items"]] == [("paper", "2307.09288")]
    assert (seen["twice"], seen["after"]) == (409, None)

"""The pages of discussions: what they show to whom, that each form does its deed, and that no text becomes markup."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from api.desk import Desk, file, header
from openhood.testing.hub import HubUnderTest

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"
PASSWORD = "correct horse battery"


class Forum(Desk):
    """Alice's repository, bob who takes part, carol who only reads, each in a browser."""

    def __init__(self, hub: HubUnderTest, **options: str) -> None:
        super().__init__(hub, **options)
        hub.add_user("bob", password=PASSWORD)
        hub.add_user("carol", password=PASSWORD)
        self.bob = self.browser("bob")
        self.carol = self.browser("carol")
        self.owner = hub.client(self.token)
        self.nobody = hub.client()
        self.web = f"{'' if self.type.value == 'model' else '/' + self.type.plural}/{self.repo_id}"
        self.all = f"{self.web}/discussions"

    def browser(self, name: str) -> httpx.Client:
        """A browser in which somebody has signed in."""
        client = self.hub.client()
        answer = client.post("/login", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client

    def begin(self, title: str = "It breaks", text: str = "It *does*.") -> str:
        """Bob begins a discussion with the form; returns its address."""
        answer = self.bob.post(f"{self.all}/new", data={"title": title, "text": text})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def propose(self, *lines: object, title: str = "Better") -> str:
        """Bob opens a pull request by a commit; returns its address."""
        token = self.hub.add_token("bob")
        answer = self.commit(header(title, "Because."), *lines, create_pr="1", client=self.hub.client(token))
        assert answer.status_code == 200, answer.text
        return f"{self.all}/{answer.json()['pullRequestUrl'].rpartition('/')[2]}"

    def do(self, client: httpx.Client, url: str, do: str, **fields: str) -> httpx.Response:
        """Send a form of a discussion's page."""
        return client.post(url, data={"do": do, **fields})


def page(client: httpx.Client, url: str, *, status: int = 200) -> str:
    """Return the text of a page, checking that it is one."""
    answer = client.get(url)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def test_an_empty_list_says_how_to_begin(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    shown = page(forum.nobody, forum.all)
    assert "Nobody has said anything yet" in shown
    assert f"{forum.all}/new" in shown
    assert "--create-pr" in shown
    assert forum.nobody.get(f"{forum.all}/new").headers["location"].startswith("/login?next=")
    assert forum.nobody.post(f"{forum.all}/new", data={"title": "x"}).headers["location"].startswith("/login")


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_discussion_from_its_form_to_its_end(hub: HubUnderTest, kind: str) -> None:
    forum = Forum(hub, kind=kind)
    url = forum.begin("It breaks", "It *does*, @carol.")
    shown = page(forum.nobody, url)
    assert "<em>does</em>" in shown
    assert 'href="/carol"' in shown
    assert "Sign in" in shown
    assert 'value="comment"' not in shown

    said = forum.do(forum.carol, url, "comment", text="For me **too**.")
    assert said.status_code == 303
    assert "#e-" in said.headers["location"]
    assert "<strong>too</strong>" in page(forum.nobody, url)
    assert forum.do(forum.carol, url, "close").status_code == 403
    assert forum.do(forum.bob, url, "close", text="Mended.").status_code == 303
    shown = page(forum.nobody, url)
    assert "closed this" in shown
    assert "Mended." in shown
    assert forum.do(forum.owner, url, "open").status_code == 303
    assert "opened this" in page(forum.nobody, url)


def test_spaces_have_discussions_too(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    made = forum.owner.post("/api/repos/create", json={"name": "s", "type": "space", "sdk": "static"})
    assert made.status_code == 200, made.text
    assert "Nobody has said anything yet" in page(forum.nobody, "/spaces/alice/s/discussions")
    answer = forum.bob.post("/spaces/alice/s/discussions/new", data={"title": "Nice", "text": ""})
    assert answer.headers["location"] == "/spaces/alice/s/discussions/1"
    assert "Nothing was written." in page(forum.nobody, "/spaces/alice/s/discussions/1")


def test_the_list_is_filtered_and_paged(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    for number in range(32):
        forum.begin(f"Question {number}.")
    forum.do(forum.owner, f"{forum.all}/3", "pin")
    forum.do(forum.owner, f"{forum.all}/4", "close")
    forum.propose(file("a.txt", b"a"), title="A pull")
    titles = re.findall(r'/discussions/(\d+)">', page(forum.nobody, forum.all))
    assert titles[:2] == ["3", "33"]
    assert len(titles) == 30
    assert "p=1" in page(forum.nobody, forum.all)
    assert re.findall(r'/discussions/(\d+)">', page(forum.nobody, f"{forum.all}?p=1")) == ["2", "1"]
    assert re.findall(r'/discussions/(\d+)">', page(forum.nobody, f"{forum.all}?status=closed")) == ["4"]
    assert re.findall(r'/discussions/(\d+)">', page(forum.nobody, f"{forum.all}?type=pull_request")) == ["33"]
    assert re.findall(r'/discussions/(\d+)">', page(forum.nobody, f"{forum.all}?search=7.&status=all")) == [
        "28",
        "18",
        "8",
    ]
    assert "Nothing is like that" in page(forum.nobody, f"{forum.all}?author=nobody-here")
    assert forum.nobody.get(f"{forum.all}?type=odd").status_code == 400


def test_forms_come_back_with_what_was_typed(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    refused = forum.bob.post(f"{forum.all}/new", data={"title": " ", "text": "kept words"})
    assert refused.status_code == 400
    assert "needs a title" in refused.text
    assert "kept words" in refused.text
    url = forum.begin()
    empty = forum.do(forum.carol, url, "comment", text="  ")
    assert empty.status_code == 400
    assert "A comment needs a text." in empty.text
    renamed = forum.do(forum.bob, url, "rename", title="x" * 501)
    assert renamed.status_code == 400
    assert forum.do(forum.bob, url, "nonsense").status_code == 400
    assert forum.nobody.get(f"{forum.all}/99").status_code == 404
    assert forum.nobody.get(f"{forum.all}/x").status_code == 404


def test_previews_need_no_script_and_serve_scripts(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    shown = forum.do(forum.carol, url, "preview", text="**bold** and typed")
    assert shown.status_code == 200
    assert "<strong>bold</strong>" in shown.text
    assert "**bold** and typed" in shown.text
    assert page(forum.nobody, url).count("said-by") == 1
    made = forum.carol.post(f"{forum.all}/preview", data={"text": "see #1 <script>x</script>"})
    assert f'href="{forum.all}/1"' in made.text
    assert "<script" not in made.text
    assert forum.nobody.post(f"{forum.all}/preview", data={"text": "x"}).status_code == 401
    assert forum.carol.post("/-/preview", data={"text": "*x*"}).text.strip() == "<p><em>x</em></p>"
    assert forum.nobody.post("/-/preview", data={"text": "*x*"}).status_code == 401
    new = forum.bob.post(f"{forum.all}/new", data={"do": "preview", "title": "t", "text": "*y*"})
    assert "<em>y</em>" in new.text


def test_editing_and_hiding_comments(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    at = forum.do(forum.carol, url, "comment", text="first words").headers["location"]
    comment = at.rpartition("#e-")[2]
    one = f"{url}/comment/{comment}"
    assert "first words</textarea>" in page(forum.carol, one)
    assert "first words</textarea>" not in page(forum.bob, one)
    assert forum.bob.post(one, data={"text": "stolen"}).status_code == 403
    assert forum.carol.post(one, data={"text": "second words"}).headers["location"] == f"{url}#e-{comment}"
    shown = page(forum.nobody, url)
    assert "second words" in shown
    assert "edited" in shown
    assert "first words" in shown, "what was said before is told"
    assert forum.bob.post(one, data={"do": "hide"}).status_code == 403
    assert forum.owner.post(one, data={"do": "hide"}).status_code == 303
    shown = page(forum.nobody, url)
    assert "second words" not in shown
    assert "first words" not in shown
    assert "hidden by alice" in shown
    assert forum.nobody.get(one).headers["location"].startswith("/login")


def test_keeping_order(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    assert forum.do(forum.bob, url, "pin").status_code == 403
    for do, told in (("pin", "pinned this"), ("lock", "locked this")):
        assert forum.do(forum.owner, url, do).status_code == 303
        assert told in page(forum.nobody, url)
    shown = page(forum.carol, url)
    assert "This is locked" in shown
    assert 'value="comment"' not in shown
    assert forum.do(forum.carol, url, "comment", text="still").status_code == 403
    assert forum.do(forum.owner, url, "unlock").status_code == 303
    assert forum.do(forum.bob, url, "rename", title="Another title").status_code == 303
    assert "Another title" in page(forum.nobody, url)
    assert forum.do(forum.owner, url, "delete", sure="yes").status_code == 400
    assert forum.do(forum.owner, url, "delete", sure="#1").headers["location"] == forum.all
    assert forum.nobody.get(url).status_code == 404


def test_disabled_discussions_say_so(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    assert forum.owner.put(f"{forum.api}/settings", json={"discussionsDisabled": True}).status_code == 200
    for each in (forum.all, url):
        shown = page(forum.nobody, each, status=403)
        assert "There are no discussions here" in shown
    assert f"{forum.web}/settings" in page(forum.owner, forum.all, status=403)


def test_private_repositories_are_not_told_of(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    forum.owner.put(f"{forum.api}/settings", json={"private": True})
    for each in (forum.all, url, f"{forum.all}/new", f"{url}/files"):
        assert forum.carol.get(each).status_code == 404
    assert forum.carol.post(url, data={"do": "comment", "text": "x"}).status_code == 404
    assert forum.carol.post(f"{forum.all}/preview", data={"text": "x"}).status_code == 404


def test_another_sites_form_is_refused(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in (url, f"{forum.all}/new", f"{url}/comment/{'0' * 24}", f"{forum.all}/preview", "/-/preview"):
        answer = forum.bob.post(path, data={"do": "comment", "text": "x", "title": "x"}, headers=foreign)
        assert answer.status_code == 403, path
    assert page(forum.nobody, url).count("said-by") == 1


# --- pull requests -----------------------------------------------------------------------------


def test_a_pull_request_is_looked_at_and_merged(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("a.txt", b"one\ntwo\n"))
    url = forum.propose(file("a.txt", b"one\nthree\n"), file("b.txt", b"new\n"))
    shown = page(forum.owner, url)
    assert "This can be merged" in shown
    assert "refs/pr/1" in shown
    assert "git fetch origin refs/pr/1:pr/1" in shown
    assert 'value="merge"' in shown
    assert 'value="merge"' not in page(forum.carol, url)
    assert "Better" in page(forum.nobody, f"{url}/commits")
    files = page(forum.nobody, f"{url}/files")
    assert "2 files changed" in files
    assert "b.txt" in files
    assert "<mark>" in files or "three" in files
    assert 'class="diff split"' in page(forum.nobody, f"{url}/files?view=split")
    assert forum.do(forum.carol, url, "merge").status_code == 403
    assert forum.do(forum.owner, url, "merge", text="Thank you.").status_code == 303
    shown = page(forum.nobody, url)
    assert "merged this" in shown
    assert "Thank you." in shown
    commit = re.search(r"/commit/([0-9a-f]{40})\">[0-9a-f]{7}</a> <a", shown)
    assert commit is not None
    assert "2 files changed" in page(forum.nobody, f"{url}/files")
    assert forum.do(forum.owner, url, "merge").status_code == 409


def test_a_draft_is_opened_and_published(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    made = forum.bob.post(f"{forum.all}/new", data={"title": "Soon", "text": "x", "type": "pull_request"})
    url = made.headers["location"]
    shown = page(forum.bob, url)
    assert "This is a draft" in shown
    assert "Publish it" in shown
    assert "No commits yet" in page(forum.nobody, f"{url}/commits")
    assert "Nothing differs" in page(forum.nobody, f"{url}/files")
    assert forum.do(forum.bob, url, "open").status_code == 303
    assert "This is a draft" not in page(forum.bob, url)


def test_conflicts_are_named(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("a.txt", b"one\n"))
    url = forum.propose(file("a.txt", b"two\n"))
    forum.done(file("a.txt", b"three\n"))
    shown = page(forum.owner, url)
    assert "This cannot be merged as it is" in shown
    assert "<li><code>a.txt</code></li>" in shown
    assert 'value="merge"' not in shown
    assert "conflicts" in forum.do(forum.owner, url, "merge").text


def test_discussions_have_no_files(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    assert forum.nobody.get(f"{url}/files").status_code == 404
    assert forum.nobody.get(f"{url}/commits").status_code == 404


def test_no_text_becomes_markup(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("a.txt", b"x\n"))
    url = forum.begin(EVIL, EVIL + "\n\n[x](javascript:alert(1))")
    forum.do(forum.carol, url, "comment", text=EVIL)
    forum.do(forum.bob, url, "rename", title="again " + EVIL)
    pull = forum.propose(file(f"d/{EVIL.replace('/', '_')}.txt", EVIL.encode()), title=EVIL)
    forum.begin("refers", f"see #1 and {pull}")
    query = f"?search={EVIL}&author={EVIL}"
    for each in (forum.all, forum.all + query, url, pull, f"{pull}/commits", f"{pull}/files"):
        shown = page(forum.owner, each)
        assert "<script>alert" not in shown, each
        assert "<img src=x" not in shown, each
        assert 'href="javascript' not in shown, each
        assert " style=" not in shown, each
    assert "<script>alert(1)" in unescape(page(forum.owner, forum.all))


def test_long_discussions_are_cut_in_their_middle(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    url = forum.begin()
    client = hub.client(hub.add_token("carol"))
    for number in range(155):
        client.post(f"{forum.api}/discussions/1/comment", json={"comment": f"said-{number}-"})
    shown = page(forum.nobody, url)
    assert "entries are not shown" in shown
    assert "said-50-" not in shown
    assert "said-154-" in shown
    assert "said-50-" in page(forum.nobody, f"{url}?all=1")

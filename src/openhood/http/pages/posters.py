"""The pictures that other sites show beside links to this hub: of repositories, people, organizations and collections.

Whoever asks, they show what everybody may see, so that no cache and no program that fetches them can tell more.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlsplit

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, Need
from openhood.domain.accounts import actions as accounts
from openhood.domain.community import collections
from openhood.domain.notifications import standing
from openhood.domain.repos import cards
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines import poster as posters
from openhood.engines.formats import vocabulary
from openhood.engines.poster import Poster
from openhood.http.context import Call
from openhood.http.pages.shown import count, license_in, size
from openhood.http.router import Route

HUB = "/-/posters/hub.png"
"""What stands for every page that has no picture of its own."""

# Somebody may make a repository private: what others keep must not outlive that for long.
_HEADERS = {"Cache-Control": "public, max-age=600", "Content-Security-Policy": "default-src 'none'; sandbox"}
_WORDS = {RepoType.MODEL: "Model", RepoType.DATASET: "Dataset", RepoType.SPACE: "Space"}


def poster_of(repo: Repo) -> str:
    """Return where the picture of a repository is; of one that not everybody may see, the hub's own."""
    if repo.is_private or repo.is_disabled:
        return HUB
    return f"/-/posters/{repo.type.plural}/{quote(str(repo.repo_id))}.png?v={int(repo.last_modified.timestamp())}"


async def get_repo(call: Call) -> Response:
    """A repository: its name, what it is for, and how much it is used."""
    return await call.run(_repo, call.sv, call, call.repo_type, call.repo_id)


async def get_account(call: Call) -> Response:
    """A user or an organization."""
    return await call.run(_account, call.sv, call, call.params["ns"])


async def get_collection(call: Call) -> Response:
    """A collection: its title, its owner, and how many things are in it."""
    return await call.run(_collection, call.sv, call, f"{call.params['ns']}/{call.params['slug']}")


async def get_hub(call: Call) -> Response:
    """The hub itself, for all other pages."""
    text = "Models, datasets and spaces for machine learning."
    return await call.run(_answer, call.sv, call, _poster(call, "hub", "Openhood", _host(call), text))


def _repo(sv: Services, call: Call, repo_type: RepoType, repo_id: RepoId) -> Response:
    found = standing.see_standing(sv, ANONYMOUS, repo_type=repo_type, repo_id=repo_id)
    listed = found.listed
    # Of a gated repository everybody reads the card; of a protected space only that it is there.
    card = cards.read_card(sv, ANONYMOUS, repo_type=repo_type, repo_id=repo_id) if _has_card(found) else None
    task = listed.tip.pipeline_tag
    facts = [
        vocabulary.label_of("pipeline_tag", task) if task else "",
        f"{count(listed.parameters)} parameters" if listed.parameters else "",
        size(listed.main_bytes) if listed.main_bytes else "",
        license_in(listed.tip.tags),
        f"{count(listed.likes)} {'like' if listed.likes == 1 else 'likes'}" if listed.likes else "",
    ]
    made = _poster(
        call,
        repo_type.value,
        f"{_WORDS.get(repo_type, '')} by {repo_id.namespace}",
        repo_id.name,
        card.summary if card is not None else "",
        *facts,
    )
    return _answer(sv, call, made)


def _has_card(found: standing.Standing) -> bool:
    return found.may(Need.INFO) and found.repo.visibility != "protected"


def _account(sv: Services, call: Call, name: str) -> Response:
    profile = accounts.see_profile(sv, ANONYMOUS, name=name, kind=None)
    account, counts = profile.account, profile.counts
    if account.is_service:
        raise NotFound(f"There is no user or organization called {name[:96]!r}.")
    facts = [
        _many(number, word)
        for number, word in ((counts.models, "model"), (counts.datasets, "dataset"), (counts.spaces, "space"))
        if number
    ]
    title = posters.legible(account.fullname) or account.name
    above = f"{'Organization' if account.is_org else 'User'} {account.name}"
    return _answer(sv, call, _poster(call, account.kind, above, title, account.details or "", *facts))


def _collection(sv: Services, call: Call, slug: str) -> Response:
    shown = collections.see(sv, ANONYMOUS, slug=slug)
    found = shown.collection
    made = _poster(
        call,
        "collection",
        f"Collection by {found.owner.name}",
        found.title,
        found.description,
        _many(len(shown.items), "item"),
        _many(found.upvotes, "upvote") if found.upvotes else "",
    )
    return _answer(sv, call, made)


def _many(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def _poster(call: Call, kind: str, above: str, title: str, text: str, *facts: str) -> Poster:
    return Poster(kind, above, title, text, tuple(each for each in facts if each), _host(call))


def _host(call: Call) -> str:
    return urlsplit(call.base_url).netloc


def _answer(sv: Services, call: Call, made: Poster) -> Response:
    """Draw a poster unless it was drawn before; for worker threads."""
    picture = sv.facts.of(("poster", posters.VERSION, made), lambda: posters.draw(made), weigh=len)
    headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(picture).hexdigest()[:24]}"'}
    if call.request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(picture, 200, headers, "image/png")


ROUTES = (
    Route(("GET",), HUB, get_hub, bucket="pages"),
    Route(("GET",), "/-/posters/people/{ns}.png", get_account, bucket="pages"),
    Route(("GET",), "/-/posters/collections/{ns}/{slug}.png", get_collection, bucket="pages"),
    Route(("GET",), "/-/posters/{type:models|datasets|spaces}/{ns}/{name}.png", get_repo, bucket="pages"),
)

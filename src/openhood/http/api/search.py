"""Search: the bar's ``/api/quicksearch``, ``/api/search/full-text`` for cards, and that for spaces by a sentence.

Lists with ``search=`` are in `lists`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.accounts.types import Account
from openhood.domain.discovery import search
from openhood.domain.discovery.ranking import Piece
from openhood.domain.discovery.search import Hit
from openhood.domain.repos.listing import RepoInfo
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.api.shapes import shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_QUICK_LIMIT = 5
_MOST_QUICK = 20
_TEXT_LIMIT = 20
_SPACES_LIMIT = 50
_REPOS: Mapping[str, RepoType] = {kind.value: kind for kind in RepoType}
_ACCOUNTS = ("user", "org")
# What the Hub searches too, and of which this hub has none.
_ABSENT = ("paper", "collection", "bucket")
_QUICK_TYPES = ("all", *_REPOS, *_ACCOUNTS, *_ABSENT)
_QUICK_PARAMETERS = ("q", "type", "limit", "exclude")
_SPACE_KEYS = ("author", "sdk", "likes", "private", "tags", "runtime", "trendingScore")
_CARD_FILE = "README.md"


async def quick_search(call: Call) -> Response:
    """Answer with what is called so, a few of each type, and with ``didYouMean`` where only that was found.

    ``type`` and ``exclude`` may be repeated: a type that is excluded, or the id of something, is left out.
    """
    if call.method == "POST":
        await _take_body(call)
    types = _chosen(call, "type", _QUICK_TYPES)
    exclude = call.query_list("exclude", split_commas=True)
    kinds = [
        name
        for name in _QUICK_TYPES
        if (not types or "all" in types or name in types) and name not in exclude
    ]
    found = await call.act(
        search.quick_search,
        text=call.query("q") or "",
        types=[_REPOS[name] for name in kinds if name in _REPOS],
        kinds=[name for name in kinds if name in _ACCOUNTS],
        limit=call.query_int("limit", default=_QUICK_LIMIT, low=1, high=_MOST_QUICK),
        exclude=exclude,
    )
    answer: dict[str, object] = {}
    for repo_type in RepoType:
        names = found.repos.get(repo_type)
        listed = [] if names is None else [{"_id": hex_id, "id": name} for name, hex_id in names.found]
        answer |= {repo_type.plural: listed, f"{repo_type.plural}Count": 0 if names is None else names.total}
    for key, accounts in (("orgs", found.orgs), ("users", found.users)):
        answer |= {key: [_account(each) for each in accounts], f"{key}Count": len(accounts)}
    for name in _ABSENT:
        answer |= {f"{name}s": [], f"{name}sCount": 0}
    if found.suggestion is not None:
        answer["didYouMean"] = found.suggestion
    return json_reply(answer)


async def _take_body(call: Call) -> None:
    """Let the JSON body of the ``POST`` form say what the query may."""
    for key, value in (await bodies.read_object(call)).items():
        values = value if isinstance(value, list) else [value]
        if key not in _QUICK_PARAMETERS:
            raise BadRequest(f"Unknown key {key[:40]!r}: use {', '.join(_QUICK_PARAMETERS)}.")
        if not all(isinstance(each, str | int) and not isinstance(each, bool) for each in values):
            raise BadRequest(f"'{key}' must be a text, a number or a list of texts.")
        call.query_pairs().extend((key, str(each)) for each in values)


async def search_texts(call: Call) -> Response:
    """Answer with the repositories that have all words in name or card, with the parts that matched.

    The last word may be a beginning, ``"words in quotes"`` follow one another, ``-words`` must not occur.
    Marked parts are ``{text, type: "highlight"}`` among ``{text, type: "text"}``: text, never HTML. Source:
    the Hub's page of full-text search, whose answer has these keys.
    """
    await call.viewer()  # a wrong token is told before a wrong question
    types = [_REPOS[name] for name in _chosen(call, "type", tuple(_REPOS))] or list(RepoType)
    text = call.query("q") or ""
    if not text.strip():
        raise BadRequest("The search 'q' is missing: say what to look for.")
    skip = call.query_int("skip", default=0, low=0, high=search.MAX_HITS)
    page = await call.act(
        search.search_texts,
        text=text,
        types=types,
        skip=skip,
        limit=call.query_int("limit", default=_TEXT_LIMIT, low=1, high=search.MAX_LIMIT),
    )
    return json_reply({"hits": [_text_hit(hit) for hit in page.hits], "estimatedTotalHits": page.total})


async def search_spaces(call: Call) -> Response:
    """Answer with the spaces that a sentence may be about, by its words. No space runs here: all are answered.

    ``semanticRelevancyScore`` is the share of the words that the name (whole) or the card (half) has. Source:
    huggingface_hub ``hf_api.py::search_spaces`` and ``_space_api.py::SpaceSearchResult``.
    """
    await call.viewer()  # as above
    text = call.query("q") or ""
    if not text.strip():
        raise BadRequest("The search 'q' is missing: say in some words what the space should do.")
    found = await call.act(
        search.search_spaces,
        text=text,
        tags=call.query_list("filter", split_commas=True),
        sdks=call.query_list("sdk", split_commas=True),
        limit=_SPACES_LIMIT,
    )
    return json_reply([_space(hit) for hit in found])


def _chosen(call: Call, name: str, allowed: Sequence[str]) -> list[str]:
    chosen = call.query_list(name, split_commas=True)
    if any(each not in allowed for each in chosen):
        raise BadRequest(f"Invalid value for '{name}': use one of {', '.join(allowed)}.")
    return chosen


def _account(account: Account) -> dict[str, object]:
    return {
        "_id": account.hex_id,
        "id": account.hex_id,
        "name": account.name,
        "fullname": account.fullname or account.name,
        "avatarUrl": avatar_of(account),
        "type": account.kind,
    }


def _pieces(pieces: Sequence[Piece]) -> list[dict[str, str]]:
    return [{"text": each.text, "type": "highlight" if each.is_marked else "text"} for each in pieces]


def _text_hit(hit: Hit) -> dict[str, object]:
    listed = hit.listed
    repo = listed.repo
    return {
        "_id": repo.hex_id,
        "repoId": repo.hex_id,
        "name": str(repo.repo_id),
        "repoName": repo.repo_id.name,
        "repoOwner": repo.repo_id.namespace,
        "type": repo.type.value,
        "tags": ", ".join(listed.tip.tags),
        "isPrivate": repo.is_private,
        "likes": listed.likes,
        "fileName": _CARD_FILE,
        "isReadmeFile": True,
        "updatedAt": int(repo.last_modified.timestamp() * 1000),
        "formatted": {"name": _pieces(hit.name), "fileContent": _pieces(hit.snippet)},
    }


def _space(hit: Hit) -> dict[str, object]:
    info = RepoInfo(hit.listed, hit.listed.repo.head_oid, None)
    card = hit.listed.tip.card or {}
    shown = {"id": str(info.repo.repo_id), **shaped(info, _SPACE_KEYS)}
    for key in ("title", "emoji"):
        if isinstance(card.get(key), str):
            shown[key] = card[key]
    shown["semanticRelevancyScore"] = hit.relevancy
    return shown


ROUTES: tuple[Route, ...] = (
    Route(("GET", "POST"), "/api/quicksearch", quick_search),
    Route(("GET",), "/api/search/full-text", search_texts),
    Route(("GET",), "/api/spaces/semantic-search", search_spaces),
)

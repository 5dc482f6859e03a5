"""The page of a repository: its card, what stands beside it, how to use it; and the buttons of its head.

Files, commits and discussions have rooms of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from openhood.base.errors import BadRequest, RepoDisabled
from openhood.base.names import MAIN, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.discovery import facing, likes, lineage
from openhood.domain.discovery.facing import Facing
from openhood.domain.discovery.lineage import Lineage
from openhood.domain.notifications import actions as notifications
from openhood.domain.notifications import standing
from openhood.domain.notifications.actions import Subject as Watched
from openhood.domain.repos import cards, lookup
from openhood.domain.repos.cards import Card
from openhood.domain.services import Services
from openhood.engines.markup_rules import paint_code
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages import repo_beside as beside
from openhood.http.pages.going import go, safe_path, to_login
from openhood.http.pages.render import page
from openhood.http.pages.repo_shown import Shown
from openhood.http.pages.repo_snippets import Subject, citation_of, snippets_of
from openhood.http.router import Handler, Route

_PREFIXES = {"models": "", "datasets": "/datasets", "spaces": "/spaces"}
_NAMED = 4
_BIRTH_FILES = frozenset({".gitattributes"})
_DEFAULT_REVISION = MAIN.removeprefix("refs/heads/")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the page is made of, read in one go."""

    shown: Shown
    card: Card | None
    facing: Facing
    lineage: Lineage


async def get_repo(call: Call) -> Response:
    """The repository's card and what stands beside it, or the way to a first upload."""
    try:
        facts = await call.act(_read, repo_type=call.repo_type, repo_id=call.repo_id)
        revision = await _wanted_revision(call)
    except RepoDisabled as error:
        return await page(
            call, "repo/disabled.html", status=error.status, repo_id=call.repo_id, kind=call.repo_type.value
        )
    listed, card, links = facts.shown.listed, facts.card, facts.lineage
    subject = Subject(listed, call.base_url, revision, facts.facing.paths)
    own_citation = listed.tip.extras.get("citation")
    said = card.citation if card is not None else None
    if said is None and isinstance(own_citation, str):
        said = own_citation
    return await page(
        call,
        "repo/card.html",
        shown=facts.shown,
        card=card,
        # Cleaned by the renderer: no script, no style, nothing that fetches from elsewhere unasked.
        prose=Markup(card.html) if card is not None and card.html else None,  # noqa: S704
        revision=revision,
        is_empty=facts.facing.paths is not None and set(facts.facing.paths) <= _BIRTH_FILES,
        days=facts.facing.days,
        bars=beside.bars_of(facts.facing.days),
        has_downloads=any(day.count for day in facts.facing.days),
        dtypes=beside.dtypes_of(listed),
        gguf=beside.gguf_of(listed),
        results=beside.results_of(listed),
        license=beside.license_of(listed),
        links=links,
        derived=beside.derived_of(links),
        trained_link=beside.trained_link(links),
        # Escaped by the painter, which knows the words of programs and nothing else.
        snippets=[
            (each.name, each.text, Markup(paint_code(each.text, each.language, "")))  # noqa: S704
            for each in snippets_of(subject)
        ],
        citation=said or citation_of(subject),
        is_citation_made=said is None,
        api=f"{call.base_url}{quote(listed.repo.api_path)}",
    )


async def _wanted_revision(call: Call) -> str:
    """Return the revision that the programs on the page are for. Raises: RevisionNotFound, and what `lookup.locate` raises."""
    wanted = call.query("revision") or _DEFAULT_REVISION
    if wanted != _DEFAULT_REVISION:
        await call.act(
            lookup.locate, repo_type=call.repo_type, repo_id=call.repo_id, revision=wanted, need=Need.READ
        )
    return wanted


def _read(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> _Facts:
    found = standing.see_standing(sv, viewer, repo_type=repo_type, repo_id=repo_id)
    return _Facts(
        Shown("card", found),
        cards.read_card(sv, viewer, repo_type=repo_type, repo_id=repo_id),
        facing.see_facing(sv, viewer, repo_type=repo_type, repo_id=repo_id),
        lineage.get_lineage(sv, viewer, repo_type=repo_type, repo_id=repo_id, limit=_NAMED),
    )


async def post_like(call: Call) -> Response:
    """Like it, or take that back; then back to where the button was."""
    return await _press(call, "like", "unlike")


async def post_watch(call: Call) -> Response:
    """Watch it, or stop; then back to where the button was."""
    return await _press(call, "watch", "unwatch")


async def _press(call: Call, do: str, undo: str) -> Response:
    call.check_origin()
    form = dict(await bodies.read_form(call))
    wanted = form.get("do", do)
    if wanted not in (do, undo):
        raise BadRequest(f"'do' must be '{do}' or '{undo}'.")
    found = await call.act(standing.see_standing, repo_type=call.repo_type, repo_id=call.repo_id)
    back = safe_path(form.get("next"))
    target = quote(found.repo.web_path) if back == "/" else back
    if (await call.viewer()).is_anonymous:
        return to_login(target)
    if do == "like":
        action = likes.like if wanted == do else likes.unlike
        await call.act(action, repo_type=call.repo_type, repo_id=call.repo_id)
    else:
        subject = Watched(found.repo.hex_id, "repo")
        add, delete = ([subject], []) if wanted == do else ([], [subject])
        await call.act(notifications.watch, add=add, delete=delete)
    return go(target)


_PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", get_repo),
    ("POST", "/like", post_like),
    ("POST", "/watch", post_watch),
)

ROUTES: tuple[Route, ...] = tuple(
    Route(
        (method,),
        f"{prefix}/{{ns}}/{{name}}{tail}",
        handler,
        fixed={"type": kind},
        dialect="page",
        bucket="pages",
    )
    for kind, prefix in _PREFIXES.items()
    for method, tail, handler in _PAGES
)

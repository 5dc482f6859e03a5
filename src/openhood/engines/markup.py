"""Markdown as people write it here: made into safe HTML, and searched for whom and what it names.

Cards, comments and discussions all pass through `render`. Who is told of a mention, and whether a reference
leads anywhere, is not decided here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from openhood.base.names import RepoType
from openhood.engines import markup_rules as rules
from openhood.engines.markup_formulas import INLINE, Formulas, make_env, read_formulas

VERSION = 2
"""Of the rules below: HTML that was kept with another number is made again."""

MAX_CHARS = 200_000
"""Of a text that is rendered; what is beyond is left out, with a sentence."""

_MAX_GROWTH = 40  # HTML characters per character of text, above which a text is shown as it is
_MIN_ROOM = 100_000
_MAX_CELLS = 20_000  # of tables, in one text
_MAX_PAINTED_CHARS = 100_000  # of code, in one text
_MAX_PARAGRAPH_CHARS = 10_000
_MAX_NAMES = 100  # mentions and references found in one text

_LINKABLE = re.compile(
    r"(?P<url>(?<![\w/])https?://[^\s<>\"'`\\]{1,2000})"
    r"|(?<![\w/@.#-])@(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]{0,94})"
    r"|(?<![\w/&#.-])(?:(?:(?P<type>models|datasets|spaces)/)?(?P<repo>[A-Za-z0-9_][\w.-]{0,94}/[A-Za-z0-9_][\w.-]{0,95}))?"
    r"#(?P<number>[1-9][0-9]{0,8})(?![\w-])",
    re.ASCII,
)
_DISCUSSION_PATH = re.compile(
    r"/(?:(?P<type>models|datasets|spaces)/)?(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})/discussions/(?P<number>[1-9][0-9]{0,8})"
    r"(?:[/?#].*)?",
    re.ASCII | re.DOTALL,
)
_WORDS = ("text", "text_special", "code_inline", INLINE)
_NO_SLUG = re.compile(r"[^\w -]")
_FILM = re.compile(r"https?://[^/]+/uploads/[^/]+\.(?:mp4|mov|webm)")
_ALIGN = re.compile(r"text-align:(left|right|center)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A discussion that a text names. Without ``repo_id`` (``ns/name``) it is one of the same repository."""

    number: int
    repo_type: RepoType | None = None
    repo_id: str | None = None


def render(
    text: str,
    *,
    base: str = "",
    media_base: str = "",
    repo: str = "",
    prefix: str = "user-content-",
) -> str:
    """Return Markdown as HTML that is safe in a page of the hub.

    Args:
        base: the path relative links are below, with a slash at its end; empty leaves them as they are.
        media_base: the same for images, ``base`` if empty.
        repo: the page of the repository that ``#12`` is about, such as ``/datasets/acme/faces``; empty for none.
        prefix: what all ids in this text begin with, so that they are not those of the page.
    """
    cut = text[:MAX_CHARS].replace("\x00", "\ufffd")
    formulas = Formulas()
    rendered = formulas.put_in(
        _clean(
            _parser().render(cut, {"repo": repo, **make_env(formulas)}),
            base=base,
            media_base=media_base or base,
            prefix=prefix,
        )
    )
    if len(rendered) > max(_MIN_ROOM, _MAX_GROWTH * len(cut)):
        rendered = f"<pre>{html.escape(cut)}</pre>\n"
    if len(text) > MAX_CHARS:
        rendered += "<p><em>This text is too long to be shown in full.</em></p>\n"
    return rendered


def _clean(markup: str, *, base: str, media_base: str, prefix: str) -> str:
    return nh3.clean(
        markup,
        tags=set(rules.TAGS),
        clean_content_tags=set(rules.DROPPED_WITH_CONTENT),
        attributes=rules.ATTRIBUTES,
        attribute_filter=rules.make_filter(base=base, media_base=media_base, prefix=prefix),
        set_tag_attribute_values=rules.SET_ATTRIBUTES,
        link_rel="nofollow noopener ugc",
        url_schemes=set(rules.SCHEMES),
        strip_comments=True,
    )


def mentions(text: str) -> tuple[str, ...]:
    """Return the accounts a text calls with ``@name``, as written, each once; not those in code or links."""
    found: dict[str, str] = {}
    for piece in _linkables(text):
        name = piece["name"]
        if name:
            name = name.rstrip(".-")
            found.setdefault(name.lower(), name)
    return tuple(found.values())[:_MAX_NAMES]


def references(text: str, *, hub_url: str = "") -> tuple[Reference, ...]:
    """Return the discussions a text names, each once: ``#12``, ``ns/name#12``, ``datasets/ns/name#12``, addresses.

    Args: ``hub_url`` is this hub's own address, without a slash at its end. Without it addresses with a host count
    for nothing; those that begin with ``/`` do.
    """
    found: dict[Reference, None] = {}
    for address in _addresses(text):
        own = address.removeprefix(hub_url) if hub_url and address.startswith(hub_url + "/") else address
        match = _DISCUSSION_PATH.fullmatch(own)
        if match is not None:
            found[_reference(match)] = None
    for piece in _linkables(text):
        if piece["number"]:
            found[_reference(piece)] = None
    return tuple(found)[:_MAX_NAMES]


def _reference(match: re.Match[str]) -> Reference:
    repo = match["repo"]
    if not repo:
        return Reference(int(match["number"]))
    kind = RepoType.from_plural(match["type"]) if match["type"] else RepoType.MODEL
    return Reference(int(match["number"]), kind, repo)


# --- the parser --------------------------------------------------------------------------------


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": True, "highlight": rules.paint_code})
    made.enable(["table", "strikethrough"])
    made.use(footnote_plugin).use(tasklists_plugin).use(read_formulas)
    # Before adjacent texts are joined, so that an escaped `\@name` stays what it is.
    made.core.ruler.at("inline", _parse_inline)
    made.core.ruler.after("inline", "hub_bounds", _bound)
    made.core.ruler.after("hub_bounds", "hub_links", _link)
    made.core.ruler.push("hub_anchors", _anchor_headings)
    return made


def _parse_inline(state: StateCore) -> None:
    """Parse what is inside paragraphs; one that no person would write stays plain, since it may take very long."""
    for token in state.tokens:
        if token.type != "inline" or token.children is None:
            continue
        if len(token.content) > _MAX_PARAGRAPH_CHARS:
            token.children = [_text(token.content, 0)]
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _anchor_headings(state: StateCore) -> None:
    """Give headings ids made of their words, as the Hub does, so that a table of contents can lead to them."""
    taken: dict[str, int] = {}
    for token, following in pairwise(state.tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in following.children or () if child.type in _WORDS)
            slug = _NO_SLUG.sub("", words.strip().lower())[:100].replace(" ", "-") or "section"
            taken[slug] = taken.get(slug, -1) + 1
            token.attrs["id"] = f"{slug}-{taken[slug]}" if taken[slug] else slug


def _bound(state: StateCore) -> None:
    """Keep a short text from becoming a huge page, and say alignment without a style."""
    room = max(_MIN_ROOM, 4 * len(state.src))
    cells, painted = 0, 0
    for token in state.tokens:
        if token.type in ("td_open", "th_open"):
            cells += 1
            style = _ALIGN.search(str(token.attrs.pop("style", "")))
            if style is not None:
                token.attrs["align"] = style[1]
        elif token.type == "fence":
            painted += len(token.content)
            if painted > _MAX_PAINTED_CHARS:
                token.info = ""
        for child in token.children or ():
            # One long address may be named ten thousand times by a short label.
            room -= sum(len(str(value)) for value in child.attrs.values())
            if room < 0:
                child.attrs = {}
    if cells > _MAX_CELLS:
        state.tokens = [_plain(state.src)]


def _plain(text: str) -> Token:
    return Token("fence", "code", 0, content=text, markup="```", block=True)


def _link(state: StateCore) -> None:
    """Make links of bare addresses, mentions and references in text that is in no link yet."""
    repo = str(state.env.get("repo", ""))
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_linked(token.children, repo))


def _linked(children: Sequence[Token], repo: str) -> Iterator[Token]:
    depth = 0
    for child in children:
        depth += (child.type == "link_open") - (child.type == "link_close")
        if child.type != "text" or depth:
            yield child
            continue
        start = 0
        for match in _LINKABLE.finditer(child.content):
            shown, address, kind = _address_of(match, repo)
            if not address:
                continue
            if match.start() > start:
                yield _text(child.content[start : match.start()], child.level)
            yield from _anchor(shown, address, kind, child.level)
            start = match.start() + len(shown)
        if start == 0:
            yield child
        elif start < len(child.content):
            yield _text(child.content[start:], child.level)


def _address_of(match: re.Match[str], repo: str) -> tuple[str, str, str]:
    """Return what of the match is linked, where to and as what; an empty address for nothing."""
    if match["url"]:
        shown = _trimmed(match["url"])
        return shown, shown, ""
    if match["name"]:
        name = match["name"].rstrip(".-")
        return "@" + name, "/" + name, "mention"
    if match["repo"]:
        kind = "" if match["type"] in (None, "models") else match["type"] + "/"
        return match[0], f"/{kind}{match['repo']}/discussions/{match['number']}", "reference"
    return match[0], f"{repo}/discussions/{match['number']}" if repo else "", "reference"


def _trimmed(url: str) -> str:
    """Return a bare address without the marks of the sentence around it (as GitHub's extended autolinks)."""
    end = len(url)
    while end and (url[end - 1] in "?!.,:;*_~]" or (url[end - 1] == ")" and _closes_more(url[:end]))):
        end -= 1
    return url[:end]


def _closes_more(url: str) -> bool:
    return url.count(")") > url.count("(")


def _text(content: str, level: int) -> Token:
    return Token("text", "", 0, content=content, level=level)


def _anchor(shown: str, address: str, kind: str, level: int) -> Iterator[Token]:
    if not kind and _FILM.fullmatch(address):
        # `hf discussions --attach` and the Hub's pages write no more than the address of a film.
        film = f'<video controls src="{html.escape(address)}"></video>'
        yield Token("html_inline", "", 0, content=film, level=level)
        return
    attributes: dict[str, str | int | float] = {"href": address}
    if kind:
        attributes["class"] = kind
    yield Token("link_open", "a", 1, attrs=attributes, level=level)
    yield _text(shown, level + 1)
    yield Token("link_close", "a", -1, level=level)


@cache
def _reader() -> MarkdownIt:
    """A parser for looking only: nothing is linked or painted."""
    made = MarkdownIt("commonmark", {"html": True})
    made.enable(["table", "strikethrough"]).use(read_formulas)
    made.core.ruler.at("inline", _parse_inline)
    # What was escaped (`\\@name`) would be joined to the text around it, and count as said.
    made.disable("text_join")
    return made


def _inline(text: str) -> Iterator[Token]:
    for token in _reader().parse(text[:MAX_CHARS]):
        yield from token.children or ()


def _linkables(text: str) -> Iterator[re.Match[str]]:
    if "@" not in text and "#" not in text:
        return
    depth = 0
    for child in _inline(text):
        depth += (child.type == "link_open") - (child.type == "link_close")
        if child.type == "text" and not depth:
            yield from _LINKABLE.finditer(child.content)


def _addresses(text: str) -> Iterator[str]:
    """Yield what links lead to, and bare addresses in text."""
    if "/discussions/" not in text:
        return
    depth = 0
    for child in _inline(text):
        depth += (child.type == "link_open") - (child.type == "link_close")
        if child.type == "link_open":
            yield str(child.attrs.get("href", ""))
        elif child.type == "text" and not depth:
            yield from (_trimmed(match["url"]) for match in _LINKABLE.finditer(child.content) if match["url"])

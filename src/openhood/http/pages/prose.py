"""What people wrote in Markdown, as a page of this hub may show it: pictures of other hosts become links.

Browsers are told to load nothing from elsewhere (`policy`), so a picture there would be a broken one; its description
and the way to it are what can be shown. The HTML was cleaned before by `engines.markup`, and is written as that writes it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from markupsafe import Markup

from openhood.http.context import Call
from openhood.http.pages.language import words_of
from openhood.http.pages.policy import known_store

# Whole tags with their attributes, whose values stand in double quotes and may hold any other character.
_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9]*)((?:\s+[^\s\"=<>]+(?:=\"[^\"]*\")?)*)\s*>")
_ATTRIBUTE = re.compile(r"\s([^\s\"=<>]+)=\"([^\"]*)\"")
_MEDIA = ("img", "video", "audio")


def pictured(call: Call, cleaned: str) -> Markup:
    """Return cleaned HTML with a link in the place of each picture, sound or film of another host."""
    if 'src="http' not in cleaned:
        return Markup(cleaned)  # noqa: S704  (cleaned by the engine)
    own = {call.base_url, known_store(call.sv)}
    words = words_of(call)
    said = {
        "img": words.gettext("Picture at %(host)s"),
        "video": words.gettext("Film at %(host)s"),
        "audio": words.gettext("Sound at %(host)s"),
    }
    return Markup("".join(_pieces(cleaned, own, said)))  # noqa: S704  (cleaned by the engine, and escaped here)


def _pieces(cleaned: str, own: set[str], said: dict[str, str]) -> Iterator[str]:
    """Yield the HTML in pieces, with what is foreign replaced."""
    done, depth = 0, 0
    for found in _TAG.finditer(cleaned):
        if found.start() < done:
            continue
        name = found[1].lower()
        depth += (name == "a") - (name == "/a")
        if name not in _MEDIA:
            continue
        attributes, end = dict(_ATTRIBUTE.findall(found[2])), found.end()
        if name != "img":
            close = cleaned.find(f"</{name}>", end)
            inside = cleaned[end:close] if close >= 0 else ""
            end = close + len(name) + 3 if close >= 0 else end
            attributes.setdefault("src", _source_in(inside))
        address = html.unescape(attributes.get("src", ""))
        host = _foreign_host(address, own)
        if host is None:
            continue
        yield cleaned[done : found.start()]
        label = html.escape(said[name] % {"host": host})
        described = html.unescape(attributes.get("alt") or attributes.get("title") or "").strip()
        text = f'{html.escape(described)} <span class="where">{label}</span>'.lstrip()
        # Badges are pictures within links: those stay links to where they led.
        yield f'<span class="elsewhere">{text}</span>' if depth else _link(address, text)
        done = end
    yield cleaned[done:]


def _source_in(inside: str) -> str:
    for found in _TAG.finditer(inside):
        if found[1].lower() == "source":
            return str(dict(_ATTRIBUTE.findall(found[2])).get("src", ""))
    return ""


def _foreign_host(address: str, own: set[str]) -> str | None:
    """Return the host of an address elsewhere, None for one of this hub or of its store."""
    parts = urlsplit(address) if address.startswith(("http://", "https://")) else None
    if parts is None or f"{parts.scheme}://{parts.netloc}" in own:
        return None
    return parts.netloc


def _link(address: str, text: str) -> str:
    return f'<a class="elsewhere" href="{html.escape(address)}" rel="nofollow noopener ugc">{text}</a>'

"""What user text may become in a page: the elements, attributes, classes and addresses that are let through.

The lists and checks are here; `engines.markup` applies them. What is not named here is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urljoin

from pygments import highlight as paint
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

TAGS = frozenset(
    """
    a abbr audio b blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption
    figure h1 h2 h3 h4 h5 h6 hr i img input ins kbd li mark ol p picture pre q rp rt ruby s samp section small source
    span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var video wbr
    """.split()  # noqa: SIM905  (eighty quoted words read worse)
)
"""The elements that may stand in a page. Of any other one only the text inside stays."""

DROPPED_WITH_CONTENT = frozenset(
    "script style template noscript iframe object embed applet math svg title textarea xmp noframes select".split()  # noqa: SIM905
)
"""Elements that go with all that is in them: their content is not meant as text, or is parsed by other rules."""

ATTRIBUTES: dict[str, set[str]] = {
    "*": {"align", "class", "dir", "id", "lang", "title"},
    "a": {"href", "name"},
    "abbr": {"title"},
    "audio": {"controls", "loop", "muted", "src"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "img": {"alt", "height", "src", "width"},
    "input": {"checked"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "source": {"src", "type"},
    "td": {"colspan", "rowspan", "valign"},
    "th": {"colspan", "rowspan", "scope", "valign"},
    "video": {"controls", "height", "loop", "muted", "poster", "src", "width"},
}
"""Which attributes may stand on which element. No ``style``, no ``on…``, no ``form…``."""

SET_ATTRIBUTES: dict[str, dict[str, str]] = {
    # A box to tick is the only input there is, and nobody can tick it.
    "input": {"type": "checkbox", "disabled": "", "aria-label": "Task"},
    "img": {"loading": "lazy", "referrerpolicy": "no-referrer"},
    "audio": {"preload": "none"},
    "video": {"preload": "none"},
}

MEDIA_ATTRIBUTES = frozenset({"src", "poster"})
SCHEMES = frozenset({"http", "https", "mailto"})
_MEDIA_SCHEMES = frozenset({"http", "https"})
MAX_URL_CHARS = 2000

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# Browsers read a backslash as a slash and drop tabs and line ends inside an address.
_ODD_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_AFTER_FIRST = re.compile(r"[/?#]")
_CLASS = re.compile(r"hl-[a-z0-9]{1,4}|language-[A-Za-z0-9_+.#-]{1,40}")
_CLASSES = frozenset(
    """
    contains-task-list footnote-backref footnote-item footnote-ref footnotes footnotes-list footnotes-sep formula
    mention reference task-list-item task-list-item-checkbox
    """.split()  # noqa: SIM905
)
_ID = re.compile(r"[^\s\x00-\x20\x7f\"'<>`]{1,200}")
_SMALL_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?(?:px|%)?")
_NUMBERS = frozenset({"width", "height", "colspan", "rowspan", "span"})

_LANGUAGES = frozenset(
    """
    bash sh shell zsh console python py python3 pycon pytb json jsonc yaml yml toml ini diff javascript js typescript
    ts jsx tsx html xml css sql c cpp c++ cuda rust rs go java kotlin swift ruby rb php r julia lua scala haskell
    csharp c# dockerfile docker makefile make cmake powershell markdown md tex latex http
    """.split()  # noqa: SIM905
)
MAX_CODE_CHARS = 20_000
_FORMATTER = HtmlFormatter(nowrap=True, classprefix="hl-")


def safe_url(value: str, *, base: str, media_base: str, prefix: str, is_media: bool) -> str | None:
    """Return an address as it may stand in a page, None where it may not.

    Args: ``base`` is what relative links are below, ``media_base`` relative images (a path ending in ``/``, or
    empty to leave them as they are); ``prefix`` is what ids of this text begin with.
    """
    text = value.strip()
    if not text or len(text) > MAX_URL_CHARS or _ODD_IN_URL.search(text):
        return None
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return text if scheme[1].lower() in (_MEDIA_SCHEMES if is_media else SCHEMES) else None
    if text.startswith("#"):
        return None if is_media or len(text) < 2 else "#" + _with_prefix(text[1:], prefix)
    if text.startswith(("/", "?")):
        return text
    if ":" in _AFTER_FIRST.split(text, maxsplit=1)[0]:
        return None  # it only looks like an address with a scheme
    below = media_base if is_media else base
    try:
        return urljoin(below, text) if below else text
    except ValueError:
        return None


def _with_prefix(name: str, prefix: str) -> str:
    return name if name.startswith(prefix) else prefix + name


def make_filter(*, base: str, media_base: str, prefix: str) -> Callable[[str, str, str], str | None]:
    """Return the function that judges each attribute's value: ``(tag, attribute, value)`` to a value or None."""

    def judge(_tag: str, attribute: str, value: str) -> str | None:
        if attribute == "class":
            kept = [each for each in value.split()[:20] if each in _CLASSES or _CLASS.fullmatch(each)]
            return " ".join(kept) or None
        if attribute == "href" or attribute in MEDIA_ATTRIBUTES:
            is_media = attribute != "href"
            return safe_url(value, base=base, media_base=media_base, prefix=prefix, is_media=is_media)
        if attribute in ("id", "name"):
            # The page's own names must not be taken by what somebody wrote.
            return _with_prefix(value, prefix) if _ID.fullmatch(value) else None
        if attribute in _NUMBERS:
            return value if _SMALL_NUMBER.fullmatch(value) else None
        return value if len(value) <= MAX_URL_CHARS else None

    return judge


def paint_code(code: str, language: str, _attributes: str) -> str:
    """Return code as HTML with classes per kind of word; empty where it is left as it is.

    Only languages that are common here, and no long texts: some lexers take very long over hostile ones.
    """
    name = language.lower()
    if name not in _LANGUAGES or len(code) > MAX_CODE_CHARS:
        return ""
    return str(paint(code, get_lexer_by_name(name), _FORMATTER))

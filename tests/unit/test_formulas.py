"""Formulas: what becomes MathML, what stays as it is, and that nothing hostile costs time or becomes active."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.engines import formulas
from openhood.engines.formulas import TAGS, to_mathml
from openhood.engines.markup import render


@pytest.mark.parametrize(
    ("latex", "parts"),
    [
        ("x^2", ("<msup><mi>x</mi><mn>2</mn></msup>",)),
        (r"\frac{a}{b}", ("<mfrac>",)),
        (r"\sqrt[3]{x}", ("<mroot>",)),
        (r"\sum_{i=1}^n x_i", ("∑", "<msubsup>")),
        (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}", ("<mtable>", "<mtr>", "<mtd>")),
        (r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V", ("softmax", "<msqrt>", "⊤")),
        (r"\mathbb{E}_{x \sim p}[f(x)]", ("𝔼", "<msub>")),
        (r"\begin{pmatrix}a\end{pmatrix}^{-1}", ("<msup><mrow><mo>(</mo><mtable>", "</mrow></msup>")),
        (r"\text{a < b}", ("<mtext>a&nbsp;&lt;&nbsp;b</mtext>",)),
        (r"\binom{n}{k} \hat{x} \overline{y}", ("<mfrac", "<mover>")),
    ],
)
def test_latex_becomes_mathml(latex: str, parts: tuple[str, ...]) -> None:
    made = to_mathml(latex, is_block=False)
    assert made is not None
    assert made.startswith('<math display="inline">')
    for part in parts:
        assert part in made
    assert (to_mathml(latex, is_block=True) or "").startswith('<math display="block">')


@pytest.mark.parametrize(
    "latex",
    [
        "", "   ", "{", "}", "{{x}", r"\frac{a", r"\left( x", r"\begin{matrix} a", r"\unheardof{x}", "x" * 2001,
        "{" * 41 + "x" + "}" * 41, "^" * 500, r"\sqrt" * 300, r"\newcommand{\a}{\a\a}\a",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_none(latex: str) -> None:
    assert to_mathml(latex, is_block=False) is None


def elements(mathml: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(mathml.replace("&nbsp;", " ")).iter())


@pytest.mark.parametrize(
    "latex",
    [
        r"\href{javascript:alert(1)}{x}", r"\style{position:fixed}{x}", r"\class{btn}{x}", r"\text{<img src=x onerror=alert(1)>}",
        r"\mathrm{</mi><script>alert(1)</script>}", r"\text{&lt;script&gt;alert(1)&lt;/script&gt;}", r"\hspace{9999em}x",
        r"\color{red}x", r"\text{\" onclick=\"alert(1)}", r"\id{x}{y}", r"\rule{900em}{900em}",
    ],
)  # fmt: skip
def test_nothing_in_a_formula_is_active(latex: str) -> None:
    made = to_mathml(latex, is_block=False)
    for each in [] if made is None else elements(made):
        assert each.tag in TAGS
        for name, value in each.attrib.items():
            assert name in set().union(*formulas.ATTRIBUTES.values()), name
            assert "9999" not in value
            assert "900" not in value


@settings(max_examples=150)
@given(st.text(alphabet="ab{}^_\\&<>\"'$ \n%#~frac(left)rightbegin[]", max_size=120))
def test_any_text_gives_a_formula_or_none(text: str) -> None:
    made = to_mathml(text, is_block=False)
    assert made is None or {each.tag for each in elements(made)} <= TAGS


# --- in Markdown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Euler: $e^{i\\pi}+1=0$.", 1),
        ("both $a$ and $b_1$, $n$-gram", 3),
        ("a \\(x^2\\) b", 1),
        ("as the Hub writes: \\\\(y\\\\) and \\\\[z^2\\\\]", 2),
        ("$$\n\\sum_i x_i\n$$", 1),
        ("in a line $$x^2$$ too", 1),
        ("> quoted\n>\n> $$\n> x\n> $$", 1),
        ("- listed $x_1$", 1),
        ("```math\n\\frac{a}{b}\n```", 1),
        ("$`a_b`$", 1),
        ("# A title with $x^2$", 1),
        ("[a $b^2$ c](https://x.example)", 1),
        ("|a|\n|-|\n|$x_1$|", 1),
        ("$\\text{5 apples}$", 1),
        ("$5 and $10", 0),
        ("costs $5, or 10$ more", 0),
        ("from $5/month to $10/month, or 7$/day", 0),
        ("US$5 to US$6", 0),
        ("$HOME and $PATH", 0),
        ("$HOME/bin:$PATH/x", 0),
        ("$5 to 10$ people", 0),
        ("$1,000-$2,000", 0),
        ("\\$x\\$", 0),
        ("`$x$` and ``$y$``", 0),
        ("    $x$\n", 0),
        ("```\n$x$\n```", 0),
        ("see \\(below\\) and \\[1\\]", 0),
        ("\\[link\\](https://x.example)", 0),
        ("$ x $", 0),
        ("$$", 0),
        ("<math><mi>x</mi></math>", 0),
    ],
)
def test_where_formulas_are(text: str, count: int) -> None:
    assert render(text).count("<math ") == count, render(text)


def test_failing_formulas_are_code() -> None:
    assert '<code class="language-math">\\frac{a</code>' in render("so $\\frac{a$ it is")
    assert '<pre><code class="language-math">\\frac{a</code></pre>' in render("```math\n\\frac{a\n```")
    assert '<code class="language-math">&lt;b \\x</code>' in render("$<b \\x$")


def test_a_formula_in_a_pictures_description_stays_words() -> None:
    assert 'alt="of $x_1$"' in render("![of $x_1$](a.png)")


def test_what_stands_for_formulas_cannot_be_guessed_or_left() -> None:
    made = render("$a$ $b$ " + "0" * 32 + ".0. text")
    assert made.count("<math ") == 2
    assert "0" * 32 + ".0." in made


HOSTILE = {
    "dollars": "$" * 200_000,
    "pairs": "$x$" * 60_000,
    "open": "$x " * 60_000,
    "two dollars": "$$x " * 50_000,
    "brackets": "\\(" * 100_000,
    "two backslashes": "\\\\(" * 60_000,
    "blocks": "$$\nx\n$$\n\n" * 20_000,
    "open blocks": "$$\nx\n" * 30_000,
    "long": "$" + "x^2+" * 40_000 + "$",
    "deep": "$" + "{" * 900 + "x" + "}" * 900 + "$\n\n",
    "deep, many": ("$" + "{" * 40 + "x" + "}" * 40 + "$ ") * 2_000,
    "fenced": "```math\n" + "x_1^2 " * 30_000 + "\n```",
    "fences": "```math\n" + "x_1^2 " * 200 + "\n```\n\n" + ("```math\n" + "a^b_c " * 300 + "\n```\n\n") * 100,
    "roots": ("$" + "\\sqrt{" * 39 + "x" + "}" * 39 + "$ ") * 500,
    "matrices": ("$" + "\\begin{matrix}a&b\\\\c&d\\end{matrix}" * 40 + "$ ") * 100,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_text_takes_long_or_becomes_huge(case: str) -> None:
    text = HOSTILE[case]
    begun = time.perf_counter()
    made = render(text)
    assert time.perf_counter() - begun < 10
    assert len(made) < max(200_000, 41 * len(text))

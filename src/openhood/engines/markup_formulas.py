"""Formulas in Markdown: where one begins and ends, and how it gets into the page past the cleaning of HTML.

``$…$``, ``$$…$$``, ``\\(…\\)``, ``\\[…\\]``, the same with two backslashes as the Hub's own documentation writes them, and
blocks fenced as ``math``. Prices and escaped brackets are no formulas.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from openhood.engines.formulas import MAX_CHARS, Allowance

INLINE, INLINE_BLOCK, BLOCK = "math_inline", "math_inline_double", "math_block"
_ENV = "formulas"
_BETWEEN = rf"(?:[^\\$]|\\.){{1,{MAX_CHARS}}}+"
_ONE_DOLLAR = re.compile(rf"\$(?![\s$])({_BETWEEN})(?<!\s)\$(?![A-Za-z0-9$])", re.DOTALL)
_TWO_DOLLARS = re.compile(rf"\$\$((?:[^\\$]|\\.|\$(?!\$)){{1,{MAX_CHARS}}}+)\$\$", re.DOTALL)
_BRACKETS = {"\\\\(": "\\\\)", "\\\\[": "\\\\]", "\\(": "\\)", "\\[": "\\]"}
_SIGN = re.compile(r"[\\^_={}+*/<>|]")
_STRONG_SIGN = re.compile(r"[\\^_=]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_COMMANDS = re.compile(r"\\[A-Za-z]+|\{[^{}]*\}")


class Formulas:
    """The formulas of one text. They are cleaned apart from it, so a token that nobody can guess stands for each."""

    def __init__(self) -> None:
        self._allowance = Allowance()
        self._nonce = secrets.token_hex(16)
        self._made: list[str] = []

    def place(self, latex: str, *, is_block: bool) -> str:
        """Return what stands for a formula until `put_in`; what cannot be one is shown as code at once."""
        made = self._allowance.convert(latex, is_block=is_block)
        if made is None:
            return f'<code class="language-math">{html.escape(latex.strip())}</code>'
        self._made.append(made)
        return f"{self._nonce}.{len(self._made) - 1}."

    def put_in(self, cleaned: str) -> str:
        """Put the formulas into cleaned HTML."""
        if not self._made:
            return cleaned
        return re.sub(rf"{self._nonce}\.(\d+)\.", lambda found: self._made[int(found[1])], cleaned)


def read_formulas(md: MarkdownIt) -> None:
    """Teach a parser to see formulas; what it parses needs an ``env`` of `make_env` to be rendered."""
    dollarmath_plugin(md, allow_labels=False, allow_blank_lines=False, double_inline=True)
    md.inline.ruler.at(INLINE, _formula)
    md.core.ruler.after("inline", "hub_formulas", _tidy)
    md.add_render_rule(INLINE, _render_inline)
    md.add_render_rule(INLINE_BLOCK, _render_inline)
    md.add_render_rule(BLOCK, _render_block)


def make_env(formulas: Formulas) -> dict[str, object]:
    """Return what the render rules need."""
    return {_ENV: formulas}


# --- finding -----------------------------------------------------------------------------------


def _formula(state: StateInline, silent: bool) -> bool:
    """Inline rule: one formula at this place, or nothing."""
    mark = state.src[state.pos]
    found = _dollars(state.src, state.pos) if mark == "$" else None
    if mark == "\\":
        found = _brackets(state.src, state.pos)
    if found is None:
        return False
    content, end, is_block = found
    if not silent:
        token = state.push(INLINE_BLOCK if is_block else INLINE, "math", 0)
        token.content = content
        token.markup = state.src[state.pos : end]
    state.pos = end
    return True


def _dollars(src: str, pos: int) -> tuple[str, int, bool] | None:
    if pos and (src[pos - 1].isalnum() or src[pos - 1] in "$\\"):
        return None
    if found := _TWO_DOLLARS.match(src, pos):
        return found[1], found.end(), True
    found = _ONE_DOLLAR.match(src, pos)
    if found is None:
        return None
    content = found[1]
    if content[0] == content[-1] == "`" and len(content) > 2:
        return content[1:-1], found.end(), False  # as GitHub writes what Markdown would take apart
    if "`" in content or _is_prose(content):
        return None
    return content, found.end(), False


def _is_prose(content: str) -> bool:
    """Tell whether what stands between two dollars are prices and words."""
    if not _SIGN.search(content):
        return " " in content and bool(_WORD.search(content))
    bare = _COMMANDS.sub("", content)
    return content[0].isdigit() and bool(_LONG_WORD.search(bare))


def _brackets(src: str, pos: int) -> tuple[str, int, bool] | None:
    opening = next((each for each in _BRACKETS if src.startswith(each, pos)), None)
    if opening is None:
        return None
    start = pos + len(opening)
    end = src.find(_BRACKETS[opening], start, start + MAX_CHARS + 4)
    content = src[start:end] if end > start else ""
    # One backslash before a bracket escapes it in Markdown: only what is plainly a formula counts as one.
    is_single = len(opening) == 2
    if not content.strip() or (
        is_single
        and not _STRONG_SIGN.search(content)
        and not (opening == "\\(" and len(content.strip()) == 1)
    ):
        return None
    return content, end + len(_BRACKETS[opening]), opening.endswith("[")


def _tidy(state: StateCore) -> None:
    """Make formulas of fenced blocks, and words of those in the description of a picture, which can hold no other."""
    for token in state.tokens:
        if token.type == "fence" and token.info.strip() == "math":
            token.type = BLOCK
        for child in token.children or ():
            if child.type == "image":
                for inside in child.children or ():
                    if inside.type in (INLINE, INLINE_BLOCK):
                        inside.type, inside.content = "text", inside.markup


# --- rendering ---------------------------------------------------------------------------------


def _render_inline(
    _self: RendererProtocol, tokens: Sequence[Token], at: int, _options: OptionsDict, env: EnvType
) -> str:
    formulas: Formulas = env[_ENV]
    return formulas.place(tokens[at].content, is_block=tokens[at].type == INLINE_BLOCK)


def _render_block(
    _self: RendererProtocol, tokens: Sequence[Token], at: int, _options: OptionsDict, env: EnvType
) -> str:
    formulas: Formulas = env[_ENV]
    placed = formulas.place(tokens[at].content, is_block=True)
    return f"<pre>{placed}</pre>\n" if placed.startswith("<") else f'<div class="formula">{placed}</div>\n'

"""Source files as lines of HTML with a class for each kind of word; safe to stand in a page.

Bounded: what is long, and what is in a language whose rules may take very long, stays plain.
"""

from __future__ import annotations

import re
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

MAX_PAINTED_CHARS = 60_000
_MAX_LINE_CHARS = 4_000
_FORMATTER = HtmlFormatter(nowrap=True)
_BY_ENDING = {
    "py": "python", "pyi": "python", "json": "json", "jsonl": "json", "ndjson": "json", "yaml": "yaml", "yml": "yaml",
    "toml": "toml", "ini": "ini", "cfg": "ini", "conf": "ini", "gitconfig": "ini", "diff": "diff", "patch": "diff",
    "js": "javascript", "mjs": "javascript", "cjs": "javascript", "ts": "typescript", "tsx": "tsx", "jsx": "jsx",
    "html": "html", "htm": "html", "xml": "xml", "svg": "xml", "css": "css", "sql": "sql", "c": "c", "h": "c",
    "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "hh": "cpp", "hpp": "cpp", "cu": "cuda", "cuh": "cuda", "rs": "rust",
    "go": "go", "java": "java", "kt": "kotlin", "swift": "swift", "rb": "ruby", "php": "php", "jl": "julia",
    "lua": "lua", "scala": "scala", "hs": "haskell", "cs": "csharp", "sh": "bash", "bash": "bash", "zsh": "bash",
    "ps1": "powershell", "md": "markdown", "markdown": "markdown", "tex": "latex", "cmake": "cmake", "r": "r",
    "jinja": "html+jinja", "jinja2": "html+jinja", "ipynb": "json",
}  # fmt: skip
_BY_NAME = {"dockerfile": "docker", "makefile": "make", "cmakelists.txt": "cmake", "config": "json"}
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def language_of(path: str) -> str | None:
    """Return the name of the language that a file's name says it is in, None for none that is painted."""
    name = path.rpartition("/")[2].lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    return _BY_ENDING.get(name.rpartition(".")[2]) if "." in name else None


def paint_lines(text: str, language: str | None) -> list[str]:
    """Return the lines of a text as HTML, without their ends; plain where painting would take too long."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lines = plain.split("\n")
    if (
        language is None
        or len(plain) > MAX_PAINTED_CHARS
        or max(map(len, lines), default=0) > _MAX_LINE_CHARS
    ):
        return [escape(line) for line in lines]
    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    painted = str(highlight(plain + "\n", lexer, _FORMATTER)).removesuffix("\n").split("\n")
    # A rule that swallows a line end would put every number after it beside another line.
    return painted if len(painted) == len(lines) else [escape(line) for line in lines]


def plain_of(text: str) -> str:
    """Return what a terminal was sent without its colours."""
    return _ANSI.sub("", text)

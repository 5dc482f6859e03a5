"""The program and the system that a user agent names, in a few words: what people know their sessions by.

Nothing depends on the answer but what a page shows; whoever sends a user agent writes into it what they like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A program with its version as people say it, such as ``Firefox 131``, and the system it runs on, if it told."""

    name: str
    system: str | None


# Browsers name those they want to be taken for as well: the first that is found is the one.
_BROWSERS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("Edge", r"\b(?:Edg|EdgA|EdgiOS)/(\d+)"),
        ("Opera", r"\bOPR/(\d+)"),
        ("Vivaldi", r"\bVivaldi/(\d+)"),
        ("Samsung Internet", r"\bSamsungBrowser/(\d+)"),
        ("Firefox", r"\b(?:Firefox|FxiOS)/(\d+)"),
        ("Chrome", r"\b(?:Chrome|HeadlessChrome|CriOS)/(\d+)"),
        ("Safari", r"\bVersion/(\d+)[^ ]*(?: Mobile/\w+)? Safari/"),
    )
)
# Android says that it is Linux, and an iPad that it is like Mac OS X.
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_TOOL = re.compile(r"([A-Za-z][\w.-]{0,40})/v?(\d+(?:\.\d+)?)")
_HUB = re.compile(r"\bhf_hub/(\d+(?:\.\d+)?)")
_NAMES = {"git-lfs": "Git LFS", "python-requests": "Python requests", "python-httpx": "Python httpx"}


def program_of(user_agent: str) -> Program | None:
    """Return the program that sent a user agent; None where it is none that is known.

    *Source*: RFC 9110, section 10.1.5; ``huggingface_hub.utils._headers._http_user_agent`` for its own.
    """
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), None)
    if user_agent.startswith("Mozilla/"):
        for name, pattern in _BROWSERS:
            found = pattern.search(user_agent)
            if found is not None:
                return Program(f"{name} {found[1]}", system)
        return None
    tool = _TOOL.match(user_agent)
    hub = _HUB.search(user_agent)
    if hub is not None:
        library = f"huggingface_hub {hub[1]}"
        is_alone = tool is None or tool[1] == "hf_hub"
        return Program(library if is_alone or tool is None else f"{_said(tool)}, {library}", system)
    return None if tool is None else Program(_said(tool), system)


def _said(tool: re.Match[str]) -> str:
    return f"{_NAMES.get(tool[1], tool[1])} {tool[2]}"

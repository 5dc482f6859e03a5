"""User agents in people's words: what the list of sessions calls the places where somebody is signed in.

How the page shows them is in the tests of pages.
"""

from __future__ import annotations

import pytest

from openhood.http.pages.programs import Program, program_of

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name", "system"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox 131", "Linux"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131", "Linux"),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36",
            "Chrome 131",
            "ChromeOS",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.70",
            "Edge 131",
            "Windows",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/130.0.0.0 Mobile Safari/537.36",
            "Chrome 130",
            "Android",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
            "Samsung Internet 27",
            "Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6"
            " Safari/605.1.15",
            "Safari 17",
            "macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " Version/17.6 Mobile/15E148 Safari/604.1",
            "Safari 17",
            "iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/131.0"
            " Mobile/15E148 Safari/605.1.15",
            "Firefox 131",
            "iPad",
        ),
        ("git/2.43.0", "git 2.43", None),
        ("git-lfs/3.5.1 (GitHub; linux amd64; go 1.22.2)", "Git LFS 3.5", None),
        ("curl/8.5.0", "curl 8.5", None),
        ("hf/1.2.3; hf_hub/1.2.3; python/3.11.7; torch/2.5.1", "hf 1.2, huggingface_hub 1.2", None),
        ("unknown/None; hf_hub/0.36.0; python/3.11.7", "huggingface_hub 0.36", None),
        (
            "transformers/4.57.1; hf_hub/0.36.0; python/3.11.7",
            "transformers 4.57, huggingface_hub 0.36",
            None,
        ),
        ("python-requests/2.32.3", "Python requests 2.32", None),
    ],
)
def test_programs_are_called_what_people_call_them(user_agent: str, name: str, system: str | None) -> None:
    assert program_of(user_agent) == Program(name, system)


@pytest.mark.parametrize(
    "user_agent",
    ["", "Mozilla/5.0", "Mozilla/5.0 (compatible; Something)", "?", "/1", "\0" * 300, "no version"],
)
def test_what_names_no_program_is_none(user_agent: str) -> None:
    assert program_of(user_agent) is None


def test_a_name_is_never_longer_than_a_line() -> None:
    # Where a word goes on for ever it is no name.
    assert program_of("a" * 300 + "/1") is None

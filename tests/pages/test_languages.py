"""Pages in another language than English: sentences, names of tasks and countries, numbers, and refusals."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

import openhood
from api.commits_client import commit
from openhood.base.settings import describe_all
from openhood.engines.diffs import settings, vocabularies
from openhood.http.pages import labels, refusals, setting_words, summaries
from openhood.http.pages.language import LANGUAGES
from openhood.http.pages.shown import Figures, count, grouped, size
from openhood.testing.hub import HubUnderTest

FRENCH = {"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"}
CARD = b"---\nlicense: other\npipeline_tag: text-generation\nlanguage: [nb, fr]\ntags: [home]\n---\n# Words\n"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"), headers=FRENCH)
    for name in ("words", "asked"):
        client.post("/api/repos/create", json={"name": name, "type": "model"}).raise_for_status()
    commit(client, "alice/words", {"README.md": CARD, "some.txt": b"a" * 1234})
    front = b"---\nextra_gated_fields:\n  Where: country\n---\n# Asked\n"
    commit(client, "alice/asked", {"README.md": front})
    client.put("/api/models/alice/asked/settings", json={"gated": "auto"}).raise_for_status()
    hub.run_jobs()
    return client


def get(client: httpx.Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:1000]
    return unescape(answer.text)


def test_every_sentence_is_translated() -> None:
    french = LANGUAGES["fr"]
    same = {"3D", "Audio", "Document", "Image"}
    for sentence in (
        *labels.sentences(),
        *refusals.SENTENCES,
        *summaries.sentences(),
        *setting_words.sentences(),
    ):
        assert sentence in same or french.gettext(sentence) != sentence, sentence


def test_names_of_lists_are_in_the_readers_language(alice: httpx.Client) -> None:
    for path in ("/alice/words", "/models"):
        text = get(alice, path).partition("<main")[2]
        assert "Génération de texte" in text
        assert "Norvégien bokmål" in text
        assert "Text Generation" not in text
        assert ">home<" in text  # a tag is its author's word, not one of the hub's


def test_countries_are_sorted_as_a_reader_looks_for_them(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = hub.client(hub.add_user("bob"), headers=FRENCH)
    text = get(bob, "/alice/asked/ask-access")
    names = re.findall(r'<option value="[A-Z]{2}">([^<]+)<', text)
    assert names.index("Allemagne") < names.index("Égypte") < names.index("Espagne") < names.index("Suisse")
    assert "Germany" not in names
    english = get(hub.client(hub.add_user("eve")), "/alice/asked/ask-access")
    assert 'value="DE">Germany<' in english


def test_numbers_are_written_as_the_language_does(alice: httpx.Client) -> None:
    french = Figures(decimal=",", group="\u202f", byte="o")
    assert LANGUAGES["fr"].figures == french
    assert (size(4_100_000, french), size(532, french)) == ("4,1 Mo", "532 o")
    assert (count(1_234, french), grouped(1_234_567, french)) == ("1,2k", "1\u202f234\u202f567")
    assert (size(4_100_000), count(1_234), grouped(1_234_567)) == ("4.1 MB", "1.2k", "1,234,567")
    assert "1,2 ko" in get(alice, "/alice/words/tree/main")


def test_refusals_are_told_in_the_readers_language(hub: HubUnderTest, alice: httpx.Client) -> None:
    for path, said in (
        ("/alice/nothing", "Dépôt introuvable"),
        ("/alice/words/blob/main/no.txt", "Il n’y a pas de «\u00a0no.txt\u00a0» à cette révision."),
        ("/nobody-here", "Aucun utilisateur ni organisation ne s’appelle 'nobody-here'."),
    ):
        text = get(alice, path, 404)
        assert said in text
        assert "<h1>Il n’y a rien ici</h1>" in text
    answer = hub.client(headers=FRENCH).post(
        "/login", data={"name": "alice", "password": "wrong", "next": "/"}
    )
    assert "Nom ou mot de passe incorrect." in unescape(answer.text)


def test_settings_are_described_in_the_readers_language(hub: HubUnderTest) -> None:
    boss = hub.client(hub.add_user("boss", admin=True), headers=FRENCH)
    text = get(boss, "/admin/settings").partition("<main")[2]
    assert "Qui peut créer un compte sans administrateur." in text
    for name, english in describe_all().items():
        assert english not in text, name


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("1 tensor added; 3,000 tensors removed", "1 tenseur ajouté; 3\u202f000 tenseurs supprimés"),
        (
            "2 of 12 tensors changed by 0.4 % (relative L2), most 'a; b' by 3 %",
            "2 of 12 tensors changed by 0.4 % (relative L2), most 'a; b' by 3 %",
        ),
        (
            "2 of 12 tensors changed by 0.4 % (relative L2), most 'a' by 3 %",
            "2 tenseurs sur 12 modifiés de 0,4 % (L2 relative), surtout «\u00a0a\u00a0» de 3 %",
        ),
        ("llama: 4 tensors, 1,024 parameters (BF16)", "llama: 4 tenseurs, 1\u202f024 paramètres (BF16)"),
        ("text: 2 lines added, 1 removed", "texte\u00a0: lignes ajoutées\u00a0: 2, supprimées\u00a0: 1"),
        ("The file could not be understood (OSError).", "Le fichier n’a pas pu être compris (OSError)."),
        ("'a.json' is not valid JSON: {0}.", "«\u00a0a.json\u00a0» n’est pas du JSON valide\u00a0: {0}."),
    ],
)
def test_reviews_are_told_in_the_readers_language(english: str, french: str) -> None:
    assert summaries.told(LANGUAGES["fr"], english) == french
    assert summaries.told(LANGUAGES["en"], english) == english


def test_what_is_compared_is_told_in_the_readers_language() -> None:
    """A sentence that changes where it is made would silently be English again."""
    before = {"hidden_act": "relu", "layers": 2, "same": 1}
    compared = [
        settings.compare_documents(before, {"hidden_act": "gelu", "layers": 3, "same": 1}),
        settings.compare_documents({}, before),
        vocabularies.compare_tokens({"a": 0, "b": 1}, {"a": 1, "c": 2}),
        vocabularies.compare_tokens({"a": 0}, {"a": 0}),
    ]
    for said in compared:
        summary = str(said["summary"])
        parts = zip(summary.split("; "), summaries.told(LANGUAGES["fr"], summary).split("; "), strict=True)
        assert all(one != other for one, other in parts), summary


def test_refusals_of_programs_stay_english(alice: httpx.Client) -> None:
    answer = alice.get("/api/models/alice/nothing")
    assert answer.json()["error"] == "Repository not found"
    assert answer.headers["X-Error-Message"] == "Repository not found"


def test_what_a_refusal_names_stays_text(alice: httpx.Client) -> None:
    name = "{0.__class__}<script>"
    answer = alice.get("/alice/words/blob/main/" + name)
    assert answer.status_code == 404
    assert "<script>" not in answer.text.partition("<main")[2]
    assert name in unescape(answer.text)


def test_every_sentence_is_one_that_is_raised() -> None:
    """A sentence that changes where it is raised would silently be English again."""
    written = _written()
    for sentence in refusals.SENTENCES:
        assert any(_is_alike(sentence, each) for each in written), sentence


def _is_alike(sentence: str, shape: str) -> bool:
    # Where a sentence has a gap there may be a whole part in the program, such as the type and the name of a repository.
    # And before it what more there is to say.
    pattern = r"(?:\{\})?" + re.escape(sentence).replace(r"\{\}", ".+?")
    return re.fullmatch(pattern, shape, re.DOTALL) is not None


def _written() -> set[str]:
    """Return all texts of the program, with ``{}`` where a value stands in them."""
    found: set[str] = set()
    for path in Path(openhood.__file__).parent.rglob("*.py"):
        if path.name in ("refusals.py", "summaries.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values))
    return found

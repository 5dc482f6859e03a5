"""How to use a repository with each library: short programs with this hub's address and the repository's name in them.

Pure: nothing is looked up here, and nobody's words but checked names stand in a program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from openhood.base.names import RepoType
from openhood.domain.repos.listing_rows import Listed
from openhood.engines.formats import vocabulary
from openhood.http.pages import repo_library_snippets as libraries

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,80}")
_GGUF_SHARD = re.compile(r"-0000[2-9]-of-|-000[1-9]\d-of-")
_TABULAR = (".parquet", ".csv", ".tsv", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to use a repository. ``language`` is what it is written in, for painting: python, bash, javascript or sql."""

    name: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What programs are made for. ``paths`` are the files, None where there are too many to know."""

    listed: Listed
    hub_url: str
    revision: str
    paths: Sequence[str] | None

    @property
    def id(self) -> str:
        """``namespace/name``."""
        return str(self.listed.repo.repo_id)

    @property
    def type(self) -> RepoType:
        """What kind of repository it is."""
        return self.listed.repo.type

    @property
    def is_at_main(self) -> bool:
        """Whether no revision has to be named."""
        return self.revision == "main"

    def python(self, body: str) -> str:
        """Return a program that asks this hub."""
        return f'import os\n\nos.environ["HF_ENDPOINT"] = {json.dumps(self.hub_url)}\n\n{body}'

    def pinned(self, before: str = ", ") -> str:
        """Return the argument that names the revision, where one is needed."""
        return "" if self.is_at_main else f"{before}revision={json.dumps(self.revision)}"

    def url(self, path: str) -> str:
        """Return the address of a file."""
        return f"{self.hub_url}{quote(self.listed.repo.web_path)}/resolve/{quote(self.revision, safe='')}/{quote(path)}"


def snippets_of(subject: Subject) -> list[Snippet]:
    """Return the ways to use a repository, the most fitting first."""
    found: list[Snippet] = []
    if subject.type is RepoType.MODEL:
        found += _of_model(subject)
    elif subject.type is RepoType.DATASET:
        found += _of_dataset(subject)
    return [*found, *_of_any(subject)]


# --- models -----------------------------------------------------------------------------------------


def _of_model(subject: Subject) -> Iterator[Snippet]:
    tags = set(subject.listed.tip.tags)
    library = subject.listed.tip.library_name
    names = [each for each in (library,) if each]
    names += [each for each in _MODEL_LIBRARIES if each in tags and each not in names]
    is_any = False
    for name in names:
        make = _MODEL_LIBRARIES.get(name)
        text = "" if make is None else make(subject)
        if text:
            is_any = True
            label = "llama.cpp" if name == "gguf" else vocabulary.label_of("library", name)
            yield Snippet(label, text, _WRITTEN_IN.get(name, "python"))
    served = libraries.served(subject)
    if served:
        yield Snippet("vLLM", served, "bash")
    opened = "" if is_any else libraries.tensors(subject)
    if opened:
        yield Snippet("safetensors", opened, "python")


def _transformers(subject: Subject) -> str:
    tip = subject.listed.tip
    info = tip.extras.get("transformersInfo")
    info = info if isinstance(info, dict) else {}
    trusted = ", trust_remote_code=True" if "custom_code" in tip.tags else ""
    given = f"{json.dumps(subject.id)}{subject.pinned()}{trusted}"
    parts = []
    if tip.pipeline_tag in vocabulary.tasks():
        parts.append(
            "from transformers import pipeline\n\n"
            f"pipe = pipeline({json.dumps(tip.pipeline_tag)}, model={given})"
        )
    auto, processor = info.get("auto_model"), info.get("processor")
    auto = auto if isinstance(auto, str) and _NAME.fullmatch(auto) else "AutoModel"
    lines = [f"model = {auto}.from_pretrained({given})"]
    names = [auto]
    if isinstance(processor, str) and _NAME.fullmatch(processor):
        names.insert(0, processor)
        said = "tokenizer" if "Tokenizer" in processor else "processor"
        lines.insert(0, f"{said} = {processor}.from_pretrained({given})")
    direct = f"from transformers import {', '.join(names)}\n\n" + "\n".join(lines)
    parts.append(("# Or load it directly\n" if parts else "") + direct)
    return subject.python("\n\n".join(parts))


def _diffusers(subject: Subject) -> str:
    return subject.python(
        "from diffusers import DiffusionPipeline\n\n"
        f"pipe = DiffusionPipeline.from_pretrained({json.dumps(subject.id)}{subject.pinned()})\n"
        'image = pipe("An astronaut riding a horse").images[0]'
    )


def _sentence_transformers(subject: Subject) -> str:
    return subject.python(
        "from sentence_transformers import SentenceTransformer\n\n"
        f"model = SentenceTransformer({json.dumps(subject.id)}{subject.pinned()})\n"
        'embeddings = model.encode(["That is a happy person", "That is a very happy person"])'
    )


def _peft(subject: Subject) -> str:
    return subject.python(
        "from peft import AutoPeftModel\n\n"
        f"model = AutoPeftModel.from_pretrained({json.dumps(subject.id)}{subject.pinned()})"
    )


def _timm(subject: Subject) -> str:
    return subject.python(
        f"import timm\n\nmodel = timm.create_model({json.dumps('hf_hub:' + subject.id)}, pretrained=True)"
    )


def _setfit(subject: Subject) -> str:
    return subject.python(
        "from setfit import SetFitModel\n\n"
        f"model = SetFitModel.from_pretrained({json.dumps(subject.id)}{subject.pinned()})"
    )


def _gguf(subject: Subject) -> str:
    files = [each for each in subject.paths or () if each.endswith(".gguf") and not _GGUF_SHARD.search(each)]
    file = files[0] if files else "model.gguf"
    revision = "" if subject.is_at_main else f" --revision {_quoted(subject.revision)}"
    return (
        f"export HF_ENDPOINT={_quoted(subject.hub_url)}\n"
        f"hf download {subject.id} {_quoted(file)}{revision} --local-dir .\n"
        f'llama-cli -m {_quoted("./" + file)} -p "Once upon a time"\n\n'
        f"# Or let llama.cpp fetch it\nllama-server -hf {subject.id}"
    )


_MODEL_LIBRARIES = {
    "gguf": _gguf,
    "sentence-transformers": _sentence_transformers,
    "peft": _peft,
    "setfit": _setfit,
    "diffusers": _diffusers,
    "timm": _timm,
    "transformers": _transformers,
    **libraries.LIBRARIES,
}
_WRITTEN_IN = {"gguf": "bash", "spacy": "bash", "transformers.js": "javascript"}


# --- datasets ---------------------------------------------------------------------------------------


def _of_dataset(subject: Subject) -> Iterator[Snippet]:
    yield Snippet(
        "Datasets",
        subject.python(
            f"from datasets import load_dataset\n\nds = load_dataset({json.dumps(subject.id)}{subject.pinned()})"
        ),
        "python",
    )
    files = [each for each in subject.paths or () if each.endswith(_TABULAR) and not each.startswith(".")]
    files.sort(key=lambda each: not each.endswith(".parquet"))
    if not files:
        return
    file = files[0]
    ending = file.rpartition(".")[2]
    reads = {"parquet": "read_parquet", "csv": "read_csv", "tsv": "read_csv", "jsonl": "read_ndjson"}
    url = json.dumps(subject.url(file))
    at = "" if subject.is_at_main else "@" + quote(subject.revision, safe="")
    pandas = reads.get(ending, "read_json").replace("ndjson", "json")
    more = ", lines=True" if ending == "jsonl" else ', sep="\\t"' if ending == "tsv" else ""
    yield Snippet(
        "pandas",
        subject.python(
            "import pandas as pd\n\n"
            f"df = pd.{pandas}({json.dumps(f'hf://datasets/{subject.id}{at}/{file}')}{more})"
        ),
        "python",
    )
    if ending in ("parquet", "csv"):
        yield Snippet(
            "Dask",
            subject.python(
                "import dask.dataframe as dd\n\n"
                f"df = dd.{pandas}({json.dumps(f'hf://datasets/{subject.id}{at}/{file}')})"
            ),
            "python",
        )
    separator = ', separator="\\t"' if ending == "tsv" else ""
    yield Snippet(
        "Polars",
        f"import polars as pl\n\ndf = pl.{reads.get(ending, 'read_json')}({url}{separator})",
        "python",
    )
    address = subject.url(file).replace("'", "''")
    yield Snippet("DuckDB", f"INSTALL httpfs; LOAD httpfs;\n\nSELECT * FROM '{address}' LIMIT 10;", "sql")
    if subject.is_at_main:
        described = json.dumps(f"{subject.hub_url}/api/datasets/{subject.id}/croissant")
        yield Snippet(
            "Croissant",
            f"from mlcroissant import Dataset\n\nds = Dataset(jsonld={described})\nprint(ds.metadata.record_sets)",
            "python",
        )


# --- every repository -------------------------------------------------------------------------------


def _of_any(subject: Subject) -> Iterator[Snippet]:
    kind = "" if subject.type is RepoType.MODEL else f" --repo-type {subject.type.value}"
    said = "" if subject.type is RepoType.MODEL else f', repo_type="{subject.type.value}"'
    revision = "" if subject.is_at_main else f" --revision {_quoted(subject.revision)}"
    yield Snippet(
        "hf",
        f"export HF_ENDPOINT={_quoted(subject.hub_url)}\nhf download {subject.id}{kind}{revision}",
        "bash",
    )
    yield Snippet(
        "huggingface_hub",
        subject.python(
            "from huggingface_hub import snapshot_download\n\n"
            f"path = snapshot_download({json.dumps(subject.id)}{said}{subject.pinned()})"
        ),
        "python",
    )
    branch = "" if subject.is_at_main else f" --branch {_quoted(subject.revision)}"
    yield Snippet(
        "git",
        f"git lfs install\ngit clone{branch} {_quoted(subject.hub_url + quote(subject.listed.repo.web_path))}\n\n"
        "# Without the large files\n"
        f"GIT_LFS_SKIP_SMUDGE=1 git clone{branch} {_quoted(subject.hub_url + quote(subject.listed.repo.web_path))}",
        "bash",
    )


def _quoted(text: str) -> str:
    """Return a word of a shell's command."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def citation_of(subject: Subject) -> str:
    """Return a BibTeX entry for a repository whose card gives none."""
    repo = subject.listed.repo
    key = re.sub(r"[^A-Za-z0-9]+", "_", subject.id).strip("_").lower()
    title = repo.repo_id.name.replace("_", r"\_")
    return (
        f"@misc{{{key},\n"
        f"  title = {{{title}}},\n"
        f"  author = {{{repo.repo_id.namespace}}},\n"
        f"  year = {{{repo.last_modified.year}}},\n"
        f"  url = {{{subject.hub_url}{quote(repo.web_path)}}}\n"
        "}"
    )

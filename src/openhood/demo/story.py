"""The story of the demonstration: who makes what, who says what to whom, and when. Doing it twice does it once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openhood.base.errors import Conflict
from openhood.base.names import RepoId, RepoType
from openhood.demo import cards, tables, visits, weights
from openhood.demo.stage import Stage
from openhood.domain.access import OrgRole
from openhood.domain.accounts import rows as account_rows
from openhood.domain.community import collections, follows
from openhood.domain.community.types import NewItem
from openhood.domain.discovery import likes
from openhood.domain.discussions import actions as talk
from openhood.domain.discussions import merging, moderating
from openhood.domain.gating import actions as gating
from openhood.domain.repos import tags
from openhood.domain.services import Services

MODEL, DATASET, SPACE = RepoType.MODEL, RepoType.DATASET, RepoType.SPACE
ORG = "fjord-labs"
PEOPLE = ("ada", "mateo", "yuki", "amina")
LM, CHAT, GGUF = f"{ORG}/fjord-tiny-lm", f"{ORG}/fjord-tiny-lm-chat", f"{ORG}/fjord-tiny-lm-chat-GGUF"
REPORTS, BIRDS, DIARY = f"{ORG}/harbour-reports", "ada/garden-birds", "amina/coffee-diary"
VIT, SENTIMENT, KANA = "ada/garden-bird-vit", "mateo/sentiment-mini", "yuki/kana-ocr"


def tell(sv: Services, *, password: str) -> list[str]:
    """Fill a hub; what is there already stays as it is. Returns what was made, in words. Opens many units.

    Args: ``password`` becomes that of the people who are made now. The first of them administrates a hub that nobody
    administrates yet.
    """
    stage = Stage.on(sv)
    with sv.db.read() as tx:
        needs_admin = not account_rows.has_active_admin(tx)
    _people(stage, password=password, needs_admin=needs_admin)
    chapters: tuple[Callable[[Stage], None], ...] = (
        _reports,
        _language_model,
        _chat,
        _quantized,
        _diary_and_sentiment,
        _birds,
        _kana,
        _spaces,
        _adapter_and_notes,
        _liking,
        _collecting,
        _visiting,
    )
    for chapter in chapters:
        chapter(stage)
    return stage.made


def _people(stage: Stage, *, password: str, needs_admin: bool) -> None:
    stage.days_ago(200)
    told = (
        ("ada", "Ada Lindqvist", "Small models, honest tables. Bird feeder operator."),
        ("mateo", "Mateo Ruiz", "Text classification and too much coffee."),
        ("yuki", "Yuki Tanabe", "Handwriting, strokes, patience."),
        ("amina", "Amina Diallo", "Data first. Keeps diaries of everything."),
    )
    for name, fullname, details in told:
        stage.user(name, fullname, details, password=password, is_admin=needs_admin and name == "ada")
        stage.later(20)
    stage.org(
        ORG,
        "Fjord Labs",
        "A reading group that trains models small enough to look at.",
        members={"ada": OrgRole.ADMIN, "amina": OrgRole.WRITE, "yuki": OrgRole.WRITE, "mateo": OrgRole.READ},
    )
    for who, whom in (
        ("mateo", "ada"),
        ("yuki", "ada"),
        ("amina", "ada"),
        ("ada", "amina"),
        ("yuki", "mateo"),
    ):
        follows.follow(stage.sv, stage.be(who), name=whom, kind="user")
    for who in ("mateo", "yuki"):
        follows.follow(stage.sv, stage.be(who), name=ORG, kind="org")


def _reports(stage: Stage) -> None:
    stage.days_ago(180)
    files = {
        "README.md": cards.HARBOUR,
        "data/train-00000-of-00001.parquet": tables.harbour_reports(rows=2000, seed=1),
        "data/test-00000-of-00001.parquet": tables.harbour_reports(rows=400, seed=2),
    }
    if not stage.repo("amina", DATASET, REPORTS, files):
        return
    stage.later(30)
    fixed = tables.harbour_reports(rows=1960, seed=1)
    number = stage.commit(
        "yuki",
        DATASET,
        REPORTS,
        "Drop 40 reports that came twice",
        {"data/train-00000-of-00001.parquet": fixed},
        description="Found while counting ships a day; the last forty rows repeat others.",
        is_proposal=True,
    )
    stage.later(5)
    _say(stage, "amina", DATASET, REPORTS, number, "Well spotted. The test split is not touched, is it?")
    stage.later(1)
    _say(stage, "yuki", DATASET, REPORTS, number, "It is not. I compared the ids of both.")
    stage.later(2)
    _merge(stage, "amina", DATASET, REPORTS, number, "Thank you, merged.")
    stage.later(100)
    question = _ask(
        stage,
        "mateo",
        DATASET,
        REPORTS,
        "Are the delays minutes or quarters of an hour?",
        "The card says minutes, but many values are multiples of five. Are they rounded?",
    )
    stage.later(3)
    _say(stage, "amina", DATASET, REPORTS, question, "Minutes, not rounded: the generator draws them from a "
         "normal distribution around 60 in gale and fog, else around 8.\n\n```python\nmax(0, round(gauss(60, 20)))\n```")  # fmt: skip
    stage.later(9)
    talk.change_status(
        stage.sv, stage.be("mateo"), repo_type=DATASET, repo_id=RepoId.parse(REPORTS), number=question,
        status="closed", comment="Clear now, thanks!",
    )  # fmt: skip


def _lm_shapes() -> weights.Shapes:
    return weights.llama(hidden=cards.HIDDEN, inner=cards.INNER, layers=cards.LAYERS, words=cards.WORDS)


def _language_model(stage: Stage) -> None:
    stage.days_ago(150)
    tensors = weights.make(_lm_shapes(), seed=7)
    files = {
        "README.md": cards.TINY_LM,
        "config.json": cards.llama_config(),
        "generation_config.json": cards.config(max_new_tokens=128, temperature=0.8, eos_token_id=2),
        "tokenizer_config.json": cards.tokenizer_config(),
        "model.safetensors": weights.safetensors(tensors),
    }
    if not stage.repo("ada", MODEL, LM, files):
        return
    stage.later(50)
    stage.commit("ada", MODEL, LM, "Train four epochs more", {
        "model.safetensors": weights.safetensors(_moved(tensors, "model.layers.", 0.002)),
    })  # fmt: skip
    stage.later(40)
    tags.create_tag(
        stage.sv, stage.be("ada"), repo_type=MODEL, repo_id=RepoId.parse(LM), revision="main", tag="v1.0",
        message="The first release",
    )  # fmt: skip
    stage.later(300)
    stage.commit("amina", MODEL, LM, "Say where the data comes from", {
        "README.md": cards.TINY_LM.replace(b"It is meant for teaching", b"It learned from synthetic data only. It is meant for teaching"),
    })  # fmt: skip
    _talk_about_language_model(stage)
    _keep_log(stage)
    stage.days_ago(6)
    longer = {
        "config.json": cards.llama_config(max_position_embeddings=4096, rope_theta=50000.0),
        "model.safetensors": weights.safetensors(_moved(tensors, "model.layers.3.mlp", 0.05)),
    }
    number = stage.commit(
        "mateo",
        MODEL,
        LM,
        "Twice the context, last layer trained anew",
        longer,
        description="Continues training of the last layer on reports that were joined to 4,096 words. "
        "Perplexity on the test split goes from 14.2 to 13.9.",
        is_proposal=True,
    )
    stage.later(20)
    _say(stage, "ada", MODEL, LM, number, "Nice. Which share of the batch was long? I would like to see that short "
         "reports do not suffer. @amina, could you run the evaluation again?")  # fmt: skip
    stage.later(6)
    _say(stage, "amina", MODEL, LM, number, "Running it tonight. First look:\n\n| split | before | after |\n|---|---:|---:|\n"
         "| short | 14.2 | 14.3 |\n| long | 31.0 | 18.5 |")  # fmt: skip


def _talk_about_language_model(stage: Stage) -> None:
    stage.days_ago(90)
    pinned = _ask(stage, "ada", MODEL, LM, "Read this first: what the model can and cannot do",
                  "It knows eight harbours. Please **do not** report that it fails at anything else.\n\n"
                  "Good questions to ask here:\n\n- [x] how it was trained\n- [ ] how to train your own\n")  # fmt: skip
    moderating.set_pinned(
        stage.sv, stage.be("ada"), repo_type=MODEL, repo_id=RepoId.parse(LM), number=pinned, is_pinned=True
    )
    stage.later(200)
    question = _ask(stage, "yuki", MODEL, LM, "Why is the vocabulary so small?",
                    "1,024 pieces seem few, even for ships. Did you try 4,096?")  # fmt: skip
    stage.later(4)
    _say(stage, "ada", MODEL, LM, question, "We did: the embeddings would be two thirds of the model then, and "
         f"perplexity did not move. The table is in #{pinned}.")  # fmt: skip
    stage.later(2)
    _say(
        stage,
        "mateo",
        MODEL,
        LM,
        question,
        "+1 for keeping it. It is the only model I can print on one page.",
    )


def _keep_log(stage: Stage) -> None:
    """Write a log of training, an evening at a time."""
    lines = ["# Training log\n"]
    for number, days in enumerate((84, 79, 71, 62, 55, 47, 38, 29, 21, 13)):
        stage.days_ago(days)
        lines.append(
            f"- run {number + 1}: loss {2.91 - 0.03 * number:.2f}, perplexity {14.9 - 0.07 * number:.1f}\n"
        )
        by = ("ada", "amina", "yuki")[number % 3]
        stage.commit(by, MODEL, LM, f"Log run {number + 1}", {"TRAINING.md": "".join(lines).encode()})


def _chat(stage: Stage) -> None:
    stage.days_ago(110)
    tensors = _moved(weights.make(_lm_shapes(), seed=7), "model.", 0.01)
    files = {
        "README.md": cards.TINY_CHAT,
        "config.json": cards.llama_config(),
        "tokenizer_config.json": cards.tokenizer_config(chat_template=cards.CHAT_TEMPLATE),
        "model.safetensors": weights.safetensors(tensors),
    }
    if not stage.repo("ada", MODEL, CHAT, files):
        return
    stage.later(70)
    number = stage.commit("yuki", MODEL, CHAT, "Stop at the end of an answer", {
        "generation_config.json": cards.config(max_new_tokens=256, temperature=0.7, eos_token_id=[2, 5]),
    }, is_proposal=True)  # fmt: skip
    stage.later(3)
    _merge(stage, "ada", MODEL, CHAT, number, "It does stop now.")


def _quantized(stage: Stage) -> None:
    stage.days_ago(80)
    tensors = _moved(weights.make(_lm_shapes(), seed=7), "model.", 0.01)
    words = ["<unk>", "<s>", "</s>", *(f"▁w{number}" for number in range(cards.WORDS - 3))]
    made = weights.gguf(
        tensors,
        name="Fjord Tiny LM Chat",
        context=2048,
        layers=cards.LAYERS,
        hidden=cards.HIDDEN,
        words=words,
    )
    stage.repo("amina", MODEL, GGUF, {
        "README.md": cards.TINY_GGUF, "fjord-tiny-lm-chat.Q8_0.gguf": made,
    })  # fmt: skip


def _diary_and_sentiment(stage: Stage) -> None:
    stage.days_ago(130)
    diary = {"README.md": cards.COFFEE, "diary.csv": tables.coffee_diary(rows=480, seed=3)}
    if stage.repo("amina", DATASET, DIARY, diary):
        for week in range(1, 15):
            stage.days_ago(130 - 9 * week)
            stage.commit("amina", DATASET, DIARY, f"Week {week}", {
                "diary.csv": tables.coffee_diary(rows=480 + 14 * week, seed=3),
            })  # fmt: skip
    stage.days_ago(60)
    inputs = {"word_embeddings.weight": (2048, 48), "position_embeddings.weight": (128, 48)}
    tensors = weights.make(weights.encoder("bert", hidden=48, layers=2, inputs=inputs, labels=3), seed=11)
    labels = {"0": "sad", "1": "so-so", "2": "happy"}
    files = {
        "README.md": cards.SENTIMENT,
        "config.json": cards.config(
            architectures=["BertForSequenceClassification"], model_type="bert", hidden_size=48,
            num_hidden_layers=2, vocab_size=2048, id2label=labels, label2id={word: int(key) for key, word in labels.items()},
        ),
        "tokenizer_config.json": cards.tokenizer_config(),
        "model.safetensors": weights.safetensors(tensors, dtype="F16"),
    }  # fmt: skip
    if stage.repo("mateo", MODEL, SENTIMENT, files):
        stage.later(60)
        _ask(stage, "amina", MODEL, SENTIMENT, "“a bit flat” is sad, not so-so",
             "All flat cups in my diary have a score below 5. Could the labels come from the score?")  # fmt: skip


def _birds(stage: Stage) -> None:
    stage.days_ago(100)
    pictures = tables.birds(of_each=12, seed=5)
    stage.repo("ada", DATASET, BIRDS, {"README.md": cards.BIRDS, **pictures})
    stage.days_ago(70)
    inputs = {"cls_token": (1, 1, 48), "patch_embeddings.projection.weight": (48, 3, 16, 16)}
    tensors = weights.make(weights.encoder("vit", hidden=48, layers=3, inputs=inputs, labels=3), seed=13)
    stage.repo("ada", MODEL, VIT, {
        "README.md": cards.BIRD_VIT,
        "sample.png": pictures["train/robin/000.png"],
        "config.json": cards.config(
            architectures=["ViTForImageClassification"], model_type="vit", hidden_size=48, num_hidden_layers=3,
            image_size=96, patch_size=16, id2label={"0": "robin", "1": "blue tit", "2": "blackbird"},
        ),
        "preprocessor_config.json": cards.config(size={"height": 96, "width": 96}, do_normalize=True),
        **weights.sharded(tensors, count=2),
    })  # fmt: skip


def _kana(stage: Stage) -> None:
    stage.days_ago(50)
    stage.repo("yuki", DATASET, "yuki/kana-strokes", {
        "README.md": cards.KANA, "strokes.jsonl": tables.kana(rows=500, seed=17),
    })  # fmt: skip
    inputs = {"patch_embeddings.projection.weight": (32, 1, 8, 8)}
    tensors = weights.make(weights.encoder("vit", hidden=32, layers=2, inputs=inputs, labels=46), seed=19)
    files = {
        "README.md": cards.KANA_OCR,
        "LICENSE": b"For research only.\n",
        "config.json": cards.config(model_type="vision-encoder-decoder", architectures=["VisionEncoderDecoderModel"]),
        "model.safetensors": weights.safetensors(tensors, dtype="F32"),
    }  # fmt: skip
    if not stage.repo("yuki", MODEL, KANA, files, gated="manual"):
        return
    answers = {"Institution": "Universidad de Sevilla", "Country": "ES", "Purpose": "Teaching"}
    for who, days in (("mateo", 4), ("amina", 2)):
        stage.days_ago(days)
        gating.ask(
            stage.sv,
            stage.be(who),
            repo_type=MODEL,
            repo_id=RepoId.parse(KANA),
            answers=answers | {"I will not try to recognise the writers": "true"},
            country=None,
        )


def _spaces(stage: Stage) -> None:
    stage.days_ago(40)
    stage.repo("mateo", SPACE, "mateo/happy-coffee", {
        "README.md": cards.SPACE, "index.html": cards.SPACE_PAGE, "style.css": cards.SPACE_STYLE,
    }, sdk="static")  # fmt: skip
    stage.later(60)
    stage.repo("yuki", SPACE, f"{ORG}/tide-table", {
        "README.md": cards.TIDE_SPACE, "index.html": cards.TIDE_PAGE, "style.css": cards.SPACE_STYLE,
    }, sdk="static")  # fmt: skip


def _adapter_and_notes(stage: Stage) -> None:
    stage.days_ago(30)
    adapter = weights.make(weights.lora(hidden=cards.HIDDEN, layers=cards.LAYERS, rank=8), seed=23)
    stage.repo("amina", MODEL, "amina/fish-soup-lora", {
        "README.md": cards.TRIPLETS,
        "adapter_config.json": cards.config(
            peft_type="LORA", base_model_name_or_path=LM, r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"],
        ),
        "adapter_model.safetensors": weights.safetensors(adapter, dtype="F32"),
    })  # fmt: skip
    stage.days_ago(12)
    stage.repo("ada", MODEL, "ada/next-experiment", {
        "README.md": cards.card("---\nlicense: mit\n---\n# Next experiment\n\nNot ready to be seen.\n"),
        "notes.md": b"# Notes\n\n- try 8 layers\n- ask Yuki about the strokes\n",
    }, visibility="private")  # fmt: skip


def _liking(stage: Stage) -> None:
    liked = {
        "ada": ((DATASET, REPORTS), (MODEL, SENTIMENT), (SPACE, "mateo/happy-coffee"), (DATASET, DIARY)),
        "mateo": ((MODEL, LM), (MODEL, CHAT), (DATASET, DIARY), (MODEL, VIT)),
        "yuki": ((MODEL, LM), (DATASET, REPORTS), (MODEL, GGUF), (SPACE, "mateo/happy-coffee")),
        "amina": ((MODEL, LM), (MODEL, VIT), (DATASET, BIRDS), (MODEL, SENTIMENT)),
    }
    for number, (who, things) in enumerate(liked.items()):
        stage.days_ago(9 - 2 * number)
        for kind, name in things:
            likes.like(stage.sv, stage.be(who), repo_type=kind, repo_id=RepoId.parse(name))
            stage.later(1)


def _collecting(stage: Stage) -> None:
    stage.days_ago(15)
    _collect(stage, "ada", ORG, "Small enough for a laptop", "Everything here trains in minutes.", "green", (
        NewItem("model", LM, "The one to begin with: look at its tensors."),
        NewItem("model", CHAT, "The same, but it answers."),
        NewItem("model", GGUF, "For llama.cpp."),
        NewItem("dataset", REPORTS, "What all of them learned from."),
    ))  # fmt: skip
    stage.later(30)
    _collect(stage, "amina", None, "Coffee, measured", "A diary and what came of it.", "orange", (
        NewItem("dataset", DIARY, "Two cups a day."),
        NewItem("model", SENTIMENT, None),
        NewItem("space", "mateo/happy-coffee", "Try it here."),
    ))  # fmt: skip


def _visiting(stage: Stage) -> None:
    visits.count(stage, {
        (MODEL, LM): 41, (MODEL, CHAT): 23, (MODEL, GGUF): 57, (MODEL, SENTIMENT): 12, (MODEL, VIT): 8, (MODEL, KANA): 1,
        (DATASET, REPORTS): 18, (DATASET, BIRDS): 9, (DATASET, DIARY): 4, (SPACE, "mateo/happy-coffee"): 3,
    })  # fmt: skip


# --- small deeds -----------------------------------------------------------------------------------


def _moved(tensors: weights.Tensors, prefix: str, by: float) -> dict[str, weights.Tensor]:
    """Return tensors as after some training: those whose names begin so are a little different."""
    chance = np.random.default_rng(99)
    return {
        name: (tensor + by * chance.standard_normal(tensor.shape)).astype(np.float32)
        if name.startswith(prefix)
        else tensor
        for name, tensor in tensors.items()
    }


def _ask(stage: Stage, by: str, kind: RepoType, name: str, title: str, text: str) -> int:
    _repo, begun = talk.create_discussion(
        stage.sv, stage.be(by), repo_type=kind, repo_id=RepoId.parse(name), title=title, description=text
    )
    return begun.number


def _say(stage: Stage, by: str, kind: RepoType, name: str, number: int, text: str) -> None:
    talk.comment(stage.sv, stage.be(by), repo_type=kind, repo_id=RepoId.parse(name), number=number, text=text)


def _merge(stage: Stage, by: str, kind: RepoType, name: str, number: int, text: str) -> None:
    merging.merge(
        stage.sv, stage.be(by), repo_type=kind, repo_id=RepoId.parse(name), number=number, comment=text
    )


def _collect(
    stage: Stage,
    by: str,
    namespace: str | None,
    title: str,
    description: str,
    theme: str,
    items: tuple[NewItem, ...],
) -> None:
    try:
        made = collections.create(
            stage.sv,
            stage.be(by),
            title=title,
            namespace=namespace,
            description=description,
            theme=theme,
            items=items,
        )
    except Conflict:
        return  # It is there from the last time.
    stage.made.append(f"collection {made.collection.slug}")
    for who in PEOPLE:
        if who != by:
            collections.vote(stage.sv, stage.be(who), slug=made.collection.slug, is_up=True)

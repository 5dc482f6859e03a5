"""Examples for trying a model whose card has none, for the tasks that read plain English text."""

from __future__ import annotations

from collections.abc import Mapping

_MASK = "<mask>"
_EXAMPLES: Mapping[str, list[dict[str, object]]] = {
    "text-generation": [
        {"text": "The lighthouse keeper opened the door and"},
        {"text": "Three facts about owls:"},
    ],
    "text2text-generation": [{"text": "Translate to French: Where is the station?"}],
    "translation": [{"text": "The train to the coast leaves at noon."}],
    "summarization": [
        {
            "text": "The city closed the old bridge for repairs in spring. Engineers found rust in two of its "
            "piers and replaced both. Traffic used the northern road for five months. The bridge opened again "
            "in autumn with a new lane for bicycles."
        }
    ],
    "fill-mask": [{"text": f"Bread is made from flour and {_MASK}."}],
    "text-classification": [{"text": "The room was clean and everybody was kind to us."}],
    "token-classification": [{"text": "Maria moved from Lisbon to Oslo to work for Norsk Hydro."}],
    "question-answering": [
        {
            "text": "What colour is the door?",
            "context": "The house by the river has a green door and two windows.",
        }
    ],
    "zero-shot-classification": [
        {
            "text": "My parcel has not come yet.",
            "candidate_labels": "delivery, payment, returns",
            "multi_class": False,
        }
    ],
    "sentence-similarity": [
        {
            "source_sentence": "A cat sleeps on the sofa.",
            "sentences": ["An animal rests indoors.", "The sofa is for sale.", "It rains on the hills."],
        }
    ],
    "feature-extraction": [{"text": "A short walk along the canal."}],
}


def examples_for(pipeline_tag: str | None, mask_token: str | None) -> list[object] | None:
    """Return examples for a task, with the model's own mask token; None for tasks that have none here."""
    examples = _EXAMPLES.get(pipeline_tag or "")
    if examples is None or (pipeline_tag == "fill-mask" and not mask_token):
        return None
    if pipeline_tag == "fill-mask":
        return [{"text": str(example["text"]).replace(_MASK, mask_token or "")} for example in examples]
    return [dict(example) for example in examples]

"""A space: its kind of program, its tags, and the models and datasets it says it uses."""

from __future__ import annotations

from collections.abc import Mapping

from openhood.domain.catalog.types import TRAIT, TipFacts
from openhood.domain.repos.describing import tags as tagging
from openhood.domain.repos.describing.values import names_at, repo_ids_at
from openhood.engines.formats.card_rules import SPACE_SDKS


def space_facts(card: Mapping[str, object] | None) -> TipFacts:
    """Describe a space.

    Its card has all else that the API shows of it (hub-docs ``spaces-config-reference.md``). The Hub also
    searches the program's code for models, which is not done here.
    """
    known = card or {}
    sdk = known.get("sdk")
    sdk = sdk if isinstance(sdk, str) and sdk in SPACE_SDKS else None
    uses = [
        *tagging.traits("model", repo_ids_at(known, "models")),
        *tagging.traits("dataset", repo_ids_at(known, "datasets")),
    ]
    return TipFacts(
        card=card,
        config=None,
        tags=tagging.bounded(
            [
                *([sdk] if sdk else []),
                *names_at(known, "tags"),
                *tagging.prefixed(known, ("license",)),
                tagging.REGION,
            ]
        ),
        pipeline_tag=None,
        library_name=None,
        sdk=sdk,
        traits=tuple(dict.fromkeys([*uses, *([f"{TRAIT}linked"] if uses else [])])),
    )

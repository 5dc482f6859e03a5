"""``GET /api/models-tags-by-type`` and its like: what repositories can be filtered by, tasks and metrics."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.names import RepoType
from openhood.domain.discovery import vocabularies
from openhood.domain.discovery.vocabularies import CountedTag
from openhood.engines.formats.vocabulary import modalities, tasks
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_CLICKABLE = frozenset({"other", "deploy"})


async def list_tags(call: Call) -> Response:
    """``GET /api/{type}-tags-by-type``: lists of tags by what they say, of one kind with ``type``.

    **Source**: huggingface_hub ``get_model_tags``, ``get_dataset_tags``; ``count`` is ours.
    """
    found = await call.act(
        vocabularies.list_tags,
        repo_type=RepoType(call.params["kind"]),
        categories=call.query_list("type", split_commas=True),
    )
    headers = {}
    if found.cut:
        # huggingface_hub prints it.
        headers["X-HF-Warning"] = (
            f"tags; Only the {vocabularies.MAX_TAGS} most used tags are listed of: {', '.join(found.cut)}."
        )
    groups = {category: [tag_object(tag) for tag in tags] for category, tags in found.groups.items()}
    return json_reply(groups, headers=headers)


async def list_tasks(call: Call) -> Response:
    """``GET /api/tasks``: for each task, models of this hub to begin with.

    **Source**: huggingface_hub ``_fetch_recommended_models`` takes the first of ``widgetModels``, the
    clients in JavaScript the first of ``models``.
    """
    found = await call.act(vocabularies.recommend_models)
    return json_reply(
        {
            name: {
                "id": name,
                "label": task.label,
                "modality": task.modality,
                "modalityLabel": modalities()[task.modality],
                "subtasks": [{"type": subtask, "name": label} for subtask, label in task.subtasks.items()],
                "widgetModels": list(models),
                "models": [{"id": model} for model in models],
            }
            for name, models in found.items()
            for task in (tasks()[name],)
        }
    )


async def list_metrics(call: Call) -> Response:
    """``GET /api/metrics``: the spaces that compute metrics. **Source**: huggingface_hub 0.x ``list_metrics``."""
    found = await call.act(vocabularies.list_metrics)
    return json_reply(
        [
            {
                "id": metric.id,
                "spaceId": metric.space_id,
                **({} if metric.description is None else {"description": metric.description}),
            }
            for metric in found
        ]
    )


def tag_object(tag: CountedTag) -> dict[str, object]:
    """Return a tag with its number as JSON shows it."""
    shape: dict[str, object] = {"id": tag.id, "label": tag.label, "type": tag.category}
    if tag.group is not None:
        shape["subType"] = tag.group
    if tag.category in _CLICKABLE:
        shape["clickable"] = True
    return {**shape, "count": tag.count}


ROUTES = (
    Route(("GET",), "/api/models-tags-by-type", list_tags, fixed={"kind": "model"}),
    Route(("GET",), "/api/datasets-tags-by-type", list_tags, fixed={"kind": "dataset"}),
    Route(("GET",), "/api/tasks", list_tasks),
    Route(("GET",), "/api/metrics", list_metrics),
)

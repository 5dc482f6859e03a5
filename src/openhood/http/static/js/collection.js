// Arranging the items of a collection by dragging; the buttons beside each item do the same without this.
import { say } from "./say.js";

const list = document.querySelector("ol.arranged");
let dragged = null;

function startDragging() {
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li[data-item]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    dragged.classList.add("dragged");
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li[data-item]");
    if (!dragged) return;
    event.preventDefault();
    if (!over || over === dragged) return;
    const box = over.getBoundingClientRect();
    over[event.clientY < box.top + box.height / 2 ? "before" : "after"](dragged);
  });
  list.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    keep(dragged);
    dragged = null;
  });
}

async function keep(item) {
  const items = [...list.querySelectorAll("li[data-item]")];
  // Items that this person may not see have places too, so that the places here may have gaps.
  const places = items.map((each) => Number(each.dataset.place)).sort((a, b) => a - b);
  const form = new URLSearchParams({ do: "move", item: item.dataset.item, to: places[items.indexOf(item)] });
  const answer = await fetch(list.dataset.path, { method: "POST", body: form });
  say(answer.ok ? list.dataset.said : list.dataset.failed);
  if (!answer.ok) return;
  // The buttons name the places of their neighbours, which are other ones now.
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("ol.arranged");
  if (fresh) list.replaceChildren(...fresh.children);
}

if (list) startDragging();

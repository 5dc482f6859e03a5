// Arranging the items of a collection: by dragging, and by the buttons beside each item, which keep the keyboard's place.
// The buttons are forms that do the same without this.
import { say } from "./say.js";

const list = document.querySelector("ol.arranged");
let dragged = null;
let follower = null;

function startDragging() {
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li[data-item]");
    if (!dragged) return;
    follower = dragged.nextElementSibling;
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
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", (event) => {
    if (!dragged) return;
    const [item, place] = [dragged, follower];
    dragged = follower = null;
    item.classList.remove("dragged");
    // Given up with Escape, or let go elsewhere.
    if (event.dataTransfer.dropEffect === "none") list.insertBefore(item, place);
    else if (item.nextElementSibling !== place) keep(item, place);
  });
}

async function keep(item, before) {
  const items = [...list.querySelectorAll("li[data-item]")];
  // Items that this person may not see have places too, so that the places here may have gaps.
  const places = items.map((each) => Number(each.dataset.place)).sort((a, b) => a - b);
  const isMoved = await move(new URLSearchParams({ do: "move", item: item.dataset.item, to: places[items.indexOf(item)] }));
  if (!isMoved) list.insertBefore(item, before);
}

// Returns whether the hub has the new order; the list then shows it.
async function move(form) {
  const answer = await fetch(list.dataset.path, { method: "POST", body: form }).catch(() => null);
  const fresh = answer?.ok
    ? new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("ol.arranged")
    : null;
  say(fresh ? list.dataset.said : list.dataset.failed);
  // The buttons name the places of their neighbours, which are other ones now.
  if (fresh) list.replaceChildren(...fresh.children);
  return fresh !== null;
}

function startButtons() {
  list.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "move") return;
    event.preventDefault();
    const form = new URLSearchParams(new FormData(event.target, event.submitter));
    const { item } = event.target.closest("li[data-item]").dataset;
    const isUp = event.submitter === event.target.closest(".arrange").querySelector("button[value=move]")
      && event.target.closest("li").previousElementSibling !== null;
    if (!(await move(form))) return;
    const buttons = [...list.querySelectorAll(`li[data-item="${item}"] button[value=move]`)];
    // At either end there is but one way left.
    (isUp ? buttons[0] : buttons.at(-1))?.focus();
  });
}

if (list) {
  startDragging();
  startButtons();
}

// The panel of one row: every value whole, links to it, and its neighbours.
import { grouped } from "../figures.js";
import { renderWhole } from "./cells.js";

export function setup(studio) {
  const panel = studio.root.querySelector("[data-detail]");
  const { words } = studio.facts;
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "quiet small";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };

  function close() {
    panel.hidden = true;
    studio.setUrl({ row: "" });
    studio.grid.box.focus();
  }

  function show(item, index) {
    const head = document.createElement("header");
    const title = document.createElement("h2");
    title.textContent = words.row.replace("{n}", grouped(item.row_idx));
    title.tabIndex = -1;
    head.append(
      title,
      button(words.previous, () => step(index - 1)),
      button(words.next, () => step(index + 1)),
      button(words.close, close),
      button(words.copyRow, () => studio.copy(JSON.stringify(item.row, null, 2))),
      button(words.copyLink, () => studio.copy(location.href)),
    );
    const list = document.createElement("dl");
    for (const { name, type } of studio.facts.features) {
      const term = document.createElement("dt");
      const kind = document.createElement("small");
      kind.textContent = ` ${studio.facts.types[name] ?? ""}`;
      const copy = button(words.copyCell, () => studio.copyValue(item.row[name]));
      copy.className = "plain small";
      copy.setAttribute("aria-label", `${words.copyCell}: ${name}`);
      term.append(name, kind, copy);
      const value = document.createElement("dd");
      renderWhole(value, item.row[name], type, words, words.picture.replace("{name}", name).replace("{n}", item.row_idx));
      list.append(term, value);
    }
    panel.replaceChildren(head, list);
    panel.hidden = false;
    title.focus();
    studio.setUrl({ row: String(index) });
  }

  async function step(index) {
    if (index < 0 || index >= studio.source.total) return;
    studio.grid.choose(index, studio.grid.chosen.column);
    await open(index);
  }

  async function open(index) {
    for (let tries = 0; tries < 100 && !studio.source.row(index); tries += 1) await new Promise((done) => setTimeout(done, 50));
    const item = studio.source.row(index);
    if (item) show(item, index);
  }

  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  studio.openRow = open;
  studio.closeRow = () => { panel.hidden = true; };
}

// The first rows of a dataset on its page, asked for once the place for them comes into sight.
import { renderCell } from "./cells.js";

const ROWS = 8;
const COLUMNS = 8;

async function show(place) {
  const { api, words } = JSON.parse(place.dataset.preview);
  const table = await read(api, words);
  const box = place.querySelector(".scroll");
  if (table) box.replaceChildren(table);
  else box.querySelector("[role=status]").textContent = words.away;
}

async function read(api, words) {
  const splits = await fetch(`${api}/splits`).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  const first = splits?.splits?.[0];
  if (!first) return null;
  const query = new URLSearchParams({ config: first.config, split: first.split });
  const answer = await fetch(`${api}/first-rows?${query}`).catch(() => null);
  if (!answer?.ok) return null;
  const { features, rows } = await answer.json();
  const shown = features.slice(0, COLUMNS);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const { name } of shown) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const item of rows.slice(0, ROWS)) {
    const line = body.insertRow();
    for (const { name, type } of shown) renderCell(line.insertCell(), item.row[name], type, words, name);
  }
  for (const [place, cell] of [...(body.rows[0]?.cells ?? [])].entries()) {
    head.cells[place].classList.toggle("number", cell.classList.contains("number"));
  }
  return table;
}

const place = document.querySelector("[data-preview]");
if (place) {
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((each) => each.isIntersecting)) return;
    observer.disconnect();
    show(place);
  }).observe(place);
}

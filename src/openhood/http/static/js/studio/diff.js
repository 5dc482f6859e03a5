// Rows that differ between two revisions, page by page.
import { grouped } from "../figures.js";
export function setup(studio, panel) {
  const { words, facts } = studio;
  const form = panel.querySelector("[data-compare]");
  const told = panel.querySelector("[data-told]");
  const refused = panel.querySelector("[data-refused]");
  const result = panel.querySelector("[data-result]");
  const more = panel.querySelector("[data-more]");
  let offset = 0;
  let asked = 0;

  form.elements.key.append(...facts.features.slice(0, 200).map(({ name }) => new Option(name, name)));

  // Fill the form from the address. Returns whether the address asks for a comparison.
  function fill(address) {
    form.elements.base.value = address.get("base") || "main";
    form.elements.revision.value = facts.revision;
    form.elements.key.value = address.get("key") ?? "";
    return address.has("base");
  }

  async function load(isMore) {
    const number = ++asked;
    refused.hidden = true;
    if (!isMore) offset = 0;
    told.textContent = words.loading;
    try {
      const { base, revision, key } = form.elements;
      const found = await studio.ask("diff", { base: base.value, revision: revision.value, key: key.value, offset, length: 100 });
      if (number !== asked) return;
      told.textContent = summary(found);
      if (!isMore) result.replaceChildren(tableOf(studio, found.features));
      const body = result.querySelector("tbody");
      for (const row of found.rows) body.append(lineOf(studio, row, found.features));
      offset += found.rows.length;
      result.hidden = offset === 0;
      more.hidden = offset >= found.num_rows_total;
    } catch (error) {
      if (number !== asked) return;
      told.textContent = "";
      refused.hidden = false;
      refused.textContent = error.message;
    }
  }

  function summary({ counts, key, num_rows_total: total }) {
    if (!total) return words.same;
    const text = Object.entries(counts).reduce((line, [name, count]) => line.replace(`{${name}}`, grouped(count)), words.diffCounts);
    return `${text} · ${key.length ? words.byKey.replace("{name}", key.join(", ")) : words.byContent}`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { base, revision, key } = form.elements;
    if (revision.value === facts.revision) {
      studio.setUrl({ view: "diff", base: base.value, key: key.value }, { push: true });
      load(false);
      return;
    }
    // The table is that of the revision, too.
    const there = new URL(location.href);
    const words = { view: "diff", base: base.value, key: key.value, revision: revision.value === "main" ? "" : revision.value };
    for (const [name, value] of Object.entries(words)) {
      if (value) there.searchParams.set(name, value);
      else there.searchParams.delete(name);
    }
    location.assign(there);
  });
  more.addEventListener("click", () => load(true));
  studio.returning.push((address) => {
    if (fill(address)) load(false);
    else {
      asked += 1;
      told.textContent = "";
      result.hidden = more.hidden = refused.hidden = true;
    }
  });
  const address = new URL(location.href).searchParams;
  // What was typed while this was on its way stays.
  if (address.has("base") && fill(address)) load(false);
}

function tableOf(studio, features) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of ["", "#", ...features.map((feature) => feature.name)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  table.createTBody();
  return table;
}

function lineOf(studio, row, features) {
  const line = document.createElement("tr");
  line.className = row.kind;
  line.insertCell().textContent = studio.words[row.kind];
  line.insertCell().textContent = row.row_idx ?? row.base_row_idx;
  for (const { name, type } of features) {
    const cell = line.insertCell();
    if (row.kind === "changed" && row.changed.includes(name)) {
      cell.className = "changed";
      const [before, after] = [document.createElement("del"), document.createElement("ins")];
      studio.renderCell(before, row.base[name], type);
      studio.renderCell(after, row.row[name], type);
      cell.append(before, after);
    } else studio.renderCell(cell, (row.row ?? row.base)[name], type);
  }
  return line;
}

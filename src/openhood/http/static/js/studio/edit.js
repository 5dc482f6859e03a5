// Changing cells and rows: kept here until they are proposed or committed, also over a reload.
import { fieldOf, isEditable, parse } from "./fields.js";
import { rowForm } from "./row_form.js";

export function setup(studio, panel) {
  const { words, facts, grid } = studio;
  const store = `edits ${facts.repo} ${facts.config} ${facts.split} ${facts.commit}`;
  const edits = JSON.parse(sessionStorage.getItem(store) ?? '{"cells":[],"deleted":[],"added":[]}');
  const list = panel.querySelector("[data-changes]");
  const form = panel.querySelector("[data-commit]");
  const refused = panel.querySelector("[data-refused]");
  const told = panel.querySelector("[data-told]");
  const numbers = () => edits.cells.length + edits.deleted.length + edits.added.length;

  function keep() {
    sessionStorage.setItem(store, JSON.stringify(edits));
    list.replaceChildren(
      ...edits.cells.map((change, at) => line(words.changedCell.replace("{n}", change.row_idx).replace("{name}", change.column).replace("{value}", JSON.stringify(change.value)), () => edits.cells.splice(at, 1))),
      ...edits.deleted.map((row, at) => line(words.deletedRow.replace("{n}", row), () => edits.deleted.splice(at, 1))),
      ...edits.added.map((row, at) => line(`${words.addedRow}: ${JSON.stringify(row)}`, () => edits.added.splice(at, 1))),
    );
    form.hidden = numbers() === 0;
    grid.redraw();
  }

  function line(text, undo) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = words.undo;
    button.addEventListener("click", () => { undo(); keep(); });
    item.append(`${text} `, button);
    return item;
  }

  const changeOf = (row, column) => edits.cells.find((change) => change.row_idx === row && change.column === column);

  function put(item, column, value) {
    const known = changeOf(item.row_idx, column.name);
    if (JSON.stringify(item.row[column.name] ?? null) === JSON.stringify(value)) {
      if (known) edits.cells.splice(edits.cells.indexOf(known), 1);
    } else if (known) known.value = value;
    else edits.cells.push({ row_idx: item.row_idx, column: column.name, value });
    keep();
  }

  function ask() {
    const item = grid.chosenItem;
    const column = grid.chosenColumn;
    const cell = document.getElementById(`cell-${grid.chosen.row}-${grid.chosen.column}`);
    if (!item || !cell || !isEditable(column.type)) return;
    const field = fieldOf(column.type, changeOf(item.row_idx, column.name)?.value ?? item.row[column.name]);
    const before = field.value;
    field.setAttribute("aria-label", column.name);
    cell.replaceChildren(field);
    field.focus();
    let isDone = false;
    const finish = (isKept) => {
      if (isDone) return;
      isDone = true;
      // Whoever only looked has changed nothing.
      if (isKept && field.value !== before) {
        try {
          put(item, column, parse(field.value, column.type));
          refused.hidden = true;
        } catch {
          refused.hidden = false;
          refused.textContent = words.badValue.replace("{type}", facts.types[column.name]);
        }
      }
      grid.redraw();
      grid.box.focus();
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        finish(true);
      }
      if (event.key === "Escape") finish(false);
    });
    field.addEventListener("blur", () => finish(true));
  }

  grid.opened = (isMeant) => {
    if (panel.hidden) studio.openRow(grid.chosen.row);
    else if (isMeant) ask();
  };
  grid.decorators.push((row, item) => {
    if (!item) return;
    row.classList.toggle("deleted", edits.deleted.includes(item.row_idx));
    for (const cell of row.querySelectorAll("[data-at]")) {
      const column = grid.shown[Number(cell.dataset.at)];
      const change = changeOf(item.row_idx, column.name);
      if (!change) continue;
      studio.renderCell(cell, change.value, column.type);
      cell.classList.add("edited");
    }
  });
  panel.querySelector("[data-delete-row]").addEventListener("click", () => {
    const item = grid.chosenItem;
    if (item && !edits.deleted.includes(item.row_idx)) edits.deleted.push(item.row_idx);
    keep();
  });
  const typeRow = rowForm(studio, panel.querySelector("[data-row-form]"), (row) => {
    edits.added.push(row);
    keep();
  });
  panel.querySelector("[data-add-row]").addEventListener("click", typeRow);
  panel.querySelector("[data-forget]").addEventListener("click", () => {
    for (const name of ["cells", "deleted", "added"]) edits[name].length = 0;
    keep();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    refused.hidden = true;
    const { summary, description, create_pr: proposal } = form.elements;
    try {
      const made = await studio.read(await studio.post("edit", {
        config: facts.config, split: facts.split, revision: facts.revision, parent_commit: facts.commit,
        changes: edits.cells, deleted: edits.deleted, added: edits.added,
        summary: summary.value, description: description.value, create_pr: proposal.checked,
      }));
      for (const name of ["cells", "deleted", "added"]) edits[name].length = 0;
      keep();
      const anchor = document.createElement("a");
      anchor.href = made.pullRequestUrl ?? made.commitUrl;
      anchor.textContent = made.pullRequestUrl ? `#${made.pullRequestNum}` : made.commitOid.slice(0, 7);
      told.replaceChildren(made.pullRequestUrl ? words.proposed : words.committed, anchor);
    } catch (error) {
      const isMoved = error.status === 412 && !proposal.disabled;
      // At the commit that the rows were read from nothing stands in the way of a proposal.
      if (isMoved) proposal.checked = true;
      refused.hidden = false;
      refused.textContent = isMoved ? `${error.message} ${words.movedTable}` : error.message;
    }
  });
  keep();
}

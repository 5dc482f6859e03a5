// Which columns are shown: chosen from a list, kept in the address as the names of those that are not.
const NAME = "hide";

export function restore(studio) {
  const hidden = new Set(new URL(location.href).searchParams.getAll(NAME));
  for (const column of studio.grid.columns) column.isHidden = hidden.has(column.name);
  // A table without columns is of no use to anybody.
  if (!studio.grid.shown.length) for (const column of studio.grid.columns) column.isHidden = false;
  fit(studio);
}

export function setup(studio, panel) {
  const { grid } = studio;
  const list = panel.querySelector("[data-columns]");
  const boxes = grid.columns.map((column) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !column.isHidden;
    box.addEventListener("change", () => {
      column.isHidden = !box.checked;
      if (!grid.shown.length) {
        column.isHidden = false;
        box.checked = true;
      }
      changed(studio);
    });
    label.append(box, ` ${column.name}`);
    list.append(label);
    return box;
  });
  studio.returning.push(() => boxes.forEach((box, at) => { box.checked = !grid.columns[at].isHidden; }));
  panel.querySelector("[data-all]").addEventListener("click", () => {
    for (const column of grid.columns) column.isHidden = false;
    for (const box of boxes) box.checked = true;
    changed(studio);
  });
}

function changed(studio) {
  const url = new URL(location.href);
  url.searchParams.delete(NAME);
  for (const column of studio.grid.columns) if (column.isHidden) url.searchParams.append(NAME, column.name);
  history.replaceState(null, "", url);
  fit(studio);
}

function fit({ grid }) {
  grid.chosen.column = Math.min(grid.chosen.column, grid.shown.length - 1);
  grid.measure();
  grid.redraw();
}

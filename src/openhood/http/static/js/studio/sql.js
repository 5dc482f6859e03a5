// SQL over the splits: statement, result, earlier statements, and the result as a file.
import { grouped } from "../figures.js";
import { quoted } from "./conditions.js";
const KEPT = 50;

export function setup(studio, panel) {
  const { words, facts } = studio;
  const box = panel.querySelector("[data-sql]");
  const told = panel.querySelector("[data-told]");
  const refused = panel.querySelector("[data-refused]");
  const result = panel.querySelector("[data-result]");
  const exports = panel.querySelector("[data-exports]");
  const earlier = panel.querySelector("[data-history]");
  const store = `sql ${facts.repo}`;
  const statements = () => JSON.parse(localStorage.getItem(store) ?? "[]");

  function remember(sql) {
    localStorage.setItem(store, JSON.stringify([sql, ...statements().filter((each) => each !== sql)].slice(0, KEPT)));
    showHistory();
  }

  function showHistory() {
    earlier.replaceChildren(new Option("", ""), ...statements().map((sql) => new Option(sql.replace(/\s+/g, " ").slice(0, 80), sql)));
  }

  const body = (format) => ({ sql: box.value, config: facts.config, revision: facts.revision, format });

  async function run() {
    refused.hidden = true;
    result.hidden = exports.hidden = true;
    told.textContent = words.running;
    studio.setUrl({ sql: box.value });
    try {
      const found = await studio.read(await studio.post("sql", body("json")));
      told.textContent = words.ran.replace("{n}", grouped(found.num_rows)).replace("{ms}", found.elapsed_ms) + (found.truncated ? ` ${words.cut.replace("{n}", grouped(found.num_rows))}` : "");
      result.replaceChildren(tableOf(studio, found));
      result.hidden = exports.hidden = false;
      remember(box.value);
    } catch (error) {
      told.textContent = "";
      refused.hidden = false;
      refused.textContent = error.message;
    }
  }

  async function save(format) {
    const answer = await studio.post("sql", body(format));
    if (!answer.ok) {
      refused.hidden = false;
      refused.textContent = (await answer.json()).error;
      return;
    }
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(await answer.blob());
    anchor.download = `result.${format}`;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  }

  function insert(text) {
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
    box.focus();
  }

  const word = (text) => {
    const line = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet small";
    button.textContent = text;
    button.addEventListener("click", () => insert(text));
    line.append(button);
    return line;
  };

  panel.querySelector("[data-run]").addEventListener("click", run);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  exports.addEventListener("click", (event) => {
    const form = event.target.closest("[data-export]")?.dataset.export;
    if (form) save(form);
  });
  earlier.addEventListener("change", () => { if (earlier.value) box.value = earlier.value; });
  panel.querySelector("[data-columns]").append(...facts.features.slice(0, 200).map(({ name }) => word(/^[A-Za-z_]\w*$/.test(name) ? name : quoted(name))));
  box.value = new URL(location.href).searchParams.get("sql") || box.value;
  studio.ask("sql").then(({ views }) => {
    panel.querySelector("[data-views]").append(...views.map((view) => word(view.name)));
    const own = views.find((view) => view.config === facts.config && view.split === facts.split);
    // What was typed meanwhile stays.
    box.value ||= `SELECT *\nFROM ${own?.name ?? "train"}\nLIMIT 10`;
  }).catch((error) => { refused.hidden = false; refused.textContent = error.message; });
  studio.returning.push((address) => { if (address.get("sql")) box.value = address.get("sql"); });
  showHistory();
}

export function tableOf(studio, { columns, rows }) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const { name, type } of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    const kind = document.createElement("small");
    kind.textContent = ` ${type}`;
    cell.append(name, kind);
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows.slice(0, 1000)) {
    const line = body.insertRow();
    for (const value of row) studio.renderCell(line.insertCell(), value, null);
  }
  if (!rows.length) body.insertRow().insertCell().textContent = studio.words.nothing;
  return table;
}

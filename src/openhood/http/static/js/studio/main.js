// The data studio: makes a table of any length out of the first page that the server wrote, and opens the panels.
import { grouped } from "../figures.js";
import { copyText } from "../copy.js";
import { say } from "../say.js";
import { renderCell } from "./cells.js";
import * as choose from "./choose.js";
import * as columns from "./columns.js";
import { joined, ofBar } from "./conditions.js";
import * as detail from "./detail.js";
import { Grid } from "./grid.js";
import { Source, ask, post, read } from "./source.js";

const QUESTION = ["q", "where", "orderby"];
const STATE = [...QUESTION, "view", "base", "key", "sql", "row"];
const PANELS = ["filters", "choose", "sql", "edit", "diff", "use"];
const STATISTICS_AT_ONCE = 20;

function start(root, facts) {
  const place = root.querySelector("[data-table]");
  const mistake = root.querySelector("[data-mistake]");
  const none = place.querySelector("[data-none]");
  // `returning` is what panels do when somebody goes back to another address.
  const studio = { root, facts, words: facts.words, returning: [] };
  studio.ask = (endpoint, params, options) => ask(facts, endpoint, params, options);
  studio.post = (endpoint, body) => post(facts, endpoint, body);
  studio.read = read;
  studio.copy = async (text) => {
    if (await copyText(text)) say(facts.words.copied);
  };
  studio.copyValue = (value) => studio.copy(typeof value === "string" ? value : JSON.stringify(value ?? null));
  studio.renderCell = (element, value, feature) => renderCell(element, value, feature, facts.words);
  studio.refuse = (error) => {
    mistake.hidden = !error;
    mistake.textContent = error ? error.message : "";
  };
  studio.source = new Source(facts, (error) => {
    studio.refuse(error);
    count();
    studio.grid.reload();
  });

  function count() {
    const { total, isPartial } = studio.source;
    const { q, where } = facts.state;
    const template = isPartial ? facts.words.partial : q || where ? facts.words.found : facts.words.rows;
    root.querySelector("[data-count]").textContent = template.replace("{n}", grouped(total));
    none.hidden = total > 0 || isPartial;
  }

  studio.setUrl = (patch, { push = false } = {}) => {
    Object.assign(facts.state, patch);
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(facts.state)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    url.searchParams.delete("p");
    if (url.href !== location.href) history[push ? "pushState" : "replaceState"](null, "", url);
  };

  // Ask for other rows: what changed goes into the address, and the table begins anew.
  studio.go = (patch, { push = true } = {}) => {
    studio.setUrl({ row: "", ...patch }, { push });
    const form = root.querySelector(".studio-tools");
    for (const name of ["q", "where"]) form.elements[name].value = facts.state[name];
    root.querySelector("#mistake")?.remove();
    studio.refuse(null);
    studio.source.forget();
    studio.grid.position = 0;
    studio.grid.box.scrollTop = 0;
    studio.source.want(0, 1);
    studio.grid.redraw();
  };

  place.replaceChildren(none);
  none.hidden = studio.source.total > 0;
  studio.grid = new Grid(place, facts, studio.source);
  choose.restore(studio);
  studio.grid.sorted = (orderby) => studio.go({ orderby, q: "" });
  studio.grid.copied = () => {
    studio.copyValue(studio.grid.chosenItem?.row[studio.grid.chosenColumn.name]);
  };
  studio.grid.opened = () => studio.openRow(studio.grid.chosen.row);
  detail.setup(studio);
  distributions(studio);
  panels(studio);
  if (facts.pageStart) studio.grid.moveTo(facts.pageStart);
  studio.showRow = (text) => {
    const row = Number(text ?? NaN);
    if (Number.isInteger(row) && row >= 0 && row < studio.source.total) {
      studio.grid.choose(row, studio.grid.chosen.column);
      studio.openRow(row);
    } else studio.closeRow();
  };
  studio.showRow(new URL(location.href).searchParams.get("row"));
  root.querySelector(".studio-tools").addEventListener("submit", (event) => {
    event.preventDefault();
    const { q, where } = event.target.elements;
    // A search has an order of its own.
    studio.go(q.value.trim() ? { q: q.value, where: "", orderby: "" } : { q: "", where: where.value });
  });
  root.querySelector("[data-clear]")?.addEventListener("click", (event) => {
    event.preventDefault();
    studio.go({ q: "", where: "", orderby: "" });
  });
  const here = location.pathname;
  addEventListener("popstate", () => {
    const { pathname, searchParams } = new URL(location.href);
    // Another split or revision is another page.
    if (pathname !== here || (searchParams.get("revision") ?? "main") !== facts.revision) location.reload();
    else restore(studio, searchParams);
  });
  return studio;
}

// Show what an address says, as it would be after a reload.
function restore(studio, address) {
  const { state } = studio.facts;
  const before = QUESTION.map((name) => state[name] ?? "").join("\n");
  for (const name of STATE) state[name] = address.get(name) ?? "";
  if (QUESTION.map((name) => state[name]).join("\n") !== before) studio.go({ row: state.row }, { push: false });
  choose.restore(studio);
  studio.openPanel(state.view, state.view !== "");
  for (const act of studio.returning) act(address);
  studio.showRow(address.get("row"));
}

// What the columns are like, asked for as they come into sight and drawn into room that is there already.
function distributions(studio) {
  const known = new Map();
  let asked = [];
  let timer = 0;
  const bar = (column) => (bin) => {
    const part = ofBar(column, bin);
    if (part) studio.go({ where: joined(studio.facts.state.where, part), q: "" });
  };

  async function load() {
    const names = asked.splice(0, STATISTICS_AT_ONCE);
    if (!names.length) return;
    for (const name of names) known.set(name, null);
    try {
      const answer = await studio.ask("statistics", { columns: names });
      for (const each of answer.statistics) known.set(each.column_name, each);
      studio.grid.redraw();
    } catch (error) {
      if (error.code === "ResponseNotReady") {
        for (const name of names) known.delete(name);
        timer = setTimeout(() => studio.grid.redraw(), 4000);
        return;
      }
    }
    if (asked.length) timer = setTimeout(load, 0);
  }

  studio.grid.titled = (element, column) => {
    if (known.has(column.name)) {
      const found = known.get(column.name);
      if (found) columns.draw(element, found, studio.words, bar(column));
      return;
    }
    if (!asked.includes(column.name)) asked.push(column.name);
    clearTimeout(timer);
    timer = setTimeout(load, 60);
  };
  studio.grid.redraw();
}

function panels(studio) {
  const { root, facts } = studio;
  const loaded = new Set();
  async function open(name, isOpen) {
    for (const other of PANELS) {
      const panel = root.querySelector(`[data-panel="${other}"]`);
      if (!panel) continue;
      panel.hidden = other !== name || !isOpen;
      root.querySelector(`[data-opens="${other}"]`)?.setAttribute("aria-expanded", String(!panel.hidden));
    }
    studio.setUrl({ view: isOpen ? name : "" });
    if (isOpen && name !== "use" && !loaded.has(name)) {
      loaded.add(name);
      const module = await import(`./${name}.js`);
      const panel = root.querySelector(`[data-panel="${name}"]`);
      module.setup(studio, panel);
      panel.dataset.ready = "";
    }
  }
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-opens]");
    if (button) open(button.dataset.opens, button.getAttribute("aria-expanded") !== "true");
  });
  studio.openPanel = open;
  if (PANELS.includes(facts.state.view) && root.querySelector(`[data-panel="${facts.state.view}"]`)) open(facts.state.view, true);
}

const facts = document.getElementById("studio-facts");
const root = document.querySelector("[data-studio]");
if (facts && root) start(root, JSON.parse(facts.textContent));

// Pages of files: the filter of refs, go to file, lines and their links, the live table of tensors. All of it improves
// pages that work without.
import { say } from "./say.js";

function startRefFilter() {
  for (const menu of document.querySelectorAll("details.refs")) {
    const input = menu.querySelector(".ref-filter");
    const links = [...menu.querySelectorAll("li")];
    if (!input || links.length < 8) continue;
    input.hidden = false;
    menu.addEventListener("toggle", () => { if (menu.open) input.focus(); });
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const link of links) link.hidden = !link.textContent.toLowerCase().includes(wanted);
    });
    input.addEventListener("keydown", (event) => {
      const first = links.find((link) => !link.hidden);
      if (event.key === "Enter" && first) first.querySelector("a").click();
    });
  }
}

function startFinder() {
  const opener = document.querySelector("[data-find]");
  const template = document.getElementById("finder");
  if (!opener || !template) return;
  const dialog = template.content.firstElementChild.cloneNode(true);
  document.body.append(dialog);
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  const hint = dialog.querySelector(".hint");
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "true");
  let timer = 0;
  let asked = 0;
  let chosen = -1;
  // Whoever types fast and presses Enter means what will be found, not what is still shown.
  let isStale = false;
  let opensNext = false;

  function open() {
    if (chosen >= 0) location.assign(list.children[chosen].dataset.address);
  }

  function choose(index) {
    const options = [...list.children];
    chosen = options.length ? Math.max(0, Math.min(index, options.length - 1)) : -1;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
    if (chosen < 0) {
      input.removeAttribute("aria-activedescendant");
    } else {
      input.setAttribute("aria-activedescendant", options[chosen].id);
      options[chosen].scrollIntoView({ block: "nearest" });
    }
  }

  async function ask() {
    const number = ++asked;
    const answer = await fetch(`${opener.dataset.find}&q=${encodeURIComponent(input.value)}`);
    if (!answer.ok || number !== asked) return;
    const found = await answer.json();
    list.replaceChildren(...found.files.map((file, at) => {
      const item = document.createElement("li");
      item.id = `finder-${at}`;
      item.setAttribute("role", "option");
      item.dataset.address = file.href;
      item.textContent = file.path;
      return item;
    }));
    hint.textContent = found.files.length ? hint.dataset.some : hint.dataset.none;
    choose(0);
    isStale = false;
    if (opensNext) open();
    opensNext = false;
  }

  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    dialog.showModal();
    input.select();
    ask();
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    asked += 1;
    isStale = true;
    opensNext = false;
    timer = setTimeout(ask, 100);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isStale) opensNext = true;
      else open();
    }
  });
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) location.assign(item.dataset.address);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

// Lines: #L10 and #L10-L20, chosen by click and shift-click, copied as a permanent link.
function startLines() {
  const table = document.querySelector("[data-lines]");
  if (!table) return;
  let anchor = 0;

  function parse() {
    const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
    if (!found) return null;
    const ends = [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
    return ends[1] - ends[0] > 20000 ? null : ends;
  }

  function mark(moves) {
    for (const row of table.querySelectorAll("tr.marked")) row.classList.remove("marked");
    document.querySelector(".line-menu")?.remove();
    const ends = parse();
    if (!ends) return;
    for (let at = ends[0]; at <= ends[1]; at++) document.getElementById(`L${at}`)?.classList.add("marked");
    anchor ||= ends[0];
    if (moves) document.getElementById(`L${ends[0]}`)?.scrollIntoView({ block: "center" });
    offerLink();
  }

  function offerLink() {
    const permanent = document.querySelector("[data-permanent]");
    const template = document.getElementById("line-menu");
    if (!permanent || !template) return;
    const box = document.createElement("div");
    box.className = "line-menu";
    box.append(template.content.cloneNode(true));
    box.querySelector("button").dataset.copy = new URL(permanent.getAttribute("href") + location.hash, location.href).href;
    document.body.append(box);
  }

  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td.line");
    if (!cell) return;
    const line = Number(cell.dataset.line);
    if (event.shiftKey && anchor) {
      const [first, last] = [anchor, line].sort((a, b) => a - b);
      history.replaceState(null, "", `#L${first}-L${last}`);
      getSelection().removeAllRanges();
    } else {
      anchor = line;
      history.replaceState(null, "", `#L${line}`);
    }
    mark(false);
  });
  addEventListener("hashchange", () => mark(true));
  mark(location.hash.includes("-"));

  const template = document.getElementById("go-to-line");
  const dialog = template?.content.firstElementChild.cloneNode(true);
  if (!dialog) return;
  document.body.append(dialog);
  const number = dialog.querySelector("input");
  dialog.addEventListener("close", () => {
    if (number.value) location.hash = `L${number.value}`;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "l" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    number.value = "";
    dialog.showModal();
  });
}

function startPermanent() {
  const link = document.querySelector("[data-permanent]");
  link?.addEventListener("click", (event) => {
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href") + location.search + location.hash);
    say(link.textContent.trim());
  });
}

// The table of tensors is searched, sorted and paged by addresses: with scripts only it changes, not the page.
function startInspector() {
  if (!document.querySelector("[data-inspector]")) return;
  const LINKS = "[data-inspector] thead a, [data-inspector] .pager a";
  let timer = 0;
  let asked = 0;

  async function load(address, keepsFocus) {
    const number = ++asked;
    const answer = await fetch(address);
    if (!answer.ok || number !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-inspector]");
    const old = document.querySelector("[data-inspector]");
    if (!fresh || !old) return;
    const input = old.querySelector("input[type=search]");
    const place = keepsFocus && input ? input.selectionStart : null;
    const typed = keepsFocus && input ? input.value : null;
    const opened = old.querySelector("details.meta")?.open;
    old.replaceWith(document.importNode(fresh, true));
    history.replaceState(null, "", address);
    const now = document.querySelector("[data-inspector]");
    const meta = now.querySelector("details.meta");
    if (meta && opened !== undefined) meta.open = opened;
    const field = now.querySelector("input[type=search]");
    if (place !== null && field) {
      field.value = typed;
      field.focus();
      field.setSelectionRange(place, place);
    }
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-inspector] form");
    if (!form) return;
    clearTimeout(timer);
    timer = setTimeout(() => load(`${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`, true), 150);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.closest("[data-inspector]")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest(LINKS);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const at = [...document.querySelectorAll(LINKS)].indexOf(link);
    // The keyboard stays where it was.
    load(link.href, false).then(() => document.querySelectorAll(LINKS)[at]?.focus());
  });
}

// What takes a moment to be read comes after the page.
async function startLoading() {
  const box = document.querySelector("[data-load]");
  if (!box) return;
  const hint = box.querySelector("[data-waiting]");
  if (hint) hint.textContent = hint.dataset.waiting;
  const answer = await fetch(box.dataset.load);
  const page = answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  const fresh = page?.querySelector("section.file");
  if (!fresh) {
    if (hint) hint.textContent = "";
    return;
  }
  const parts = [...fresh.children].filter((part) => part.tagName !== "HEADER");
  box.replaceWith(...parts.map((part) => document.importNode(part, true)));
}

startRefFilter();
startFinder();
startLines();
startPermanent();
startInspector();
startLoading();

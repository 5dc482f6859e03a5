// Lists that change as one types or ticks: the same address is fetched, and the parts that differ are swapped in.
const WAIT_MS = 150;
const form = document.querySelector("form[data-browse]");

function addressOf() {
  const pairs = new URLSearchParams();
  const ends = {};
  for (const [name, value] of new FormData(form)) {
    if (!value || (name === "sort" && value === "trendingScore")) continue;
    if (name === "min_parameters" || name === "max_parameters") ends[name.slice(0, 3)] = value;
    else pairs.append(name, value);
  }
  const bounds = Object.entries(ends).map(([end, value]) => `${end}:${value}`);
  if (bounds.length) pairs.append("num_parameters", bounds.join(","));
  const query = pairs.toString();
  return form.getAttribute("action") + (query ? `?${query}` : "");
}

let asked = 0;
// Letters typed one after the other are one step back, not one each.
let isTyping = false;

async function show(address, { push, typed = false }) {
  const number = ++asked;
  const results = document.getElementById("results");
  results.classList.add("waits");
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "text/html" } });
  } catch {
    location.assign(address);
    return;
  }
  const text = await answer.text();
  if (number !== asked) return;
  const made = new DOMParser().parseFromString(text, "text/html");
  if (!made.getElementById("results")) {
    location.assign(address);
    return;
  }
  swap(made, { keepsTyped: push });
  if (!push) return;
  if (typed && isTyping) history.replaceState({ browse: true }, "", address);
  else history.pushState({ browse: true }, "", address);
  isTyping = typed;
}

function swap(made, { keepsTyped }) {
  const held = document.activeElement;
  const open = new Set([...document.querySelectorAll("#facets details[open]")].map((each) => each.dataset.keep));
  const key = held?.closest?.("#facets") ? [held.name, held.value, held.type] : null;
  const typed = held?.matches?.("#facets input[type=text]") ? held.selectionStart : null;
  for (const id of ["results", "facets"]) document.getElementById(id).replaceWith(made.getElementById(id));
  document.getElementById("browse-said").textContent = document.querySelector("#results .found")?.textContent ?? "";
  const search = form.elements.search;
  const theirs = made.querySelector("#search");
  if (!keepsTyped || document.activeElement !== search) search.value = theirs.value;
  form.elements.sort.value = made.querySelector("#sort").value;
  for (const each of document.querySelectorAll("#facets details")) {
    if (open.has(each.dataset.keep)) each.open = true;
  }
  startSlider();
  if (!key) return;
  const again = [...document.querySelectorAll("#facets input, #facets select")].find(
    (each) => each.name === key[0] && each.type === key[2] && (each.type !== "checkbox" || each.value === key[1]),
  );
  again?.focus({ preventScroll: true });
  if (again && typed !== null) again.setSelectionRange(typed, typed);
}

function startForm() {
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(addressOf(), { push: true, typed: true }), WAIT_MS);
  };
  form.addEventListener("focusout", () => { isTyping = false; });
  form.addEventListener("input", (event) => {
    if (event.target.matches("[type=search], [type=text]")) soon();
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[type=search], [type=text], .filters-switch, [type=range]")) return;
    clearTimeout(timer);
    show(addressOf(), { push: true });
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    show(addressOf(), { push: true });
  });
  form.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("a[data-swap], .pager a");
    if (!link) return;
    event.preventDefault();
    const isPage = link.matches(".pager a");
    document.activeElement.blur();
    show(link.getAttribute("href"), { push: true }).then(() => {
      if (isPage) form.scrollIntoView();
    });
  });
  addEventListener("popstate", () => {
    isTyping = false;
    show(location.pathname + location.search, { push: false });
  });
}

// Two thumbs on one line, in place of the two lists that work without scripts.
function startSlider() {
  const box = document.querySelector(".sizes");
  if (!box) return;
  const row = box.querySelector(".row");
  const [low, high] = row.querySelectorAll("select");
  const stops = ["", ...box.dataset.sizes.split(","), ""];
  const last = stops.length - 1;
  const slider = document.createElement("div");
  slider.className = "slider";
  slider.innerHTML = `<svg viewBox="0 0 ${last} 1" preserveAspectRatio="none" aria-hidden="true"><rect class="ground" width="${last}" height="1"/><rect class="chosen" height="1"/></svg>`;
  const said = document.createElement("output");
  const thumb = (label, value) => {
    const input = document.createElement("input");
    input.type = "range";
    input.min = "0";
    input.max = String(last);
    input.value = String(value);
    input.setAttribute("aria-label", label);
    slider.append(input);
    return input;
  };
  const from = thumb(box.dataset.least, Math.max(0, stops.indexOf(low.value)));
  const to = thumb(box.dataset.most, high.value ? stops.indexOf(high.value) : last);
  const draw = () => {
    const chosen = slider.querySelector(".chosen");
    chosen.setAttribute("x", from.value);
    chosen.setAttribute("width", String(Math.max(0, to.value - from.value)));
    const words = [stops[from.value] || box.dataset.any, stops[to.value] || box.dataset.any];
    said.textContent = words[0] === words[1] ? words[0] : words.join(" – ");
    from.setAttribute("aria-valuetext", words[0]);
    to.setAttribute("aria-valuetext", words[1]);
  };
  const keepApart = (moved) => {
    if (Number(from.value) < Number(to.value)) return;
    if (moved === from) from.value = String(Math.max(0, Number(to.value) - 1));
    else to.value = String(Math.min(last, Number(from.value) + 1));
  };
  for (const input of [from, to]) {
    input.addEventListener("input", () => {
      keepApart(input);
      draw();
    });
    input.addEventListener("change", () => {
      low.value = stops[from.value];
      high.value = Number(to.value) === last ? "" : stops[to.value];
      show(addressOf(), { push: true });
    });
  }
  draw();
  row.after(slider, said);
}

// The arrow keys walk the results, from the field too.
function startWalking() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const inField = event.target.closest("input, select, textarea");
    if (inField && !event.target.matches("#search")) return;
    if (event.target.closest("header, details.menu")) return;
    const links = [...document.querySelectorAll("[data-walk] .title a")];
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (next < 0) form.elements.search.focus();
    else links[Math.min(next, links.length - 1)].focus();
  });
}

if (form) {
  startForm();
  startSlider();
  startWalking();
}

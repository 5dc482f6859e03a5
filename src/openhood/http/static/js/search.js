// The search bar: what is found as one types, walked with the arrow keys. Without it the form leads to /search.
const WAIT_MS = 120;
const PATHS = { models: "/", datasets: "/datasets/", spaces: "/spaces/" };

export function startSearch() {
  const form = document.querySelector("form.find[data-suggest]");
  if (!form) return;
  const input = form.querySelector("input");
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", form.dataset.suggest);
  list.hidden = true;
  form.append(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-autocomplete", "list");

  let timer = 0;
  let asked = 0;
  let chosen = -1;

  function show(items) {
    list.replaceChildren(...items);
    list.hidden = items.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    choose(-1);
  }

  function choose(index) {
    const options = [...list.children];
    chosen = options.length ? Math.max(-1, Math.min(index, options.length - 1)) : -1;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
    if (chosen < 0) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    input.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  }

  function option(text, address, kind, place) {
    const item = document.createElement("li");
    item.id = `suggestion-${place}`;
    item.setAttribute("role", "option");
    item.dataset.address = address;
    const glyph = document.querySelector(`#glyphs .${kind}`);
    if (glyph) item.append(glyph.cloneNode(true));
    item.append(text);
    return item;
  }

  async function ask() {
    const text = input.value.trim();
    const number = ++asked;
    if (!text) {
      show([]);
      return;
    }
    const answer = await fetch(`/api/quicksearch?limit=5&q=${encodeURIComponent(text)}`);
    if (!answer.ok || number !== asked) return;
    const found = await answer.json();
    const items = [];
    for (const [part, prefix] of Object.entries(PATHS)) {
      for (const repo of found[part] ?? []) {
        items.push(option(repo.id, prefix + repo.id, part.slice(0, -1), items.length));
      }
    }
    for (const part of ["users", "orgs"]) {
      for (const account of found[part] ?? []) {
        const name = account.user ?? account.name;
        items.push(option(name, `/${name}`, "person", items.length));
      }
    }
    show(items);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape") {
      show([]);
    } else if (event.key === "Enter" && chosen >= 0) {
      event.preventDefault();
      location.assign(list.children[chosen].dataset.address);
    }
  });
  list.addEventListener("mousedown", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) location.assign(item.dataset.address);
  });
  input.addEventListener("blur", () => setTimeout(() => show([]), 100));
}

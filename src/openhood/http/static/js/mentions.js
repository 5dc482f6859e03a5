// Names of people as one types @: found by the hub's quick search, walked with the arrow keys, taken with Enter or Tab.
// Without it names are written out.
const WAIT_MS = 120;
const MOST = 6;
// What may stand before the sign, and what a name is made of: as the hub's renderer reads them.
const BEGUN = /(?:^|[\s([{"'*_~>,;:])@([A-Za-z0-9](?:[A-Za-z0-9-]{0,40})?)$/;

let number = 0;

export function startMentions(editor) {
  const area = editor.querySelector("textarea");
  const list = document.createElement("ul");
  list.className = "suggestions people-found";
  list.id = `mentions-${++number}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", editor.dataset.wordPeople);
  list.hidden = true;
  const place = document.createElement("div");
  place.className = "mention-place";
  area.before(place);
  place.append(area, list);
  area.setAttribute("aria-autocomplete", "list");
  area.setAttribute("aria-controls", list.id);

  let timer = 0;
  let asked = 0;
  let chosen = -1;

  function begun() {
    if (area.selectionStart !== area.selectionEnd) return null;
    return BEGUN.exec(area.value.slice(0, area.selectionStart))?.[1] ?? null;
  }

  function hide() {
    asked += 1;
    clearTimeout(timer);
    list.hidden = true;
    list.replaceChildren();
    chosen = -1;
    area.removeAttribute("aria-activedescendant");
  }

  function choose(index) {
    const options = [...list.children];
    chosen = (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
    area.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  }

  function take(option) {
    const typed = begun();
    if (typed !== null) {
      const end = area.selectionStart;
      area.setRangeText(`${option.dataset.name} `, end - typed.length, end, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    hide();
    area.focus();
  }

  function optionOf(account, at) {
    const option = document.createElement("li");
    option.id = `${list.id}-${at}`;
    option.setAttribute("role", "option");
    option.dataset.name = account.name;
    const picture = document.createElement("img");
    picture.className = "avatar";
    picture.src = account.avatarUrl;
    picture.alt = "";
    picture.width = 20;
    picture.height = 20;
    option.append(picture, account.name);
    if (account.fullname && account.fullname !== account.name) {
      const full = document.createElement("span");
      full.className = "soft";
      full.textContent = account.fullname;
      option.append(full);
    }
    return option;
  }

  async function ask(text) {
    const turn = ++asked;
    let found;
    try {
      const answer = await fetch(`/api/quicksearch?type=user&limit=${MOST}&q=${encodeURIComponent(text)}`);
      if (!answer.ok) return;
      found = await answer.json();
    } catch {
      return;
    }
    if (turn !== asked || begun() !== text) return;
    if (!found.users?.length) {
      hide();
      return;
    }
    list.replaceChildren(...found.users.map(optionOf));
    list.hidden = false;
    choose(0);
  }

  area.addEventListener("input", () => {
    const text = begun();
    if (text === null) {
      hide();
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(() => ask(text), WAIT_MS);
  });
  area.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") take(list.children[chosen]);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
  // Before the field loses what it is typing in.
  list.addEventListener("mousedown", (event) => {
    const option = event.target.closest("[role=option]");
    event.preventDefault();
    if (option) take(option);
  });
  area.addEventListener("blur", hide);
}

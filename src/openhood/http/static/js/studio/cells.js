// A value of any column as an element: short in the table, whole in the panel of a row.
const MEDIA = { Image: "image", Audio: "audio", Video: "video", Pdf: "file" };

export function kindOf(feature, value) {
  if (value === null || value === undefined) return "none";
  const type = feature && !Array.isArray(feature) ? feature._type : null;
  if (MEDIA[type]) return MEDIA[type];
  if (type === "ClassLabel") return "label";
  if (typeof value === "boolean") return "label";
  if (typeof value === "number") return "number";
  if (typeof value === "string") return "text";
  return isChat(value) ? "chat" : "json";
}

export function isChat(value) {
  return Array.isArray(value) && value.length > 0 && value.every((turn) => turn && typeof turn === "object"
    && typeof (turn.role ?? turn.from) === "string" && "content" in turn !== "value" in turn);
}

export function textOf(value, feature) {
  if (value === null || value === undefined) return "";
  if (feature && feature._type === "ClassLabel" && Number.isInteger(value)) return feature.names?.[value] ?? String(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function addressOf(value) {
  const first = Array.isArray(value) ? value[0] : value;
  const address = first && typeof first === "object" ? first.src : "";
  // Only what this hub serves, or its store: never a script.
  return /^(https?:|\/)/.test(address ?? "") ? address : "";
}

export function thumb(address, size) {
  if (!address.includes("/viewer-asset/")) return address;
  return `${address}${address.includes("?") ? "&" : "?"}thumb=${size}`;
}

// The short form, for one line of a table.
export function renderCell(element, value, feature, words, alt = "") {
  const kind = kindOf(feature, value);
  element.replaceChildren();
  element.classList.remove("number", "json", "none", "waiting");
  if (kind === "none") {
    element.classList.add("none");
    element.textContent = words.null;
  } else if (kind === "image") {
    const picture = document.createElement("img");
    picture.loading = "lazy";
    picture.alt = alt;
    picture.src = thumb(addressOf(value), 128);
    element.append(picture);
  } else if (kind === "audio") {
    element.append(player("audio", value));
  } else if (kind === "video" || kind === "file") {
    element.append(link(addressOf(value), kind === "file" ? "PDF" : "▶ video"));
  } else if (kind === "label") {
    const box = document.createElement("span");
    box.className = "pill";
    box.textContent = textOf(value, feature);
    element.append(box);
  } else if (kind === "chat") {
    element.textContent = value.map((turn) => `${turn.role ?? turn.from}: ${textOf(turn.content ?? turn.value)}`).join(" · ").slice(0, 400);
  } else {
    if (kind === "number") element.classList.add("number");
    if (kind === "json") element.classList.add("json");
    element.textContent = textOf(value, feature).slice(0, 400);
  }
}

// The long form, for the panel of a row.
export function renderWhole(element, value, feature, words, alt = "") {
  const kind = kindOf(feature, value);
  if (kind === "image") {
    const picture = document.createElement("img");
    picture.alt = alt;
    picture.src = addressOf(value);
    const anchor = link(addressOf(value), "");
    anchor.append(picture);
    element.replaceChildren(anchor);
  } else if (kind === "audio" || kind === "video") {
    element.replaceChildren(player(kind, value));
  } else if (kind === "chat") {
    element.replaceChildren(...value.map(turnOf));
  } else if (kind === "json") {
    const tree = document.createElement("div");
    tree.className = "tree";
    tree.append(branch(value, 0));
    element.replaceChildren(tree);
  } else if (kind === "text" && /^https?:\/\/\S+$/.test(value)) {
    element.replaceChildren(link(value, value));
  } else {
    renderCell(element, value, feature, words, alt);
    if (kind === "text" || kind === "number") element.textContent = textOf(value, feature);
    element.classList.remove("number");
  }
}

function player(kind, value) {
  const made = document.createElement(kind);
  made.controls = true;
  made.preload = "none";
  made.src = addressOf(value);
  return made;
}

function link(address, text) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.rel = "noopener noreferrer nofollow";
  anchor.target = "_blank";
  anchor.textContent = text;
  return anchor;
}

function turnOf(turn) {
  const box = document.createElement("div");
  const role = turn.role ?? turn.from;
  box.className = role === "user" || role === "human" ? "turn user" : "turn";
  const name = document.createElement("small");
  name.textContent = role;
  const content = turn.content ?? turn.value;
  box.append(name, typeof content === "string" ? content : JSON.stringify(content));
  return box;
}

const MOST_BRANCHES = 500;

function branch(value, depth) {
  if (value === null || typeof value !== "object") {
    const leaf = document.createElement("span");
    leaf.textContent = value === null ? "null" : JSON.stringify(value);
    return leaf;
  }
  const entries = Object.entries(value);
  const box = document.createElement("details");
  box.open = depth < 2 && entries.length <= 50;
  const head = document.createElement("summary");
  head.textContent = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  box.append(head);
  const fill = () => {
    if (box.childElementCount > 1) return;
    for (const [name, below] of entries.slice(0, MOST_BRANCHES)) {
      const line = document.createElement("div");
      const key = document.createElement("b");
      key.textContent = `${name}: `;
      line.append(key, branch(below, depth + 1));
      box.append(line);
    }
    if (entries.length > MOST_BRANCHES) box.append("…");
  };
  if (box.open) fill();
  else box.addEventListener("toggle", fill, { once: true });
  return box;
}

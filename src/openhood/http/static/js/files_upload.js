// Uploading: dropped and chosen files, progress, stopping and going on; then one commit. Uses the routes of the other
// clients: preupload says how each file goes, LFS takes the large ones, the commit names them all.
import { durationOf, sizeOf } from "./figures.js";
import { Away, Hub, Refused, interrupted, sameOrigin, sendLarge } from "./files_send.js";

const SAMPLE_BYTES = 512;
const ASKED_AT_ONCE = 200;
const RACES = 3;

const form = document.querySelector("[data-upload]");
if (form) start(form);

function start(form) {
  const words = form.dataset;
  const chooser = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const list = form.querySelector(".uploads");
  const overall = form.querySelector(".overall");
  const bar = overall.querySelector("progress");
  const status = overall.querySelector("[role=status]");
  const trouble = form.querySelector(".trouble");
  const go = form.querySelector(".go");
  const stop = form.querySelector(".stop");
  const items = new Map(); // by path below the folder
  let controller = null;
  let worker = null;
  let parent = form.elements.parent.value;
  let checking = 0;

  form.querySelector(".with-script").hidden = false;
  form.querySelector(".without-script").hidden = true;
  remind();

  function remind() {
    const names = interrupted(words.api);
    const line = form.querySelector(".interrupted");
    line.hidden = names.length === 0;
    line.querySelector("span").textContent = names.join(", ");
  }

  // --- choosing --------------------------------------------------------------------------------------

  function add(path, file) {
    if (controller || !path) return;
    items.get(path)?.row.remove();
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = path;
    const state = document.createElement("span");
    state.className = "state";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet small";
    remove.textContent = words.wordRemove;
    remove.setAttribute("aria-label", `${words.wordRemove} ${path}`);
    const progress = document.createElement("progress");
    progress.max = 1;
    progress.value = 0;
    progress.hidden = true;
    progress.setAttribute("aria-label", path);
    row.append(name, state, remove, progress);
    const item = { path, file, row, state, progress, remove, sent: 0, sha256: "", mode: "", known: null };
    remove.addEventListener("click", () => {
      items.delete(path);
      row.remove();
      list.hidden = items.size === 0;
    });
    say(item, sizeOf(file.size));
    items.set(path, item);
    list.append(row);
    list.hidden = false;
    clearTimeout(checking);
    checking = setTimeout(check, 100);
  }

  function targeted() {
    const folder = form.elements.folder.value.trim().replace(/^\/+|\/+$/g, "");
    const all = [...items.values()];
    for (const item of all) item.target = folder ? `${folder}/${item.path}` : item.path;
    return all;
  }

  // Say which files would take the place of others, before anything is sent.
  async function check() {
    if (controller) return;
    try {
      await look(targeted(), new Hub(words, new AbortController().signal));
    } catch (error) {
      // Nothing is lost: whoever presses the button is told then.
      if (!(error instanceof Away || error instanceof Refused)) throw error;
    }
  }

  // Note what each path holds at the commit that this upload builds on. Returns the items whose file changed.
  async function look(all, hub) {
    const changed = [];
    for (let at = 0; parent && at < all.length; at += ASKED_AT_ONCE) {
      const group = all.slice(at, at + ASKED_AT_ONCE);
      const found = await hub.ask(`${words.api}/paths-info/${parent}`, { paths: group.map((item) => item.target) });
      const known = new Map(found.filter((each) => each.type === "file").map((each) => [each.path, each.oid]));
      for (const item of group) {
        const oid = known.get(item.target) ?? null;
        if (oid !== item.known) changed.push(item);
        item.known = oid;
        if (!item.sent) say(item, sizeOf(item.file.size) + (oid ? ` · ${words.wordReplaces}` : ""));
      }
    }
    return changed;
  }

  form.elements.folder.addEventListener("change", check);
  chooser.addEventListener("change", () => {
    for (const file of chooser.files) add(file.webkitRelativePath || file.name, file);
    chooser.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...event.dataTransfer.files];
    if (!entries.length) {
      for (const file of plain) add(file.name, file);
    }
    for (const entry of entries) await walk(entry, "");
  });

  async function walk(entry, folder) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      add(folder + entry.name, file);
      return;
    }
    if (entry.name === ".git") return;
    const reader = entry.createReader();
    const inside = [];
    for (;;) {
      const found = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!found.length) break;
      inside.push(...found);
    }
    inside.sort((one, other) => one.name.localeCompare(other.name));
    for (const inner of inside) await walk(inner, `${folder}${entry.name}/`);
  }

  // --- sending ---------------------------------------------------------------------------------------

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.hidden = true;
    if (!items.size) {
      complain(words.wordNone);
      return;
    }
    controller = new AbortController();
    setBusy(true);
    try {
      location.assign(await run(controller.signal));
    } catch (error) {
      if (error.name === "AbortError") complain(words.wordStopped);
      else complain(error instanceof Away ? `${error.message} ${words.wordRetry}` : error.message);
      setBusy(false);
      remind();
    }
    controller = null;
  });
  stop.addEventListener("click", () => controller?.abort());
  addEventListener("beforeunload", (event) => {
    if (controller) event.preventDefault();
  });

  function setBusy(isBusy) {
    go.disabled = isBusy;
    stop.hidden = !isBusy;
    overall.hidden = !isBusy;
    chooser.disabled = isBusy;
    for (const item of items.values()) item.remove.disabled = isBusy;
    if (!isBusy) {
      worker?.terminate();
      worker = null;
    }
  }

  function complain(text) {
    trouble.textContent = text;
    trouble.hidden = false;
  }

  async function run(signal) {
    const hub = new Hub(words, signal);
    const isPull = form.elements.goes?.value === "pull";
    const chosen = targeted();
    await look(chosen, hub);
    await advise(chosen, isPull, hub);
    const all = chosen.filter((item) => item.mode !== "ignored");
    if (!all.length) throw new Refused(0, words.wordIgnored);
    const large = all.filter((item) => item.mode === "lfs");
    const meter = new Meter(large, bar, status, words);
    for (const item of large) {
      if (!item.sha256) {
        say(item, words.wordHashing);
        item.sha256 = await hash(item, signal);
      }
      await sendLarge(hub, item, {
        told: (text) => say(item, text),
        onSent: (sent) => meter.set(item, sent),
      });
    }
    status.textContent = words.wordCommit;
    return commit(all, isPull, hub);
  }

  async function advise(all, isPull, hub) {
    for (let at = 0; at < all.length; at += ASKED_AT_ONCE) {
      const group = all.slice(at, at + ASKED_AT_ONCE);
      const files = await Promise.all(group.map(async (item) => ({
        path: item.target,
        size: item.file.size,
        sample: base64(new Uint8Array(await item.file.slice(0, SAMPLE_BYTES).arrayBuffer())),
      })));
      const query = isPull ? "?create_pr=1" : "";
      const found = await hub.ask(`${words.api}/preupload/${encodeURIComponent(words.rev)}${query}`, { files });
      found.files.forEach((advice, place) => {
        group[place].mode = advice.shouldIgnore ? "ignored" : advice.uploadMode;
        if (advice.shouldIgnore) say(group[place], words.wordIgnored);
      });
    }
  }

  function hash(item, signal) {
    worker ??= new Worker(words.hash, { type: "module" });
    const own = worker;
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        own.removeEventListener("message", hear);
        signal.removeEventListener("abort", abort);
        settle(value);
      };
      const hear = ({ data }) => {
        if (data.id !== item.target) return;
        if (data.hex) end(resolve, data.hex);
        else if (data.error) end(reject, new Error(data.error));
        else progress(item, data.done / item.file.size);
      };
      const abort = () => end(reject, new DOMException("", "AbortError"));
      own.addEventListener("message", hear);
      own.addEventListener("error", () => end(reject, new Error(words.wordFailed)), { once: true });
      signal.addEventListener("abort", abort);
      own.postMessage({ id: item.target, file: item.file });
    });
  }

  async function commit(all, isPull, hub) {
    const lines = [];
    for (const item of all) {
      if (item.mode === "lfs") {
        const value = { path: item.target, algo: "sha256", oid: item.sha256, size: item.file.size };
        lines.push(JSON.stringify({ key: "lfsFile", value }));
      } else {
        const content = base64(new Uint8Array(await item.file.arrayBuffer()));
        lines.push(JSON.stringify({ key: "file", value: { path: item.target, content, encoding: "base64" } }));
      }
    }
    const address = `${words.api}/commit/${encodeURIComponent(words.rev)}${isPull ? "?create_pr=1" : ""}`;
    for (let race = 1; ; race++) {
      try {
        const found = await hub.commit(address, [headerOf(all, isPull), ...lines], { isPull });
        return found.pullRequestUrl ? sameOrigin(found.pullRequestUrl) : words.tree;
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 412 || race >= RACES) throw error;
        await rebase(all, hub);
      }
    }
  }

  function headerOf(all, isPull) {
    const summary = form.elements.summary.value.trim()
      || (all.length === 1 ? `Upload ${all[0].path.split("/").pop()}` : `Upload ${all.length} files`);
    const value = { summary, description: form.elements.description.value };
    if (parent && !isPull) value.parentCommit = parent;
    return JSON.stringify({ key: "header", value });
  }

  // The branch moved on. Whoever changed other files is no obstacle; to change the same ones again is for people to decide.
  async function rebase(all, hub) {
    parent = (await hub.get(`${words.api}/revision/${encodeURIComponent(words.rev)}`)).sha;
    const changed = await look(all, hub);
    for (const item of changed) say(item, words.wordReplaces);
    if (changed.length) throw new Refused(412, words.wordMoved.replace("{names}", changed.map((item) => item.target).join(", ")));
  }
}

class Meter {
  constructor(items, bar, status, words) {
    this.items = items;
    this.bar = bar;
    this.status = status;
    this.words = words;
    this.total = items.reduce((sum, item) => sum + item.file.size, 0);
    this.marks = [];
  }

  set(item, sent) {
    item.sent = sent;
    progress(item, item.file.size ? sent / item.file.size : 1);
    const done = this.items.reduce((sum, each) => sum + each.sent, 0);
    this.bar.value = this.total ? done / this.total : 1;
    const now = performance.now();
    this.marks.push([now, done]);
    while (this.marks.length > 2 && now - this.marks[0][0] > 8000) this.marks.shift();
    const [then, before] = this.marks[0];
    const speed = now > then ? ((done - before) / (now - then)) * 1000 : 0;
    const left = speed > 0 ? ` · ${durationOf((this.total - done) / speed)} ${this.words.wordLeft}` : "";
    this.status.textContent = `${sizeOf(done)} / ${sizeOf(this.total)}${speed > 0 ? ` · ${sizeOf(speed)}/s` : ""}${left}`;
  }
}

function say(item, text) {
  item.state.textContent = text;
}

function progress(item, share) {
  item.progress.hidden = false;
  item.progress.value = share;
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

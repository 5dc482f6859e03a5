// Uploading: dropped and chosen files, progress, stopping and going on; then one commit. Uses the routes of the other
// clients: preupload says how each file goes, LFS takes the large ones, the commit names them all.
const SAMPLE_BYTES = 512;
const TRIES = 4;

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

  form.querySelector(".with-script").hidden = false;
  form.querySelector(".without-script").hidden = true;

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
    const item = { path, file, row, state, progress, remove, sent: 0, sha256: "", mode: "" };
    remove.addEventListener("click", () => {
      items.delete(path);
      row.remove();
      list.hidden = items.size === 0;
    });
    say(item, sizeOf(file.size));
    items.set(path, item);
    list.append(row);
    list.hidden = false;
  }

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
    for (;;) {
      const found = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!found.length) return;
      for (const inner of found) await walk(inner, `${folder}${entry.name}/`);
    }
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
      complain(error.name === "AbortError" ? words.wordStopped : `${error.message} ${words.wordRetry}`);
      setBusy(false);
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
    const isPull = form.elements.goes?.value === "pull";
    const folder = form.elements.folder.value.trim().replace(/^\/+|\/+$/g, "");
    const all = [...items.values()];
    for (const item of all) item.target = folder ? `${folder}/${item.path}` : item.path;
    await advise(all, isPull, signal);
    const large = all.filter((item) => item.mode === "lfs");
    const meter = new Meter(large, bar, status, words);
    for (const item of large) {
      if (!item.sha256) {
        say(item, words.wordHashing);
        item.sha256 = await hash(item, signal);
      }
      await send(item, meter, signal);
    }
    status.textContent = words.wordCommit;
    return commit(all, isPull, signal);
  }

  async function advise(all, isPull, signal) {
    for (let at = 0; at < all.length; at += 200) {
      const group = all.slice(at, at + 200);
      const files = await Promise.all(group.map(async (item) => ({
        path: item.target,
        size: item.file.size,
        sample: base64(new Uint8Array(await item.file.slice(0, SAMPLE_BYTES).arrayBuffer())),
      })));
      const query = isPull ? "?create_pr=1" : "";
      const found = await ask(`${words.api}/preupload/${encodeURIComponent(words.rev)}${query}`, { files }, signal);
      found.files.forEach((advice, place) => { group[place].mode = advice.uploadMode; });
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

  async function send(item, meter, signal) {
    const wanted = { oid: item.sha256, size: item.file.size };
    const body = { operation: "upload", transfers: ["basic", "multipart"], objects: [wanted], hash_algo: "sha256" };
    const planned = (await ask(words.lfs, body, signal)).objects[0];
    if (planned.error) throw new Error(`${item.path}: ${planned.error.message}`);
    const upload = planned.actions?.upload;
    if (!upload) {
      meter.set(item, item.file.size);
      say(item, words.wordThere);
      return;
    }
    say(item, words.wordSending);
    if (upload.header?.chunk_size) await sendParts(item, upload, meter, signal);
    else await put(sameOrigin(upload.href), item.file, (sent) => meter.set(item, sent), signal);
    if (planned.actions.verify) await ask(sameOrigin(planned.actions.verify.href), wanted, signal);
    meter.set(item, item.file.size);
    say(item, words.wordDone);
  }

  // Parts that have arrived are remembered in this browser, so that an upload goes on after a reload.
  async function sendParts(item, upload, meter, signal) {
    const partBytes = Number(upload.header.chunk_size);
    const memory = `upload:${words.name}:${item.sha256}`;
    let kept = JSON.parse(localStorage.getItem(memory) ?? "null");
    if (!kept || kept.partBytes !== partBytes || kept.until < Date.now()) {
      kept = { partBytes, until: Date.now() + upload.expires_in * 1000, upload, tags: {} };
    }
    const links = Object.entries(kept.upload.header).filter(([key]) => /^\d+$/.test(key)).sort();
    let before = 0;
    for (const [key, address] of links) {
      const number = Number(key);
      const piece = item.file.slice((number - 1) * partBytes, number * partBytes);
      if (!kept.tags[number]) {
        const answer = await put(sameOrigin(address), piece, (sent) => meter.set(item, before + sent), signal);
        kept.tags[number] = answer.getResponseHeader("etag");
        localStorage.setItem(memory, JSON.stringify(kept));
      }
      before += piece.size;
      meter.set(item, before);
    }
    const parts = links.map(([key]) => ({ partNumber: Number(key), etag: kept.tags[Number(key)] }));
    try {
      await ask(sameOrigin(kept.upload.href), { oid: item.sha256, parts }, signal);
    } finally {
      localStorage.removeItem(memory);
    }
  }

  async function commit(all, isPull, signal) {
    const summary = form.elements.summary.value.trim()
      || (all.length === 1 ? `Upload ${all[0].path.split("/").pop()}` : `Upload ${all.length} files`);
    const header = { summary, description: form.elements.description.value };
    const lines = [JSON.stringify({ key: "header", value: header })];
    for (const item of all) {
      if (item.mode === "lfs") {
        const value = { path: item.target, algo: "sha256", oid: item.sha256, size: item.file.size };
        lines.push(JSON.stringify({ key: "lfsFile", value }));
      } else {
        const content = base64(new Uint8Array(await item.file.arrayBuffer()));
        lines.push(JSON.stringify({ key: "file", value: { path: item.target, content, encoding: "base64" } }));
      }
    }
    const query = isPull ? "?create_pr=1" : "";
    const answer = await fetch(`${words.api}/commit/${encodeURIComponent(words.rev)}${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
      body: new Blob(lines.map((line) => `${line}\n`)),
      signal,
    });
    const found = await read(answer);
    return found.pullRequestUrl ? sameOrigin(found.pullRequestUrl) : words.tree;
  }

  // --- asking ----------------------------------------------------------------------------------------

  async function ask(address, body, signal) {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      signal,
    });
    return read(answer);
  }

  async function read(answer) {
    let found = {};
    try {
      found = await answer.json();
    } catch {
      // An answer without words has its status to say.
    }
    if (!answer.ok) throw new Error(found.error ?? found.message ?? `HTTP ${answer.status}`);
    return found;
  }

  async function put(address, body, onSent, signal) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await putOnce(address, body, onSent, signal);
      } catch (error) {
        if (error.name === "AbortError" || error.isFinal || attempt >= TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
      }
    }
  }

  function putOnce(address, body, onSent, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      signal.addEventListener("abort", abort);
      request.open("PUT", address);
      request.upload.addEventListener("progress", (event) => onSent(event.loaded));
      request.addEventListener("load", () => {
        signal.removeEventListener("abort", abort);
        if (request.status < 300) resolve(request);
        else {
          const error = new Error(`${words.wordFailed}: HTTP ${request.status}`);
          error.isFinal = request.status < 500;
          reject(error);
        }
      });
      request.addEventListener("error", () => reject(new Error(words.wordFailed)));
      request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      if (signal.aborted) request.abort();
      else request.send(body);
    });
  }
}

// The hub may be known to itself by another name than the one in the address bar.
function sameOrigin(address) {
  const url = new URL(address, location.href);
  return url.pathname + url.search;
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

function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = bytes;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

function durationOf(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

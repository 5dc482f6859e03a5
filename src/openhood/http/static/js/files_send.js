// Sending files to the hub: questions, and bytes in parts, asked and sent again where the line broke. What has arrived is
// remembered in this browser, so that an upload goes on after a reload. What people see of it is files_upload.js.
const TRIES = 6;
const FIRST_WAIT_MS = 1000;
const PARTS_FROM_BYTES = 16 * 1024 * 1024;

// The hub answered, and said no.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The hub could not be reached.
export class Away extends Error {}

const stopped = () => new DOMException("", "AbortError");

function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(stopped());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}

// Do something that may be done twice, again while the hub is away.
async function again(act, signal) {
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) throw stopped();
    try {
      return await act();
    } catch (error) {
      const isAway = error instanceof Away || (error instanceof Refused && error.status >= 500);
      if (!isAway || attempt >= TRIES) throw error;
      await wait(FIRST_WAIT_MS * 2 ** (attempt - 1), signal);
    }
  }
}

export class Hub {
  constructor(words, signal) {
    this.words = words;
    this.signal = signal;
  }

  async once(address, options) {
    let answer;
    try {
      answer = await fetch(address, { signal: this.signal, ...options });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Away(this.words.wordAway);
    }
    // An answer without words has its status to say.
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, found.error ?? found.message ?? `HTTP ${answer.status}`);
    return found;
  }

  get(address) {
    return again(() => this.once(address, { headers: { Accept: "application/json" } }), this.signal);
  }

  ask(address, body) {
    const options = {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    };
    return again(() => this.once(address, options), this.signal);
  }

  // A pull request would be opened twice if this were sent again.
  commit(address, lines, { isPull }) {
    const options = {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
      body: new Blob(lines.map((line) => `${line}\n`)),
    };
    return isPull ? this.once(address, options) : again(() => this.once(address, options), this.signal);
  }

  put(address, body, onSent) {
    return again(() => this.putOnce(address, body, onSent), this.signal);
  }

  putOnce(address, body, onSent) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      const end = (settle, value) => {
        this.signal.removeEventListener("abort", abort);
        settle(value);
      };
      this.signal.addEventListener("abort", abort);
      request.open("PUT", address);
      request.upload.addEventListener("progress", (event) => onSent(event.loaded));
      request.addEventListener("load", () => {
        if (request.status < 300) end(resolve, request);
        else end(reject, new Refused(request.status, saidBy(request) ?? `${this.words.wordFailed}: HTTP ${request.status}`));
      });
      request.addEventListener("error", () => end(reject, new Away(this.words.wordAway)));
      request.addEventListener("abort", () => end(reject, stopped()));
      request.send(body);
    });
  }
}

function saidBy(request) {
  try {
    const found = JSON.parse(request.responseText);
    return found.error ?? found.message;
  } catch {
    return null;
  }
}

// The hub may be known to itself by another name than the one in the address bar.
export function sameOrigin(address) {
  const url = new URL(address, location.href);
  return url.pathname + url.search;
}

const placeOf = (api) => `upload:${api}:`;

const memoryOf = (hub, item) => placeOf(hub.words.api) + item.sha256;

// The names of files whose upload broke off and can go on.
export function interrupted(api) {
  const names = [];
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(placeOf(api))) continue;
    const kept = JSON.parse(localStorage.getItem(key));
    if (kept.until < Date.now()) localStorage.removeItem(key);
    else names.push(kept.path);
  }
  return names;
}

// Send one file as an LFS object. *told*: what happens to it, by name; *onSent*: how many bytes have arrived.
export async function sendLarge(hub, item, { told, onSent }) {
  const { words } = hub;
  const wanted = { oid: item.sha256, size: item.file.size };
  const transfers = item.file.size >= PARTS_FROM_BYTES ? ["multipart"] : ["basic"];
  const body = { operation: "upload", transfers, objects: [wanted], hash_algo: "sha256" };
  const planned = (await hub.ask(words.lfs, body)).objects[0];
  if (planned.error) throw new Refused(planned.error.code, planned.error.message.replace(`Object ${item.sha256}`, item.path));
  const upload = planned.actions?.upload;
  if (!upload) {
    // The page may have gone while the last answer was on its way.
    localStorage.removeItem(memoryOf(hub, item));
    told(words.wordThere);
    onSent(item.file.size);
    return;
  }
  told(words.wordSending);
  if (upload.header?.chunk_size) await sendParts(hub, item, upload, onSent);
  else await hub.put(sameOrigin(upload.href), item.file, onSent);
  if (planned.actions.verify) await hub.ask(sameOrigin(planned.actions.verify.href), wanted);
  told(words.wordDone);
  onSent(item.file.size);
}

async function sendParts(hub, item, upload, onSent) {
  const memory = memoryOf(hub, item);
  const partBytes = Number(upload.header.chunk_size);
  const fresh = { partBytes, until: Date.now() + upload.expires_in * 1000, path: item.path, upload, tags: {} };
  const kept = JSON.parse(localStorage.getItem(memory) ?? "null");
  const isKept = kept !== null && kept.partBytes === partBytes && kept.until > Date.now();
  try {
    await sendMissing(hub, item, isKept ? kept : fresh, { memory, onSent });
  } catch (error) {
    if (!(error instanceof Refused) || error.status >= 500) throw error;
    localStorage.removeItem(memory);
    if (!isKept) throw error;
    // What was remembered is gone at the hub: everything is sent anew.
    await sendMissing(hub, item, fresh, { memory, onSent });
  }
  localStorage.removeItem(memory);
}

async function sendMissing(hub, item, kept, { memory, onSent }) {
  const links = Object.entries(kept.upload.header)
    .filter(([key]) => /^\d+$/.test(key))
    .map(([key, address]) => [Number(key), address])
    .sort(([one], [other]) => one - other);
  let arrived = 0;
  for (const [number, address] of links) {
    const piece = item.file.slice((number - 1) * kept.partBytes, number * kept.partBytes);
    if (!kept.tags[number]) {
      const answer = await hub.put(sameOrigin(address), piece, (sent) => onSent(arrived + sent));
      kept.tags[number] = answer.getResponseHeader("etag");
      localStorage.setItem(memory, JSON.stringify(kept));
    }
    arrived += piece.size;
    onSent(arrived);
  }
  const parts = links.map(([number]) => ({ partNumber: number, etag: kept.tags[number] }));
  await hub.ask(sameOrigin(kept.upload.href), { oid: item.sha256, parts });
}

// Rows by their place in what is asked for now, fetched by pages and kept for a while.
export const PAGE = 100;
const MOST_PAGES = 60;

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function ask(facts, endpoint, params = {}, options = {}) {
  const query = new URLSearchParams();
  const all = { config: facts.config, split: facts.split, revision: facts.revision === "main" ? "" : facts.revision, ...params };
  for (const [name, value] of Object.entries(all)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== "" && each !== undefined && each !== null) query.append(name, each);
  }
  return read(await fetch(`${facts.api}/${endpoint}?${query}`, { headers: { Accept: "application/json" }, ...options }));
}

export async function post(facts, endpoint, body) {
  return fetch(`${facts.api}/${endpoint}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export async function read(answer) {
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, answer.headers.get("X-Error-Code") ?? "", body.error ?? answer.statusText);
  return body;
}

export class Source {
  constructor(facts, changed) {
    this.facts = facts;
    this.changed = changed;
    this.pages = new Map();
    this.waiting = new Map();
    this.total = facts.rows;
    this.isPartial = facts.isPartial;
    if (facts.page && facts.pageStart % PAGE === 0) this.keep(facts.pageStart / PAGE, facts.page);
  }

  forget() {
    for (const control of this.waiting.values()) control.abort();
    this.waiting.clear();
    this.pages.clear();
  }

  row(index) {
    const page = this.pages.get(Math.floor(index / PAGE));
    return page ? page[index % PAGE] : undefined;
  }

  // Fetch what is missing between two rows; give up what nobody looks at any more.
  want(first, last) {
    const from = Math.floor(Math.max(0, first) / PAGE);
    const to = Math.floor(Math.max(0, Math.min(last, this.total - 1)) / PAGE);
    for (const [page, control] of this.waiting) {
      if (page < from - 1 || page > to + 1) {
        control.abort();
        this.waiting.delete(page);
      }
    }
    for (let page = from; page <= to; page += 1) if (!this.pages.has(page) && !this.waiting.has(page)) this.fetch(page);
  }

  async fetch(page) {
    const control = new AbortController();
    this.waiting.set(page, control);
    try {
      this.keep(page, await this.load(page * PAGE, control.signal));
      this.changed(null);
    } catch (error) {
      if (error.name !== "AbortError") this.changed(error);
    } finally {
      if (this.waiting.get(page) === control) this.waiting.delete(page);
    }
  }

  load(offset, signal) {
    const { q, where, orderby } = this.facts.state;
    const page = { offset, length: PAGE };
    if (q.trim()) return ask(this.facts, "search", { query: q, ...page }, { signal });
    if (where.trim() || orderby.trim()) return ask(this.facts, "filter", { where, orderby, ...page }, { signal });
    return ask(this.facts, "rows", page, { signal });
  }

  keep(page, answer) {
    this.total = answer.num_rows_total ?? this.total;
    this.isPartial = Boolean(answer.partial);
    this.pages.delete(page);
    this.pages.set(page, answer.rows ?? []);
    while (this.pages.size > MOST_PAGES) this.pages.delete(this.pages.keys().next().value);
  }
}

// What a column is like, drawn small: bins of numbers and lengths, the commonest values, the share that is empty.
import { compact, grouped } from "../figures.js";

const WIDTH = 160;
const HEIGHT = 30;
const SVG = "http://www.w3.org/2000/svg";

export function draw(element, found, words, bar) {
  const { drawing, caption } = element;
  drawing.replaceChildren();
  if (!found) {
    caption.textContent = words.unknown;
    return;
  }
  const facts = found.column_statistics;
  const bins = facts.histogram ? binsOf(facts.histogram) : frequenciesOf(facts.frequencies ?? {});
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  const width = (WIDTH - 2) / Math.max(1, bins.length);
  bins.forEach((bin, at) => {
    const height = bin.count ? Math.max(2, (bin.count / most) * (HEIGHT - 2)) : 0;
    const rectangle = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: at * width + 1, y: HEIGHT - height, width: Math.max(1, width - 1), height })) rectangle.setAttribute(name, value);
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${bin.text}: ${grouped(bin.count)}`;
    rectangle.append(title);
    drawing.append(rectangle);
    if (!bin.count) return;
    rectangle.setAttribute("role", "button");
    rectangle.setAttribute("aria-label", title.textContent);
    rectangle.dataset.bar = at;
    rectangle.tabIndex = drawing.querySelector("[tabindex]") ? -1 : 0;
    rectangle.addEventListener("click", () => bar({ ...bin, kind: found.column_type }));
    rectangle.addEventListener("keydown", (event) => walk(event, drawing));
  });
  caption.textContent = captionOf(found, facts, words);
}

// One stop of the Tab key for each column; arrow keys walk from bar to bar, Enter and Space choose one.
function walk(event, drawing) {
  const bars = [...drawing.querySelectorAll("[role=button]")];
  const at = bars.indexOf(event.currentTarget);
  const places = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: bars.length - 1 };
  if (event.key === "Enter" || event.key === " ") {
    event.currentTarget.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  } else if (event.key in places) {
    const next = bars[Math.max(0, Math.min(bars.length - 1, places[event.key]))];
    for (const each of bars) each.tabIndex = each === next ? 0 : -1;
    next.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function binsOf({ hist, bin_edges: edges }) {
  return hist.map((count, at) => ({ count, low: edges[at], high: edges[at + 1] ?? edges[at], isLast: at === hist.length - 1, text: `${short(edges[at])} – ${short(edges[at + 1] ?? edges[at])}` }));
}

function frequenciesOf(frequencies) {
  return Object.entries(frequencies).sort((one, other) => other[1] - one[1]).slice(0, 30).map(([value, count]) => ({ count, value, text: value }));
}

function captionOf(found, facts, words) {
  const parts = [];
  if (facts.histogram && facts.min !== undefined && facts.min !== null) {
    const template = found.column_type === "string_text" || found.column_type === "list" ? words.lengths : words.between;
    parts.push(template.replace("{low}", short(facts.min)).replace("{high}", short(facts.max)));
  } else if (facts.n_unique !== undefined) {
    parts.push(words.distinct.replace("{n}", grouped(facts.n_unique)));
  } else if (facts.frequencies) {
    parts.push(words.distinct.replace("{n}", Object.keys(facts.frequencies).length));
  }
  if (facts.nan_proportion > 0) parts.push(words.nulls.replace("{n}", (100 * facts.nan_proportion).toFixed(facts.nan_proportion < 0.01 ? 1 : 0)));
  return parts.join(" · ");
}

function short(value) {
  if (typeof value !== "number") return String(value).slice(0, 19);
  if (Number.isInteger(value) && Math.abs(value) < 10000) return String(value);
  return compact(value);
}

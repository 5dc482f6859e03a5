// What a column is like, drawn small: bins of numbers and lengths, the commonest values, the share that is empty.
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
    title.textContent = `${bin.text}: ${bin.count.toLocaleString()}`;
    rectangle.append(title);
    rectangle.addEventListener("click", () => bar({ ...bin, kind: found.column_type }));
    drawing.append(rectangle);
  });
  caption.textContent = captionOf(found, facts, words);
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
    parts.push(words.distinct.replace("{n}", facts.n_unique.toLocaleString()));
  } else if (facts.frequencies) {
    parts.push(words.distinct.replace("{n}", Object.keys(facts.frequencies).length));
  }
  if (facts.nan_proportion > 0) parts.push(words.nulls.replace("{n}", (100 * facts.nan_proportion).toFixed(facts.nan_proportion < 0.01 ? 1 : 0)));
  return parts.join(" · ");
}

function short(value) {
  if (typeof value !== "number") return String(value).slice(0, 19);
  if (Number.isInteger(value) && Math.abs(value) < 10000) return String(value);
  return Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

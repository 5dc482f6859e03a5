// A table of any length and width: only what can be seen is there. Rows have one height; a space that would be taller
// than browsers allow is squeezed, and the wheel then walks by rows.
import { grouped } from "../figures.js";
import { renderCell } from "./cells.js";
import { quoted } from "./conditions.js";

const ROW = 44;
const HEAD = 104;
const TALLEST = 12_000_000;
const AT_WIDTH = 76;
const WIDTHS = { number: 130, text: 280, label: 130, image: 110, audio: 270, json: 260 };

export class Grid {
  constructor(place, facts, source) {
    this.facts = facts;
    this.source = source;
    this.columns = facts.features.map((feature) => ({ ...feature, width: widthOf(feature.type), isHidden: false }));
    this.chosen = { row: 0, column: 0 };
    this.position = 0;
    this.decorators = [];
    this.rows = new Map();
    this.build(place);
    this.measure();
    this.draw();
  }

  get shown() {
    return this.columns.filter((column) => !column.isHidden);
  }

  build(place) {
    const box = (name, parent) => {
      const made = document.createElement("div");
      made.className = name;
      parent.append(made);
      return made;
    };
    this.box = box("grid", place);
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "grid");
    this.box.setAttribute("aria-label", document.title);
    this.room = box("grid-room", this.box);
    this.head = box("grid-head", this.room);
    this.head.setAttribute("role", "row");
    this.view = box("grid-view", this.room);
    this.view.setAttribute("role", "rowgroup");
    this.box.addEventListener("scroll", () => this.scrolled());
    this.box.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.box.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  measure() {
    this.width = AT_WIDTH + this.shown.reduce((sum, column) => sum + column.width, 0);
    const full = this.source.total * ROW + HEAD;
    this.isSqueezed = full > TALLEST;
    this.room.style.width = `${this.width}px`;
    this.room.style.height = `${Math.min(full, TALLEST)}px`;
    this.box.setAttribute("aria-rowcount", String(this.source.total + 1));
    this.box.setAttribute("aria-colcount", String(this.shown.length + 1));
  }

  get fitting() {
    return Math.max(1, (this.box.clientHeight - HEAD) / ROW);
  }

  get lastPosition() {
    return Math.max(0, this.source.total - this.fitting);
  }

  get travel() {
    return Math.max(1, this.box.scrollHeight - this.box.clientHeight);
  }

  scrolled() {
    if (this.isSetting) {
      this.isSetting = false;
    } else {
      this.position = this.isSqueezed ? (this.box.scrollTop / this.travel) * this.lastPosition : this.box.scrollTop / ROW;
    }
    this.later();
  }

  wheeled(event) {
    if (!this.isSqueezed || event.ctrlKey || !event.deltaY) return;
    event.preventDefault();
    this.box.scrollLeft += event.deltaX;
    this.moveTo(this.position + event.deltaY / ROW);
  }

  moveTo(position) {
    this.position = Math.min(this.lastPosition, Math.max(0, position));
    const top = this.isSqueezed ? (this.position / Math.max(1, this.lastPosition)) * this.travel : this.position * ROW;
    if (Math.abs(this.box.scrollTop - top) >= 1) {
      this.isSetting = true;
      this.box.scrollTop = top;
    }
    this.later();
  }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  reload() {
    this.measure();
    this.chosen.row = Math.min(this.chosen.row, Math.max(0, this.source.total - 1));
    this.drawHead();
    this.draw();
  }

  // --- drawing

  draw() {
    const first = Math.floor(this.position);
    const last = Math.min(this.source.total - 1, Math.ceil(this.position + this.fitting));
    this.source.want(first - 20, last + 20);
    const span = this.span();
    for (const [index, line] of this.rows) {
      if (index < first || index > last) {
        line.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index <= last; index += 1) this.drawRow(index, span);
    this.drawHead(span);
  }

  // The columns that can be seen, and where each begins.
  span() {
    const from = this.box.scrollLeft;
    const to = from + this.box.clientWidth;
    const seen = [];
    let left = AT_WIDTH;
    this.shown.forEach((column, at) => {
      if (left + column.width > from && left < to + 200) seen.push({ column, at, left });
      left += column.width;
    });
    return seen;
  }

  drawRow(index, span) {
    let line = this.rows.get(index);
    if (!line) {
      line = document.createElement("div");
      line.className = "grid-row";
      line.setAttribute("role", "row");
      this.rows.set(index, line);
      this.view.append(line);
    }
    line.style.transform = `translateY(${(index - this.position) * ROW}px)`;
    line.style.width = `${this.width}px`;
    line.setAttribute("aria-rowindex", String(index + 2));
    const item = this.source.row(index);
    const key = `${span[0]?.at}-${span.at(-1)?.at}-${this.width}-${item ? item.row_idx : "?"}-${this.stamp ?? 0}`;
    // A row in which somebody types is drawn anew when they have finished.
    if (line.dataset.key !== key && !line.querySelector(":is(input, textarea, select):focus")) {
      line.dataset.key = key;
      line.replaceChildren(this.numberCell(item), ...span.map((seen) => this.cell(index, item, seen)));
      for (const decorate of this.decorators) decorate(line, item, index);
    }
    for (const cell of line.children) cell.classList.toggle("chosen", index === this.chosen.row && Number(cell.dataset.at) === this.chosen.column);
  }

  numberCell(item) {
    const cell = document.createElement("div");
    cell.className = "grid-cell at";
    cell.setAttribute("role", "rowheader");
    cell.style.width = `${AT_WIDTH}px`;
    cell.textContent = item ? grouped(item.row_idx) : "";
    return cell;
  }

  cell(index, item, { column, at, left }) {
    const cell = document.createElement("div");
    cell.className = "grid-cell";
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-colindex", String(at + 2));
    cell.dataset.at = at;
    cell.dataset.index = index;
    cell.id = `cell-${index}-${at}`;
    cell.style.left = `${left}px`;
    cell.style.width = `${column.width}px`;
    if (!item) cell.classList.add("waiting");
    else renderCell(cell, item.row[column.name], column.type, this.facts.words, this.facts.words.picture.replace("{name}", column.name).replace("{n}", item.row_idx));
    return cell;
  }

  drawHead(span = this.span()) {
    const key = `${span.map((seen) => seen.at).join()}-${this.width}-${this.facts.state.orderby}-${this.stamp ?? 0}`;
    if (this.head.dataset.key === key) return;
    this.head.dataset.key = key;
    const corner = document.createElement("div");
    corner.className = "grid-title at";
    corner.setAttribute("role", "columnheader");
    corner.style.width = `${AT_WIDTH}px`;
    corner.textContent = "#";
    const focused = this.focusedBar();
    this.head.replaceChildren(corner, ...span.map((seen) => this.title(seen)));
    if (focused) this.head.querySelector(focused)?.focus();
  }

  // Where in the head the keyboard is, so that it is still there when the head was drawn anew.
  focusedBar() {
    const element = document.activeElement;
    if (!this.head.contains(element)) return null;
    const title = `[aria-colindex="${element.closest(".grid-title").getAttribute("aria-colindex")}"]`;
    return element.matches("rect") ? `${title} rect:nth-of-type(${Number(element.dataset.bar) + 1})` : `${title} .name`;
  }

  title({ column, at, left }) {
    const title = document.createElement("div");
    title.className = "grid-title";
    title.setAttribute("role", "columnheader");
    title.setAttribute("aria-colindex", String(at + 2));
    title.style.left = `${left}px`;
    title.style.width = `${column.width}px`;
    const operand = quoted(column.name);
    const { orderby } = this.facts.state;
    const order = orderby === operand ? "ascending" : orderby === `${operand} DESC` ? "descending" : "none";
    title.setAttribute("aria-sort", order);
    const name = document.createElement("button");
    name.type = "button";
    name.className = "name";
    name.title = this.facts.words.sort.replace("{name}", column.name);
    name.textContent = column.name + { ascending: " ↑", descending: " ↓", none: "" }[order];
    name.addEventListener("click", () => this.sorted?.({ none: operand, ascending: `${operand} DESC`, descending: "" }[order]));
    const type = document.createElement("small");
    type.textContent = this.facts.types[column.name] ?? "";
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("viewBox", "0 0 160 30");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("role", "group");
    drawing.setAttribute("aria-label", this.facts.words.bars.replace("{name}", column.name));
    const caption = document.createElement("small");
    const grip = document.createElement("span");
    grip.className = "grip";
    grip.title = this.facts.words.width.replace("{name}", column.name);
    grip.addEventListener("pointerdown", (event) => this.resize(event, column));
    title.append(name, type, drawing, caption, grip);
    this.titled?.({ drawing, caption }, column);
    return title;
  }

  resize(event, column) {
    event.preventDefault();
    const start = event.clientX;
    const before = column.width;
    const grip = event.target;
    grip.setPointerCapture(event.pointerId);
    const move = (moved) => {
      column.width = Math.max(60, Math.min(1200, before + moved.clientX - start));
      this.measure();
      this.later();
    };
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", () => grip.removeEventListener("pointermove", move), { once: true });
  }

  // --- the chosen cell

  choose(row, column) {
    this.chosen = {
      row: Math.min(Math.max(0, row), Math.max(0, this.source.total - 1)),
      column: Math.min(Math.max(0, column), this.shown.length - 1),
    };
    if (this.chosen.row < this.position) this.moveTo(this.chosen.row);
    else if (this.chosen.row + 1 > this.position + this.fitting) this.moveTo(this.chosen.row + 1 - this.fitting);
    const left = this.shown.slice(0, this.chosen.column).reduce((sum, each) => sum + each.width, 0);
    const { width } = this.shown[this.chosen.column] ?? { width: 0 };
    if (left < this.box.scrollLeft) this.box.scrollLeft = left;
    else if (left + width + AT_WIDTH > this.box.scrollLeft + this.box.clientWidth) this.box.scrollLeft = left + width + AT_WIDTH - this.box.clientWidth;
    this.box.setAttribute("aria-activedescendant", `cell-${this.chosen.row}-${this.chosen.column}`);
    this.later();
  }

  get chosenColumn() {
    return this.shown[this.chosen.column];
  }

  get chosenItem() {
    return this.source.row(this.chosen.row);
  }

  clicked(event) {
    const cell = event.target.closest(".grid-cell[data-index]");
    if (!cell || event.target.closest("a, audio, video, input, select")) return;
    const [row, column] = [Number(cell.dataset.index), Number(cell.dataset.at)];
    const isAgain = row === this.chosen.row && column === this.chosen.column;
    this.choose(row, column);
    if (event.detail === 2 || (isAgain && event.detail === 1)) this.opened?.(event.detail === 2);
  }

  pressed(event) {
    if (event.target !== this.box || event.altKey || event.metaKey) return;
    const { row, column } = this.chosen;
    const page = Math.max(1, Math.floor(this.fitting) - 1);
    const [end, last] = [this.source.total - 1, this.shown.length - 1];
    const moves = {
      ArrowDown: [row + 1, column], ArrowUp: [row - 1, column], ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1],
      PageDown: [row + page, column], PageUp: [row - page, column],
      Home: event.ctrlKey ? [0, 0] : [row, 0], End: event.ctrlKey ? [end, last] : [row, last],
    };
    if (moves[event.key]) {
      event.preventDefault();
      this.choose(...moves[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.opened?.(true);
    } else if (event.key === "c" && !event.ctrlKey) {
      event.stopPropagation();
      this.copied?.();
    }
  }

  redraw() {
    this.stamp = (this.stamp ?? 0) + 1;
    this.later();
  }
}

function widthOf(type) {
  const kind = type?._type;
  if (kind === "Image") return WIDTHS.image;
  if (kind === "Audio") return WIDTHS.audio;
  if (kind === "ClassLabel") return WIDTHS.label;
  if (kind === "Value") {
    if (/^(u?int|float|decimal|bool)/.test(type.dtype)) return WIDTHS.number;
    return /string|binary/.test(type.dtype) ? WIDTHS.text : 190;
  }
  return WIDTHS.json;
}

// Conditions chosen from lists; what was typed into the text beside them stays.
import { condition, joined } from "./conditions.js";

const NUMBERS = ["=", "<>", ">", ">=", "<", "<="];

export function setup(studio, panel) {
  const { words, facts } = studio;
  const list = panel.querySelector("[data-conditions]");
  const options = (select, pairs) => {
    select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
    return select;
  };
  const labelled = (element, label) => {
    element.setAttribute("aria-label", label);
    return element;
  };

  function add(name = facts.features[0]?.name, operator = "", value = "") {
    const line = document.createElement("div");
    line.className = "condition";
    const and = document.createElement("span");
    and.textContent = list.childElementCount ? words.and : "";
    const column = labelled(options(document.createElement("select"), facts.features.map((each) => [each.name, each.name])), words.column);
    column.value = name;
    const how = labelled(document.createElement("select"), words.operator);
    const what = labelled(document.createElement("input"), words.value);
    what.type = "text";
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "plain";
    drop.textContent = words.remove;
    drop.addEventListener("click", () => line.remove());
    const fit = () => {
      options(how, operatorsOf(typeOf(column.value), words));
      what.hidden = /NULL/.test(how.value);
    };
    column.addEventListener("change", fit);
    how.addEventListener("change", () => { what.hidden = /NULL/.test(how.value); });
    what.addEventListener("keydown", (event) => { if (event.key === "Enter") apply(); });
    fit();
    if (operator) how.value = operator;
    what.value = value;
    line.append(and, column, how, what, drop);
    list.append(line);
    return line;
  }

  const typeOf = (name) => facts.features.find((each) => each.name === name)?.type;

  // What stands in the text besides what this panel wrote into it last.
  let kept = "";
  let written = null;

  function apply() {
    if (facts.state.where !== written) kept = facts.state.where;
    let where = kept;
    for (const line of list.children) {
      const [column, how] = line.querySelectorAll("select");
      const what = line.querySelector("input");
      const isEmpty = !what.hidden && what.value.trim() === "" && !isText(typeOf(column.value));
      const part = isEmpty ? "" : condition(column.value, how.value, what.value, typeOf(column.value));
      what.setAttribute("aria-invalid", String(part === null));
      if (part === null) {
        studio.refuse({ message: words.badValue.replace("{type}", typeOf(column.value)?.dtype ?? typeOf(column.value)?._type ?? "") });
        what.focus();
        return;
      }
      where = joined(where, part);
    }
    written = where;
    studio.go({ where, q: "" });
  }

  panel.querySelector("[data-add-condition]").addEventListener("click", () => add().querySelector("select").focus());
  panel.querySelector("[data-apply]").addEventListener("click", apply);
  if (!list.childElementCount) add();
}

const isText = (type) => type?._type === "Value" && /string/.test(type.dtype);

function operatorsOf(type, words) {
  const empty = [["IS NULL", words.isNull], ["IS NOT NULL", words.isNotNull]];
  const kind = type?._type;
  if (kind === "Value" && /^(u?int|float|decimal)/.test(type.dtype)) return [...NUMBERS.map((sign) => [sign, sign]), ...empty];
  if (kind === "Value" && type.dtype === "bool") return [["=", "="], ...empty];
  if (kind === "ClassLabel") return [["=", "="], ["<>", "≠"], ...empty];
  if (kind === "Value" && /string/.test(type.dtype)) return [["contains", words.contains], ["=", "="], ["<>", "≠"], ["starts", words.startsWith], ...empty];
  if (kind === "Value") return [...NUMBERS.map((sign) => [sign, sign]), ...empty];
  if (kind === "List" || kind === "LargeList" || kind === "Sequence") return [["longer", words.longerThan], ...empty];
  return empty;
}

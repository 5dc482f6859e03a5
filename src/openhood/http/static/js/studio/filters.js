// Conditions chosen from lists, written as the text that the hub understands.
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

  function apply() {
    const parts = [...list.children].map((line) => {
      const [column, how] = line.querySelectorAll("select");
      return condition(column.value, how.value, line.querySelector("input").value, typeOf(column.value));
    });
    studio.go({ where: parts.filter(Boolean).join(" AND "), q: "" });
  }

  panel.querySelector("[data-add-condition]").addEventListener("click", () => add().querySelector("select").focus());
  panel.querySelector("[data-apply]").addEventListener("click", apply);
  studio.addCondition = add;
  if (!list.childElementCount) add();
}

export const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
export const text = (value) => `'${String(value).replaceAll("'", "''")}'`;

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

export function condition(name, operator, value, type) {
  const column = quoted(name);
  if (/NULL/.test(operator)) return `${column} ${operator}`;
  if (operator === "contains") return `${column} ILIKE ${text(`%${value}%`)}`;
  if (operator === "starts") return `${column} LIKE ${text(`${value}%`)}`;
  if (operator === "longer") return `${column}.len() > ${Number(value) || 0}`;
  if (type?._type === "ClassLabel") {
    const at = (type.names ?? []).indexOf(value);
    return `${column} ${operator} ${at >= 0 ? at : Number(value) || 0}`;
  }
  if (type?.dtype === "bool") return `${column} = ${/^(true|1|yes)$/i.test(value) ? "true" : "false"}`;
  if (/^(u?int|float|decimal)/.test(type?.dtype ?? "")) return value.trim() === "" ? "" : `${column} ${operator} ${Number(value)}`;
  return `${column} ${operator} ${text(value)}`;
}

// Conditions as the text that the hub understands: from what people chose in lists, and from a bar they clicked.
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NUMBERS = /^(u?int|float|decimal)/;

export const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
export const text = (value) => `'${String(value).replaceAll("'", "''")}'`;

// Both conditions at once; one that is there already is not written again.
export function joined(where, part) {
  if (!part || where.split(" AND ").includes(part)) return where;
  if (!where.trim()) return part;
  return `${/\bOR\b/i.test(where) ? `(${where})` : where} AND ${part}`;
}

// The condition, or null where the value is none of the column's type.
export function condition(name, operator, value, type) {
  const column = quoted(name);
  const dtype = type?.dtype ?? "";
  if (/NULL/.test(operator)) return `${column} ${operator}`;
  if (operator === "contains") return `${column}.lower().contains(${text(value.toLowerCase())})`;
  if (operator === "starts") return `${column}.starts_with(${text(value)})`;
  if (operator === "longer") return NUMBER.test(value.trim()) ? `${column}.len() > ${value.trim()}` : null;
  if (type?._type === "ClassLabel") {
    const at = (type.names ?? []).indexOf(value);
    if (at >= 0) return `${column} ${operator} ${at}`;
    return /^-?\d+$/.test(value.trim()) ? `${column} ${operator} ${value.trim()}` : null;
  }
  if (dtype === "bool") {
    const truth = { true: "true", yes: "true", 1: "true", false: "false", no: "false", 0: "false" }[value.trim().toLowerCase()];
    return truth ? `${column} = ${truth}` : null;
  }
  // As it was typed: numbers of 64 bits would not survive being a number here.
  if (NUMBERS.test(dtype)) return NUMBER.test(value.trim()) ? `${column} ${operator} ${value.trim()}` : null;
  return `${column} ${operator} ${text(value)}`;
}

// What the rows of a bar have in common, or null where a condition cannot say it. `kind` is that of the statistics.
export function ofBar({ name, type }, { kind, value, low, high, isLast }) {
  if (value !== undefined) return condition(name, "=", value, type);
  const isLength = kind === "string_text" || kind === "list";
  if (!isLength && kind !== "int" && kind !== "float" && kind !== "datetime") return null;
  const operand = isLength ? `${quoted(name)}.len()` : quoted(name);
  const bound = kind === "datetime" ? (edge) => text(String(edge).replace(/[ T]00:00:00(\.0+)?$/, "")) : String;
  if (low === high) return `${operand} = ${bound(low)}`;
  return `${operand} >= ${bound(low)} AND ${operand} ${isLast ? "<=" : "<"} ${bound(high)}`;
}

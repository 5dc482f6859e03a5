// A field for a value of any column: what is offered to be typed or chosen, and what it means.
const MEDIA = ["Image", "Audio", "Video", "Pdf"];
const WHOLE = /^u?int/;
const BROKEN = /^(float|decimal)/;

export const isEditable = (type) => !MEDIA.includes(type?._type);

export function fieldOf(type, now) {
  const dtype = type?._type === "Value" ? type.dtype : "";
  if (type?._type === "ClassLabel") {
    const names = type.names ?? [];
    return choices(names, Number.isInteger(now) ? names[now] ?? "" : now ?? "");
  }
  if (dtype === "bool") return choices(["true", "false"], now === null || now === undefined ? "" : String(now));
  const isLong = !dtype || /string/.test(dtype);
  const field = document.createElement(isLong ? "textarea" : "input");
  if (isLong) field.rows = 1;
  else field.type = "text";
  if (WHOLE.test(dtype)) field.inputMode = "numeric";
  if (BROKEN.test(dtype)) field.inputMode = "decimal";
  field.autocomplete = "off";
  field.value = now === null || now === undefined ? "" : typeof now === "object" ? JSON.stringify(now) : String(now);
  return field;
}

function choices(names, now) {
  const field = document.createElement("select");
  field.append(...["", ...names].map((name) => new Option(name, name)));
  field.value = now;
  return field;
}

// What was typed as a value of the column; nothing typed is no value. Throws for what is none of the type.
export function parse(given, type) {
  if (given === "") return null;
  if (type?._type === "ClassLabel") return given;
  if (type?._type !== "Value") return JSON.parse(given);
  if (WHOLE.test(type.dtype)) {
    if (!/^[+-]?\d+$/.test(given.trim())) throw new Error("number");
    return Number.isSafeInteger(Number(given)) ? Number(given) : given.trim();
  }
  if (/^float/.test(type.dtype)) {
    if (Number.isNaN(Number(given))) throw new Error("number");
    return Number(given);
  }
  if (type.dtype === "bool") return given === "true";
  return given;
}

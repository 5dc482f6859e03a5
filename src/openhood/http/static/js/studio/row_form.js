// The dialog that a new row is typed in: one field for each column, of the column's kind.
import { fieldOf, isEditable, parse } from "./fields.js";

export function rowForm(studio, dialog, added) {
  const { words, facts } = studio;
  const form = dialog.querySelector("form");
  const fields = facts.features.filter(({ type }) => isEditable(type)).map(({ name, type }) => {
    const field = fieldOf(type, null);
    const label = document.createElement("label");
    const kind = document.createElement("small");
    kind.textContent = facts.types[name] ?? "";
    label.append(name, " ", kind, field);
    form.querySelector("[data-fields]").append(label);
    field.addEventListener("input", () => field.setCustomValidity(""));
    return { name, type, field };
  });

  function row() {
    const made = {};
    for (const { name, type, field } of fields) {
      try {
        const value = parse(field.value, type);
        if (value !== null) made[name] = value;
      } catch {
        field.setCustomValidity(words.badValue.replace("{type}", facts.types[name]));
      }
    }
    return form.reportValidity() ? made : null;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const made = row();
    if (!made) return;
    added(made);
    form.reset();
    dialog.close();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  // What was typed stays for the next time.
  form.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  return () => {
    dialog.showModal();
    fields[0]?.field.focus();
  };
}

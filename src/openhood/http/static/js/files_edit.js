// The editor: Tab indents (Escape, then Tab leaves), and nobody loses what was typed by leaving the page.
const form = document.querySelector("[data-edit]");
const area = form?.querySelector("textarea.editor");

if (area) {
  let leaves = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      leaves = true;
      return;
    }
    if (event.key !== "Tab" || event.shiftKey || leaves) return;
    event.preventDefault();
    area.setRangeText("    ", area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  area.addEventListener("blur", () => { leaves = false; });
}

if (form) {
  // What a refused form brought back is nowhere else.
  let isChanged = "kept" in form.dataset;
  form.addEventListener("input", () => { isChanged = true; });
  form.addEventListener("submit", () => { isChanged = false; });
  addEventListener("beforeunload", (event) => {
    if (isChanged) event.preventDefault();
  });
}

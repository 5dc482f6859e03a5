// Buttons that copy: data-copy holds the text, or data-copy-from names the element that does.
import { say } from "./say.js";

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom) : null;
    const text = source ? source.textContent : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
      say(document.body.dataset.wordCopied);
    } catch {
      // Without the permission, or over plain HTTP from another machine: leave it selected, to be copied by hand.
      if (!source) return;
      getSelection().selectAllChildren(source);
    }
  });
}

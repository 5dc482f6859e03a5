// Buttons that copy: data-copy holds the text, or data-copy-from names the element that does.
import { say } from "./say.js";

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom) : null;
    const text = source ? source.textContent : button.dataset.copy;
    if (await copyText(text)) say(document.body.dataset.wordCopied);
    // Leave it selected, to be copied by hand.
    else if (source) getSelection().selectAllChildren(source);
  });
}

// Returns whether the text is in the clipboard now.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOld(text);
  }
}

// Over plain HTTP from another machine there is no clipboard to write to, but there is this, old as it is.
function copyOld(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen-title";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  before?.focus();
  return isDone;
}

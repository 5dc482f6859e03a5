// Keys people already know: a page names its own by data-key on a link or button.
function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

export function startKeys() {
  const help = document.getElementById("keys");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "?" && help) {
      event.preventDefault();
      help.showModal();
      return;
    }
    // A search of what the page shows comes before the search of the hub.
    const named = `[data-key="${CSS.escape(event.key)}"]`;
    const wanted = document.querySelector(`main ${named}`) ?? document.querySelector(named);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("input, textarea")) wanted.select();
    else wanted.click();
  });
}

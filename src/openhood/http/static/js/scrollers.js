// What scrolls sideways can be scrolled by the keyboard: it takes the focus as long as there is more than is shown.
const ONES = "pre, .scroll, .prose table, .pairs";

export function startScrollers() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const isCut = target.scrollWidth > target.clientWidth + 1;
      if (isCut && !target.hasAttribute("tabindex")) {
        target.tabIndex = 0;
        target.dataset.scroller = "";
      } else if (!isCut && "scroller" in target.dataset) {
        target.removeAttribute("tabindex");
        delete target.dataset.scroller;
      }
    }
  });
  for (const each of document.querySelectorAll(ONES)) observer.observe(each);
}

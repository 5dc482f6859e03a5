// Differences: fold all files at once, and ask again while what a change means is still being found out.
const FIRST_MS = 1500;
const MOST_MS = 15000;
const TRIES = 60;

function startFolding() {
  const button = document.querySelector("[data-fold]");
  const files = [...document.querySelectorAll(".changes details.file")];
  if (!button || files.length < 2) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = files.every((file) => !file.open);
    for (const file of files) file.open = open;
    button.textContent = open ? button.dataset.wordClose : button.dataset.wordOpen;
  });
}

async function askAgain() {
  let wait = FIRST_MS;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const shown = document.querySelector("#review[data-waiting]");
    if (!shown) return;
    await new Promise((resolve) => { setTimeout(resolve, wait); });
    wait = Math.min(wait * 1.4, MOST_MS);
    if (document.hidden) continue;
    try {
      const answer = await fetch(shown.dataset.waiting);
      if (!answer.ok) continue;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#review");
      if (!fresh) return;
      const open = new Set([...shown.querySelectorAll("[data-review-unit][open]")].map((each) => each.dataset.reviewUnit));
      for (const unit of fresh.querySelectorAll("[data-review-unit]")) unit.open = open.has(unit.dataset.reviewUnit);
      shown.replaceWith(fresh);
    } catch {
      // The hub is away for a moment: ask once more.
    }
  }
}

startFolding();
askAgain();

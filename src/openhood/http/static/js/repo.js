// The buttons in a repository's head, without loading the page anew: its head is taken from the answer.
function startPressing() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form.press");
    if (!form) return;
    event.preventDefault();
    const what = form.querySelector("[data-press]").dataset.press;
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok || new URL(answer.url).pathname === "/login") {
      location.assign(answer.url);
      return;
    }
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".repo-acts");
    const old = document.querySelector(".repo-acts");
    if (!made || !old) {
      location.reload();
      return;
    }
    old.replaceWith(made);
    made.querySelector(`[data-press="${what}"]`)?.focus();
  });
}

// A box that opens over the page closes when one looks elsewhere.
function startUse() {
  const use = document.querySelector("details.use");
  if (!use) return;
  if (location.hash === "#use") use.open = true;
  document.addEventListener("click", (event) => {
    if (use.open && !use.contains(event.target)) use.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !use.open) return;
    use.open = false;
    use.querySelector("summary").focus();
  });
}

function startContents() {
  const menu = document.querySelector("details.contents");
  menu?.addEventListener("click", (event) => {
    if (event.target.closest("a")) menu.open = false;
  });
}

startPressing();
startUse();
startContents();

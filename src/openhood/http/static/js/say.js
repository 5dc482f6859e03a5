// One short message at the foot of the page, read out by screen readers.
let timer = 0;

export function say(text) {
  let box = document.querySelector(".said");
  if (!box) {
    box = document.createElement("div");
    box.className = "said";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.textContent = text;
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { box.hidden = true; }, 2500);
}

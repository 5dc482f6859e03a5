// Writing in discussions: preview, names, attachments by dropping or pasting, and questions before what cannot be undone.
import { startMentions } from "./mentions.js";
import { say } from "./say.js";

const PREVIEW_BYTES = 65536;

function startPreview(editor) {
  const area = editor.querySelector("textarea");
  const shown = editor.querySelector(".shown-preview");
  const button = editor.closest("form").querySelector("[data-preview-button]");
  if (!button) return;
  button.hidden = false;
  const words = editor.dataset;
  const back = () => {
    shown.hidden = true;
    area.hidden = false;
    button.textContent = words.wordPreview;
    button.setAttribute("aria-pressed", "false");
  };
  button.setAttribute("aria-pressed", String(!shown.hidden));
  if (!shown.hidden) {
    area.hidden = true;
    button.textContent = words.wordWrite;
  }
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    if (area.hidden) {
      back();
      area.focus();
      return;
    }
    if (!area.value.trim()) {
      say(words.wordEmpty);
      return;
    }
    const body = new URLSearchParams({ text: area.value.slice(0, PREVIEW_BYTES) });
    try {
      const answer = await fetch(words.previewAt, { method: "POST", body });
      if (!answer.ok) throw new Error(String(answer.status));
      // Made safe by the hub's renderer.
      shown.innerHTML = await answer.text();
    } catch {
      say(words.wordAway);
      return;
    }
    shown.hidden = false;
    area.hidden = true;
    button.textContent = words.wordWrite;
    button.setAttribute("aria-pressed", "true");
  });
  // A field that is not shown must not keep the form from being sent without a word.
  editor.closest("form").addEventListener("submit", () => { area.hidden = false; });
}

function put(area, text) {
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input"));
}

async function attach(editor, files) {
  const area = editor.querySelector("textarea");
  const words = editor.dataset;
  for (const file of files) {
    const name = file.name.replace(/[[\]()<>\\`\n]/g, " ").trim() || "file";
    const placeholder = `![${words.wordUploading} ${name}…]()`;
    put(area, placeholder);
    try {
      const answer = await fetch("/uploads", { method: "POST", body: file, headers: { "Content-Type": file.type } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(answer.headers.get("X-Error-Message") || String(answer.status));
      area.value = area.value.replace(placeholder, () => `![${name}](${text})`);
    } catch (error) {
      area.value = area.value.replace(placeholder, "");
      say(`${words.wordFailed} ${error.message}`);
    }
  }
}

function startAttaching(editor) {
  const area = editor.querySelector("textarea");
  const offer = editor.querySelector(".attach");
  const picker = offer.querySelector("input");
  offer.hidden = false;
  picker.addEventListener("change", () => {
    attach(editor, [...picker.files]);
    picker.value = "";
  });
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  area.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    editor.classList.add("dropping");
  });
  area.addEventListener("dragleave", () => editor.classList.remove("dropping"));
  area.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    editor.classList.remove("dropping");
    attach(editor, [...event.dataTransfer.files]);
  });
  area.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    attach(editor, files);
  });
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    // The first button says what the form does.
    const form = editor.closest("form");
    form.requestSubmit(form.querySelector("button:not([type=button])"));
  });
}

for (const editor of document.querySelectorAll("[data-editor]")) {
  startPreview(editor);
  startAttaching(editor);
  startMentions(editor);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});
const answer = document.querySelector("#answer textarea");
const withWords = document.querySelector(".with-words");
if (answer && withWords) {
  const look = () => { withWords.hidden = !answer.value.trim(); };
  answer.addEventListener("input", look);
  look();
}
for (const choice of document.querySelectorAll(".talk-filter select")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}

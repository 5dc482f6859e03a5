// What settings pages do better with scripts: no button for what is not confirmed yet, choices that open their details.

function startConfirming() {
  for (const input of document.querySelectorAll("[data-confirm]")) {
    const buttons = input.form.querySelectorAll("button.danger");
    const check = () => {
      const is_right = input.value.trim().toLowerCase() === input.dataset.confirm.toLowerCase();
      for (const button of buttons) button.disabled = !is_right;
    };
    input.addEventListener("input", check);
    check();
  }
}

function startOpening() {
  for (const select of document.querySelectorAll("select[data-opens]")) {
    const details = document.getElementById(select.dataset.opens);
    select.addEventListener("change", () => { details.open = select.value === "fineGrained"; });
    // Whoever ticks a permission means a token that has it, and not more.
    details.addEventListener("change", (event) => {
      if (event.target.type === "checkbox" && event.target.checked) select.value = "fineGrained";
    });
  }
}

startConfirming();
startOpening();

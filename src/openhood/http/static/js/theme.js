// Light, dark, or what the system says. Kept in a cookie, so that the next page comes in the right one at once.
export function startTheme() {
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.addEventListener("click", () => {
      const theme = button.dataset.setTheme;
      if (theme === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      const age = theme === "system" ? 0 : 31536000;
      document.cookie = `theme=${theme}; path=/; max-age=${age}; samesite=lax`;
    });
  }
}

// What every page has: the theme, copying, keys, menus that close, and the search bar. Pages work without it.
import { startCopying } from "./copy.js";
import { startKeys } from "./keys.js";
import { startSearch } from "./search.js";
import { startTheme } from "./theme.js";

function startMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

startTheme();
startCopying();
startMenus();
startKeys();
startSearch();

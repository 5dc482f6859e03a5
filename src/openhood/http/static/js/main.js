// What every page has: the theme, copying, keys, menus that close, what scrolls, and the search bar. Pages work without it.
import { startCopying } from "./copy.js";
import { startKeys } from "./keys.js";
import { startScrollers } from "./scrollers.js";
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

// On a phone pages stand in a row: the present one is brought into view, in browsers whose style sheets cannot do that.
function showPlaces() {
  for (const here of document.querySelectorAll(":is(.side, .tabs, .admin-places) [aria-current]")) {
    const row = here.closest(".side, .tabs, .admin-places");
    const [place, room] = [here.getBoundingClientRect(), row.getBoundingClientRect()];
    if (place.left < room.left || place.right > room.right) row.scrollLeft += place.left - room.left - 48;
  }
}

startTheme();
startCopying();
startMenus();
startKeys();
startSearch();
startScrollers();
showPlaces();

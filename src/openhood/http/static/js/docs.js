// The reference of the API: a box that leaves only what matches, and operations that open where an address points.
const form = document.querySelector("form[data-docs]");
const input = document.getElementById("api-filter");
const said = document.getElementById("api-said");
const operations = [...document.querySelectorAll(".api-operation")].map((place) => ({
  place,
  text: place.querySelector("summary").textContent.toLowerCase(),
}));

function filter() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { place, text } of operations) {
    place.hidden = !words.every((word) => text.includes(word));
    if (!place.hidden) found += 1;
  }
  for (const section of document.querySelectorAll(".api-section")) {
    section.hidden = !section.querySelector(".api-operation:not([hidden])");
  }
  said.textContent = found ? "" : said.dataset.none;
}

function openTarget() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place?.matches("details")) return;
  if (place.hidden) {
    input.value = "";
    filter();
  }
  place.open = true;
  place.scrollIntoView();
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("input", filter);
addEventListener("hashchange", openTarget);
filter();
openTarget();

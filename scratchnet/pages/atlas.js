const { layers, pictures, smaller, exact } = JSON.parse(document.getElementById("atlas-data").textContent);
const get = (id) => document.getElementById(id);
const [tabs, panel, search, status, grid] = ["tabs", "panel", "search", "status", "units"].map(get);
const here = layers.filter((one) => one.units);  // in a folder's page the others are links
const CARD = 48, BESIDE = 170, LARGE = 216;  // px: sides of windows in a card, beside it, in the dialog
const COLUMNS = 3;
const AT_ONCE = 24;  // cards; the others are filled when they come near the screen
const KINDS = {
  lit: ["lit photographs", "lit photograph"],
  guided: ["guided views", "guided view"],
  covered: ["covered patches", "what matters if it is covered"],
  made: ["pictures made for them", "picture made for the channel"],
};
let layer = here[0];
let shown = [];  // the units of the cards, in their order
let asked;  // what the reader has chosen to see beside the patches

// ---------------------------------------------------------------- windows on images

// One rule an image, however many windows look at it: a copy of the long address in each of a
// layer's thousand elements would make the page slow.
const classes = new Map();
function imageClass(address) {
  if (!classes.has(address)) {
    const name = `image-${classes.size}`;
    const { sheet } = document.querySelector("style");
    sheet.insertRule(`.window.${name} { background-image: url("${address}"); }`, sheet.cssRules.length);
    classes.set(address, name);
  }
  return classes.get(address);
}

// Turn `element` into a window on the square [top, left, side] of an image. Nothing is stretched,
// and few pixels are shown as the squares they are.
function look(element, { image, width, height }, [top, left, side], size) {
  element.className = `window ${imageClass(image)}`;
  element.classList.toggle("pixelated", size >= 3 * side && layer.size <= exact);
  const place = { w: width / side, h: height / side, x: -left / side, y: -top / side };
  for (const [name, value] of Object.entries(place)) element.style.setProperty(`--${name}`, value);
  return element;
}

const sheetOf = (unit, kind) => unit.sheets.find((sheet) => sheet.cells[kind]?.length);
const cellsOf = (unit, kind) => sheetOf(unit, kind)?.cells[kind] ?? [];

function lookAt(element, unit, kind, rank, size) {
  const sheet = sheetOf(unit, kind);
  return look(element, sheet, sheet.cells[kind][rank], size);
}

// ---------------------------------------------------------------- cards

const unitName = (unit) => `${layer.name} channel ${unit.channel}`;
const addressOf = (name, channel) => `#${encodeURIComponent(name)}:${channel}`;
const strength = (unit) => unit.patches.reduce((sum, { value }) => sum + value, 0);

function patchName(unit, rank) {
  const { picture, value } = unit.patches[rank];
  return `${unitName(unit)}, patch ${rank + 1} of ${unit.patches.length}: ` +
    `${pictures[picture].name}, activation ${value}`;
}

function viewName(unit, kind, rank) {
  const of = kind === "lit" || kind === "guided" ? ` of patch ${rank + 1}` : "";
  return `${unitName(unit)}, ${KINDS[kind][1]}${of}`;
}

// What is beside the patches: what was asked for, or what suits the layer, if it is there.
function besides() {
  return Object.keys(KINDS).filter((kind) => layer.units.some((unit) => cellsOf(unit, kind).length));
}
function beside() {
  const kinds = besides(), suits = layer.size > exact ? "lit" : "guided";
  return [asked, suits, kinds[0]].find((kind) => kinds.includes(kind));
}

function patchButtons(unit, size) {
  return make("div", { class: "grid patches" }, ...unit.patches.map((_, rank) => lookAt(
    // The first is the card's one tab stop; arrows move on from there.
    make("button", { type: "button", "data-rank": rank, "aria-label": patchName(unit, rank), tabindex: rank ? -1 : 0 }),
    unit, "patches", rank, size)));
}

// A view is of a patch, and opens it; one of the whole channel opens the first.
function viewImages(unit, kind, size) {
  const cells = cellsOf(unit, kind);
  return make("div", { class: `grid views of-${cells.length}` }, ...cells.map((_, rank) => lookAt(
    make("span", { role: "img", "data-rank": rank, "aria-label": viewName(unit, kind, rank) }), unit, kind, rank, size)));
}

function card(unit) {
  const index = layer.units.indexOf(unit);
  const caption = make("figcaption", {}, make("a", { href: addressOf(layer.name, unit.channel) }, `channel ${unit.channel}`));
  const grids = make("div", { class: "grids" });
  const figure = make("figure", { class: "unit", "aria-label": unitName(unit), "data-unit": index }, caption, grids);
  if (!unit.patches.length) {
    figure.classList.add("dead");
    caption.append(make("span", {}, "dead"));
    grids.append("it fires in none of the pictures");
  } else {
    caption.append(make("span", {}, `up to ${unit.patches[0].value}`));
  }
  return figure;
}

function fill(figure) {
  const unit = layer.units[figure.dataset.unit], grids = figure.querySelector(".grids"), kind = beside();
  if (!unit.patches.length || grids.children.length) return;
  grids.append(patchButtons(unit, CARD));
  if (kind) grids.append(viewImages(unit, kind, cellsOf(unit, kind).length > COLUMNS ? CARD : BESIDE));
}

// Only what comes near the screen is filled, and so only its images are loaded.
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    fill(target);
  }
}, { rootMargin: "900px" });

// The unit and rank that an event is about, if any: cards have no listeners of their own.
function placeOf(event) {
  const element = event.target.closest("[data-rank]");
  if (!element) return null;
  const figure = element.closest("[data-unit]");
  return { unit: layer.units[figure.dataset.unit], rank: Number(element.dataset.rank), figure, element };
}

function focusPatch(figure, rank) {
  for (const button of figure.querySelectorAll(".patches button")) {
    const chosen = Number(button.dataset.rank) === rank;
    button.tabIndex = chosen ? 0 : -1;
    if (chosen) button.focus();
  }
}

// Patch and view of the same rank light up together.
function markTwins(event) {
  for (const marked of panel.querySelectorAll(".twin")) marked.classList.remove("twin");
  const place = placeOf(event);
  if (!place || event.type === "focusout") return;
  for (const twin of place.figure.querySelectorAll(`[data-rank="${place.rank}"]`)) twin.classList.add("twin");
}

panel.addEventListener("click", (event) => {
  const place = placeOf(event);
  if (place) openDialog(place.unit, place.rank);
});
panel.addEventListener("keydown", (event) => {
  const place = placeOf(event);
  if (!place) return;
  const last = place.unit.patches.length - 1;
  // however many columns the window leaves room for
  const tops = [...place.figure.querySelectorAll(".patches button")].map((button) => button.offsetTop);
  const columns = tops.filter((top) => top === tops[0]).length;
  const target = {
    ArrowLeft: place.rank - 1, ArrowRight: place.rank + 1,
    ArrowUp: place.rank - columns, ArrowDown: place.rank + columns,
    Home: 0, End: last,
  }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (target >= 0 && target <= last) focusPatch(place.figure, target);
});
for (const type of ["pointerover", "pointerleave", "focusin", "focusout"]) panel.addEventListener(type, markTwins);

// ---------------------------------------------------------------- search, strength, order

// "7, 10-20" → [[7, 7], [10, 20]]; null stands for what is no number.
function parseRanges(text) {
  return text.split(/[\s,]+/).filter(Boolean).map((word) => {
    const match = word.match(/^(\d+)(?:[-–](\d+))?$/);
    if (!match) return null;
    const [low, high] = [Number(match[1]), Number(match[2] ?? match[1])];
    return [Math.min(low, high), Math.max(low, high)];
  });
}

const has = ([low, high], unit) => low <= unit.channel && unit.channel <= high;

// Why a range shows nothing; empty if it shows something.
function whyMissing(range) {
  if (layer.units.some((unit) => has(range, unit))) return "";
  const [low, high] = range;
  const name = low === high ? `channel ${low}` : `channels ${low}–${high}`;
  if (low >= layer.channels) return ` No ${name} in the layer: ${layer.name} has channels 0–${layer.channels - 1}.`;
  return ` ${layer.name} has ${name}, but this atlas does not show ${low === high ? "it" : "them"}.`;
}

function showUnits() {
  const ranges = parseRanges(search.value);
  const valid = ranges.filter(Boolean);
  const falling = [...layer.units].sort((a, b) => strength(b) - strength(a));
  const strong = new Set(falling.slice(0, Math.ceil(falling.length * get("strongest").value / 100)));
  shown = (get("order").value === "strength" ? falling : layer.units).filter((unit) =>
    strong.has(unit) && (!ranges.length || valid.some((range) => has(range, unit))));
  const notes = valid.map(whyMissing);
  if (valid.length < ranges.length) notes.push(" Write channels as numbers or ranges, such as 7, 10-20.");
  status.textContent = `${plural(shown.length, "unit")} shown.${notes.join("")}`;
  get("share").textContent = `${get("strongest").value} %`;
  nearby.disconnect();
  grid.classList.toggle("large", layer.size > exact);
  grid.replaceChildren(...shown.map(card));
  [...grid.children].forEach((figure, n) => (n < AT_ONCE ? fill(figure) : nearby.observe(figure)));
}

// ---------------------------------------------------------------- layers, and the page's address

function showLayer(chosen) {
  layer = chosen;
  [...tabs.children].forEach((tab, n) => {
    const selected = here[n] === layer;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    if (selected) panel.setAttribute("aria-labelledby", tab.id);
  });
  [...get("nested").children].forEach(
    (square) => square.classList.toggle("shown", square.dataset.layer === layer.name));
  get("layer").textContent = layer.name;
  const kinds = besides();
  get("beside").replaceChildren(...kinds.map((kind) => make("option", { value: kind }, KINDS[kind][0])));
  get("beside").disabled = !kinds.length;
  if (kinds.length) get("beside").value = beside();
  showUnits();
}

// As in #relu4_3/7,10-20. Replaced, not pushed: leafing through should not fill the history.
function writeAddress() {
  const words = parseRanges(search.value).filter(Boolean)
    .map(([low, high]) => (low === high ? low : `${low}-${high}`)).join(",");
  history.replaceState(null, "", `#${encodeURIComponent(layer.name)}${words && `/${words}`}`);
}

// #relu4_3, #relu4_3/7,10-20 for cards, #relu4_3:17 for a unit; of a layer on another page, go there.
function readAddress() {
  const [, name, sign, words] = location.hash.match(/^#?([^/:]*)([/:]?)(.*)$/);
  const named = layers.find((candidate) => encodeURIComponent(candidate.name) === name);
  if (named?.page && !named.units) { location.replace(named.page + location.hash); return; }
  const unit = named && sign === ":" && named.units.find(({ channel }) => String(channel) === words);
  if (sign !== ":") search.value = words.replaceAll("%20", " ");
  // A unit's page does not lose the cards it was opened from.
  if (!unit || layer !== named || !shown.includes(unit)) {
    if (sign === ":") { search.value = ""; get("strongest").value = 100; }
    showLayer(named ?? here[0]);
  }
  if (name && !named) status.textContent += " The layer in the address is not in this atlas.";
  if (sign === ":" && named && !unit) status.textContent += ` This atlas does not show channel ${words} of ${named.name}.`;
  showUnit(unit || null);
}

function describeLayers() {
  layers.forEach((one, n) => {
    const current = one === here[0] && here.length === 1 ? { "aria-current": "page" } : {};
    if (one.page) get("pages").append(make("a", { href: one.page, ...current }, one.name));
    if (one.units) {
      tabs.append(make("button", { type: "button", role: "tab", id: `tab-${n}`, "aria-controls": "panel" },
        `${one.name} · field ${one.size} px`));
    }
    get("fields").append(make("tr", {},
      make("th", { scope: "row" }, one.name),
      ...[`${one.size} px`, `${one.jump} px`, one.units ? `${one.units.length} of ${one.channels}` : one.channels]
        .map((text) => make("td", {}, String(text)))));
  });
  const alone = Boolean(here[0].page);
  get("pages").hidden = !alone;
  tabs.hidden = alone;
  if (alone) { panel.removeAttribute("role"); panel.setAttribute("aria-labelledby", "layer"); }
  get("stored").textContent = `Patches of fields up to ${exact} px are stored exactly, larger ones as JPEG.` +
    (smaller > 1 ? ` The pictures that a patch opens are stored at 1/${smaller} of their size, to keep this file small; no patch is cut from them.` : "");
}

function drawNestedFields() {
  const svg = get("nested");
  const largest = Math.max(...layers.map((one) => one.size));
  svg.setAttribute("viewBox", `${-largest / 2 - 4} ${-largest / 2 - 4} ${largest + 8} ${largest + 8}`);
  for (const { name, size } of layers) {
    const square = document.createElementNS(svg.namespaceURI, "rect");
    setAttributes(square, { x: -size / 2, y: -size / 2, width: size, height: size, "data-layer": name });
    svg.append(square);
  }
}

tabs.addEventListener("click", (event) => {
  const chosen = [...tabs.children].indexOf(event.target.closest("[role=tab]"));
  if (chosen < 0) return;
  showUnit(null);
  showLayer(here[chosen]);
  writeAddress();
});
tabs.addEventListener("keydown", (event) => {
  const count = here.length, at = here.indexOf(layer);
  const target = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  const tab = tabs.children[(target + count) % count];
  tab.focus();
  tab.click();
});
search.addEventListener("input", () => { showUnit(null); showUnits(); writeAddress(); });
for (const id of ["strongest", "order"]) get(id).addEventListener("input", () => { showUnit(null); showUnits(); });
get("beside").addEventListener("input", () => { asked = get("beside").value; showUnits(); });
addEventListener("hashchange", readAddress);
// A real jump would overwrite the address.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  panel.focus();
});

function start() {
  describeLayers();
  drawNestedFields();
  readAddress();
}

// What the pages share: elements made of texts, and the two themes.

// Strings become text nodes: a picture's name can't become markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

// ---------------------------------------------------------------- light and dark

const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");

// The button names the theme that a click brings.
function showTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  const shown = document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  theme.value = shown === "dark" ? "light" : "dark";
  theme.textContent = shown === "dark" ? "Light theme" : "Dark theme";
}

// A browser may forbid a page from the disk to store anything.
function remembered() {
  try { return localStorage.getItem("scratchnet-theme"); } catch { return null; }
}

function remember(name) {
  try { localStorage.setItem("scratchnet-theme", name); } catch { /* the choice lasts as long as the page */ }
}

theme.addEventListener("click", () => {
  remember(theme.value);
  showTheme(theme.value);
});
system.addEventListener("change", () => showTheme());

showTheme(remembered());


// ---------------------------------------------------------------- all about one unit

const PART = 150;  // px: side of a window, about
const NS = get("nested").namespaceURI;
let open;  // the unit, if one is shown

const linkTo = (name, channel, ...inside) => make("a", { class: "unit-link", href: addressOf(name, channel) }, ...inside);

function part(title, text, ...content) {
  return make("section", { class: "part" }, make("h3", {}, title), ...(text ? [make("p", { class: "hint" }, text)] : []), ...content);
}

// The first patches of another channel of the layer, as small windows.
function sample(unit) {
  const count = Math.min(COLUMNS, unit.patches.length);
  return make("span", { class: "sample", "aria-hidden": "true" },
    ...Array.from({ length: count }, (_, rank) => lookAt(make("span"), unit, "patches", rank, CARD)));
}

function partners(unit) {
  const items = unit.partners.map(([channel, r]) => {
    const other = layer.units.find((one) => one.channel === channel);
    const text = `channel ${channel}, r = ${r.toFixed(2).replace("-", "−")}`;
    return make("li", {}, other ? linkTo(layer.name, channel, sample(other), text) : text);
  });
  return part("Fires with", "Channels whose largest value in a picture goes up and down with this one’s, picture by picture (correlation r).",
    make("ul", { class: "list" }, ...items));
}

// Nine numbers as squares: how much the channel below counts, and where.
function kernelImage(kernel, text) {
  const most = Math.max(...kernel.map(Math.abs)) || 1;
  const svg = document.createElementNS(NS, "svg");
  setAttributes(svg, { viewBox: "0 0 3 3", role: "img", "aria-label": text, class: "kernel" });
  kernel.forEach((value, n) => {
    const square = document.createElementNS(NS, "rect");
    setAttributes(square, { x: n % 3, y: Math.floor(n / 3), width: 1, height: 1,
      class: value < 0 ? "against" : "for", "fill-opacity": (Math.abs(value) / most).toFixed(3) });
    svg.append(square);
  });
  return svg;
}

function inputs(unit) {
  const below = layers.find((one) => one.name === layer.below);
  const items = unit.inputs.map(([channel, strength, kernel]) => {
    const name = layer.below ? `${layer.below} channel ${channel}` : ["blue", "green", "red"][channel];
    const numbers = kernel.map((value) => value.toPrecision(2)).join(", ");
    const text = `${name}, ${strength.toPrecision(3)}`;
    const shown = below && (below.page || below.units.some((one) => one.channel === channel));
    return make("li", {}, kernelImage(kernel, `kernel on ${name}: ${numbers}`), shown ? linkTo(below.name, channel, text) : text);
  });
  return part("Reads most", "The strongest kernels, by the root of their sum of squares: orange speaks for the unit, blue against it.",
    make("ul", { class: "list kernels" }, ...items));
}

// What of the patches counts stands together, and what is of the whole channel.
function views(unit) {
  return [["lit", "guided"], ["made", "covered"]].map((kinds) => make("div", { class: "stack" },
    ...kinds.filter((kind) => cellsOf(unit, kind).length).map((kind) => {
      const title = KINDS[kind][1] + (cellsOf(unit, kind).length > 1 ? "s" : "");
      return part(title[0].toUpperCase() + title.slice(1), "", viewImages(unit, kind, PART));
    }))).filter((stack) => stack.children.length);
}

function steps(unit) {
  const at = shown.indexOf(unit);
  const step = (by, id, text) => {
    const other = shown[at + by];
    return other
      ? make("a", { class: "plain button", id, href: addressOf(layer.name, other.channel), "aria-label": `${text} channel: ${other.channel}` }, by < 0 ? "← " : "", text, by > 0 ? " →" : "")
      : make("span", { class: "plain button off" }, by < 0 ? "← " : "", text, by > 0 ? " →" : "");
  };
  return make("nav", { class: "unit-steps", "aria-label": "Channels" },
    step(-1, "unit-previous", "Previous"), step(1, "unit-next", "Next"),
    make("a", { class: "plain button", id: "unit-close", href: `#${encodeURIComponent(layer.name)}` }, "All channels"));
}

function showUnit(unit) {
  const article = get("unit"), before = open;
  open = unit;
  article.hidden = !unit;
  grid.hidden = Boolean(unit);
  for (const hidden of [document.querySelector(".tools"), document.querySelector(".panel-head")]) hidden.hidden = Boolean(unit);
  if (!unit) {
    article.replaceChildren();
    if (before) grid.querySelector(`[data-unit="${layer.units.indexOf(before)}"] figcaption a`)?.focus();
    return;
  }
  const facts = `field ${layer.size} px, one every ${layer.jump} px; ` +
    (unit.patches.length ? `up to ${unit.patches[0].value} in these pictures` : "fires in none of the pictures");
  const title = make("h2", { id: "unit-title", tabindex: -1 }, unitName(unit));
  article.dataset.unit = layer.units.indexOf(unit);
  article.classList.toggle("large", layer.size > exact);
  article.replaceChildren(
    make("header", {}, title, make("p", { class: "hint" }, facts), steps(unit)),
    make("div", { class: "parts" },
      ...(unit.patches.length ? [part("Strongest patches", "", patchButtons(unit, PART))] : []),
      ...views(unit),
      ...(unit.partners.length ? [partners(unit)] : []),
      ...(unit.inputs.length ? [inputs(unit)] : [])));
  title.focus({ preventScroll: true });
  panel.scrollIntoView();
}

// Left and right go to the neighbours, Escape back to the cards.
addEventListener("keydown", (event) => {
  if (!open || get("dialog").open || event.altKey || event.ctrlKey || event.metaKey) return;
  const id = { ArrowLeft: "unit-previous", ArrowRight: "unit-next", Escape: "unit-close" }[event.key];
  if (id && !event.target.closest("input, select, [role=tab]")) get(id)?.click();
});

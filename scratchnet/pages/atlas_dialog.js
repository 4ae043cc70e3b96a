
// ---------------------------------------------------------------- the dialog: a patch's picture

const dialog = get("dialog");
let opened;  // {unit, rank} of the dialog's patch

const span = (from, to) => `${from} to ${to - 1}`.replaceAll("-", "−");

function drawWhole(picture, [top, left, bottom, right]) {
  const svg = get("whole");
  const [north, west] = [Math.min(top, 0), Math.min(left, 0)];
  const [height, width] = [Math.max(bottom, picture.height) - north, Math.max(right, picture.width) - west];
  const margin = Math.max(height, width) / 100;  // room for the line
  svg.setAttribute("viewBox", [west - margin, north - margin, width + 2 * margin, height + 2 * margin].join(" "));
  svg.setAttribute("aria-label", `${picture.name}, the receptive field marked`);
  setAttributes(svg.querySelector("image"), { href: picture.image, width: picture.width, height: picture.height });
  for (const rect of svg.querySelectorAll("rect")) {
    setAttributes(rect, { x: left, y: top, width: right - left, height: bottom - top });
  }
}

function showPatch(unit, rank) {
  opened = { unit, rank };
  const patch = unit.patches[rank], picture = pictures[patch.picture];
  const [top, left, bottom, right] = patch.box;
  const facts = {
    layer: `${layer.name}, field ${layer.size} px`,
    channel: unit.channel,
    rank: `${rank + 1} of ${unit.patches.length}`,
    activation: patch.value,
    picture: picture.name,
    rows: `${span(top, bottom)}, of ${span(0, picture.height)} px`,
    columns: `${span(left, right)}, of ${span(0, picture.width)} px`,
  };
  if (smaller > 1) facts.stored = `the picture at 1/${smaller} of its size; the patch is not cut from it`;
  get("dialog-title").textContent = `${unitName(unit)}, patch ${rank + 1}`;
  get("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([term, fact]) => [make("dt", {}, term), make("dd", {}, String(fact))]));
  drawWhole(picture, patch.box);
  const large = make("div", { role: "img", "aria-label": patchName(unit, rank) });
  get("large-patch").replaceChildren(lookAt(large, unit, "patches", rank, LARGE));
  const kind = [beside(), "lit", "guided"].find((one) => (one === "lit" || one === "guided") && cellsOf(unit, one)[rank]);
  get("large-view-figure").hidden = !kind;
  if (!kind) return;
  get("large-view-figure").firstElementChild.textContent = KINDS[kind][1];
  const view = make("div", { role: "img", "aria-label": viewName(unit, kind, rank) });
  get("large-view").replaceChildren(lookAt(view, unit, kind, rank, LARGE));
}

function openDialog(unit, rank) {
  showPatch(unit, rank);
  dialog.showModal();
}

function step(by) {
  const count = opened.unit.patches.length;
  showPatch(opened.unit, (opened.rank + by + count) % count);
}

get("previous").addEventListener("click", () => step(-1));
get("next").addEventListener("click", () => step(1));
get("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(by);
});
// The sheet fills the dialog, so a click on the dialog itself fell on the backdrop.
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
// To the patch seen last, which need not be the one that was opened.
dialog.addEventListener("close", () => {
  const place = open ? get("unit") : grid.querySelector(`[data-unit="${layer.units.indexOf(opened.unit)}"]`);
  if (place) focusPatch(place, opened.rank);
});

"use strict";
// Tables are sorted by their headings; what has no value comes last in both directions.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const keyed = [...body.rows].map((row) => [key(row.cells[column]), row]);
    const known = keyed.filter(([by]) => by !== "");
    const unknown = keyed.filter(([by]) => by === "");
    known.sort(([one], [two]) => compare(one, two) * (down ? -1 : 1));
    body.append(...[...known, ...unknown].map(([, row]) => row));
    heads.forEach((each) => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }));
}
function key(cell) {
  if (cell.dataset.by !== undefined) return Number(cell.dataset.by);
  const text = cell.textContent.trim();
  return text === "-" ? "" : text;
}
function compare(one, two) {
  if (typeof one === "number" && typeof two === "number") return one - two;
  return String(one).localeCompare(String(two), "en", { numeric: true });
}

// Charts: plotly's own script lies in this page, deflated.
const plots = [...document.querySelectorAll("[data-figure]")];
const isCoarse = matchMedia("(pointer: coarse)").matches;
async function draw() {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const packed = atob(document.getElementById("plotly").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  for (const plot of plots) {
    const { data, layout } = figures[plot.dataset.figure];
    const font = { family: "system-ui, sans-serif", size: 12 };
    const dragmode = isCoarse ? false : "zoom"; // a finger scrolls the page
    const config = { responsive: true, displayModeBar: false, displaylogo: false };
    await Plotly.newPlot(plot, data, { ...layout, font, dragmode }, config);
  }
}
// Where charts cannot be drawn (a browser from before 2023), the pictures for no scripts are shown.
function fallBack(error) {
  document.body.dataset.charts = "pictures";
  console.warn("charts are shown as pictures:", error);
  for (const each of document.querySelectorAll("noscript")) each.outerHTML = each.textContent;
  for (const plot of plots) plot.remove();
}
if (plots.length) draw().then(() => { document.body.dataset.charts = "drawn"; }, fallBack);
// Paper has another width than the window.
function resize() {
  if (window.Plotly) plots.forEach((plot) => Plotly.Plots.resize(plot));
}
addEventListener("beforeprint", resize);
addEventListener("afterprint", resize);

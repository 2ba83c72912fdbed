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
  const figures = JSON.parse(document.getElementById("data-of-charts").textContent);
  const packed = atob(document.getElementById("packed-plotly").textContent);
  const bytes = new Uint8Array(packed.length); // Uint8Array.from takes ten times as long
  for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const isNear = (plot) => plot.getBoundingClientRect().top < 1.5 * innerHeight;
  const near = plots.filter(isNear);
  for (const plot of [...near, ...plots.filter((each) => !near.includes(each))]) {
    const { data, layout } = figures[plot.dataset.figure];
    const font = { family: "system-ui, sans-serif", size: 12 };
    const dragmode = isCoarse ? false : "zoom"; // a finger scrolls the page
    const config = { responsive: true, displayModeBar: false, displaylogo: false };
    await Plotly.newPlot(plot, data, { ...layout, font, dragmode }, config);
    plot.on("plotly_afterplot", () => measure(plot));
    measure(plot);
    if (plot === near.at(-1)) document.body.dataset.charts = "shown";
    await new Promise((next) => setTimeout(next)); // let the reader scroll between two charts
  }
}
// Paper has another width than the window: there the style scales what was drawn.
function measure(plot) {
  for (const svg of plot.querySelectorAll("svg.main-svg")) {
    const [width, height] = ["width", "height"].map((name) => Number(svg.getAttribute(name)));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.style.setProperty("--ratio", width / height);
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

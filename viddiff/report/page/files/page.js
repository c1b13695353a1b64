// Tables that sort, the choice of a metric of the pairs, and curves that are drawn when they come into view.
"use strict";

function sortRows(button) {
  const heading = button.closest("th");
  const column = heading.cellIndex;
  const table = heading.closest("table");
  const first = heading.classList.contains("number") ? "descending" : "ascending";
  const opposite = { ascending: "descending", descending: "ascending" };
  const order = opposite[heading.getAttribute("aria-sort")] || first;
  for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].dataset.sort }));
  rows.sort((one, other) => {
    if (one.text === "" || other.text === "") return (one.text === "") - (other.text === ""); // missing ones last
    const [a, b] = [Number(one.text), Number(other.text)];
    const by = Number.isNaN(a) || Number.isNaN(b)
      ? one.text.localeCompare(other.text, "en", { numeric: true })
      : a - b;
    return sign * by;
  });
  body.append(...rows.map((item) => item.row));
}

for (const button of document.querySelectorAll("button.sort")) {
  button.addEventListener("click", () => sortRows(button));
}

const chosen = document.getElementById("pair-metric");
if (chosen) {
  const table = document.querySelector("table.pairs");
  const show = () => {
    for (const row of table.tBodies[0].rows) {
      row.hidden = row.dataset.metric !== chosen.value;
    }
  };
  chosen.addEventListener("change", show);
  show(); // a browser may keep the choice when the page is loaded again
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const plots = document.querySelectorAll(".plot");
let scripts;

function loadScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `assets/${name}`;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${name} is not in the folder of this page`));
    document.head.append(script);
  });
}

async function draw(plot) {
  scripts ??= Promise.all([loadScript("plotly.min.js"), loadScript("figures.js")]);
  try {
    await scripts;
  } catch (error) {
    plot.textContent = error.message;
    return;
  }
  const figure = window.viddiffFigures[plot.dataset.figure];
  const layout = structuredClone(figure[dark.matches ? "dark" : "light"]);
  await window.Plotly.react(plot, figure.data, layout, { responsive: true, displaylogo: false });
  plot.dataset.drawn = dark.matches ? "dark" : "light";
}

const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    draw(target);
  }
}, { rootMargin: "300px" });
for (const plot of plots) inView.observe(plot);
dark.addEventListener("change", () => {
  for (const plot of plots) if (plot.dataset.drawn) draw(plot);
});

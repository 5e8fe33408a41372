// Draws the plots of a page from the numbers in its attributes. The figures beside them say the same as text.
"use strict";

const numbers = (text) => text.split(",").map((item) => (item === "" ? null : Number(item)));
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = { calls: "--accent", refused: "--alert", median: "--accent" };

function draw(plot) {
  if (plot.firstChild) return;
  const names = plot.dataset.lines.split(" ");
  const axis = { stroke: ink("--quiet"), grid: { stroke: ink("--rule") }, ticks: { stroke: ink("--rule") } };
  const lines = names.map((name) => ({ label: name, stroke: ink(COLOURS[name]), width: 2, points: { size: 5 } }));
  new uPlot(
    {
      title: plot.dataset.title,
      width: plot.clientWidth - 16,
      height: 200,
      series: [{}, ...lines],
      axes: [axis, { ...axis, size: 60 }],
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      cursor: { show: false },
    },
    [numbers(plot.dataset.at), ...names.map((name) => numbers(plot.dataset[name]))],
    plot,
  );
}

const drawAll = () => document.querySelectorAll(".plot").forEach(draw);
document.addEventListener("htmx:load", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll(".plot").forEach((plot) => plot.replaceChildren());
  drawAll();
});
drawAll();

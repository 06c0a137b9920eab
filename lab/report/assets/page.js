"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const fine = matchMedia("(pointer: fine)");
  const bare = { displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "autosize" };
  const WIDE = 660, NARROW = 315; // pixels of a figure on paper
  const SLIM = 480, SHORT = 22; // pixels of a figure, and characters of its labels then
  const LIGHTER = [["#0072b2", "#4ba6e0"], ["rgba(0,114,178", "rgba(75,166,224"], ["#d55e00", "#f0813a"]];
  let isPaper = false, stretch = null, closed = [];

  // The drawing library is text until the page has been shown: reading can begin before it is compiled.
  const library = () => {
    if (!window.Plotly) {
      const script = document.createElement("script");
      script.textContent = document.getElementById("plotly").textContent;
      document.head.append(script);
    }
    return window.Plotly;
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isOverSteps = (plot) => figures[plot.dataset.figure].layout.meta === "steps";

  // Long labels leave a slim figure no room: their ends tell the most.
  const shorten = (axis) => {
    if (axis?.type !== "category") return;
    axis.ticktext = axis.ticktext.map((each) => (each.length > SHORT ? `…${each.slice(1 - SHORT)}` : each));
  };

  // A figure in the colours of what it stands on, as wide as a sheet of paper where it is to be printed.
  const painted = (plot) => {
    let told = JSON.stringify(figures[plot.dataset.figure]);
    if (dark.matches && !isPaper) for (const [deep, light] of LIGHTER) told = told.replaceAll(deep, light);
    const { data, layout } = JSON.parse(told);
    const ink = isPaper ? "#111" : colour("--ink");
    layout.font = { ...layout.font, color: ink };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: isPaper ? "#fff" : colour("--raised"), font: { size: 12, color: ink } };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      layout[axis].gridcolor = isPaper ? "rgba(0,0,0,.15)" : colour("--grid");
    }
    layout.width = !isPaper ? plot.clientWidth : plot.closest(".panels") ? NARROW : WIDE;
    if (isOverSteps(plot) && stretch && !isPaper) layout.xaxis.range = stretch;
    if (layout.width < SLIM) shorten(layout.yaxis);
    layout.dragmode = isOverSteps(plot) && fine.matches ? "zoom" : false;
    return [data, layout];
  };
  const draw = (plot) => {
    const isFirst = !plot.dataset.drawn;
    library().react(plot, ...painted(plot), bare);
    plot.dataset.drawn = "yes";
    const { frames } = figures[plot.dataset.figure];
    if (isFirst && frames) library().addFrames(plot, frames);
    if (isFirst && isOverSteps(plot)) plot.on("plotly_relayout", follow);
  };
  const drawn = () => plots.filter((plot) => plot.dataset.drawn);
  const repaint = () => drawn().forEach(draw);

  // Figures over the steps of a run show one stretch of it; a double click leads back to all of it.
  const follow = (change) => {
    if (!Object.keys(change).some((key) => key.startsWith("xaxis."))) return;
    const from = change["xaxis.range[0]"];
    stretch = from === undefined ? null : [from, change["xaxis.range[1]"]];
    drawn().filter(isOverSteps).forEach(draw);
  };

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  addEventListener("load", () => setTimeout(() => plots.forEach((plot) => seen.observe(plot)), 0));
  dark.addEventListener("change", repaint);

  // On paper everything is drawn, open and dark on white; all of it before the browser lays the sheets out.
  const toPaper = () => {
    if (isPaper) return;
    isPaper = true;
    document.documentElement.classList.add("on-paper");
    closed = [...document.querySelectorAll("details:not([open], .bulk)")];
    closed.forEach((each) => { each.open = true; });
    plots.forEach(draw);
  };
  const fromPaper = () => {
    if (!isPaper) return;
    isPaper = false;
    document.documentElement.classList.remove("on-paper");
    closed.forEach((each) => { each.open = false; });
    setTimeout(repaint); // the screen has its own width back by then
  };
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", fromPaper);
  matchMedia("print").addEventListener("change", (told) => (told.matches ? toPaper() : fromPaper()));

  const key = (row, column) => {
    const entry = row.cells[column], order = entry.dataset.order;
    return order === undefined ? entry.textContent : order === "" ? NaN : Number(order);
  };
  const compare = (one, other) => {
    if (typeof one === "string") return one.localeCompare(other, undefined, { numeric: true });
    return Number.isNaN(one) ? (Number.isNaN(other) ? 0 : 1) : Number.isNaN(other) ? -1 : one - other;
  };
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), body = head.closest("table").tBodies[0];
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      // What is not known stays below, whichever way the rest is turned.
      rows.sort(([a], [b]) => (Number.isNaN(a) || Number.isNaN(b) || up ? compare(a, b) : compare(b, a)));
      body.append(...rows.map(([, row]) => row));
    });
  }
})();

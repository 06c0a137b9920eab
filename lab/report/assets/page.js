"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const bare = { displaylogo: false, responsive: true, displayModeBar: false };
  const WIDE = 660, NARROW = 315; // pixels of a figure on paper
  let ready = null;

  // The drawing library is text until the page has been shown: reading can begin before it is compiled.
  const library = () => ready ??= new Promise((done) => {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
    done(window.Plotly);
  });

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axes = (layout) => Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
  const paper = (layout, onPaper) => {
    const ink = onPaper ? "#111" : colour("--ink"), grid = onPaper ? "rgba(0,0,0,.15)" : colour("--grid");
    const look = { "font.color": ink, "hoverlabel.bgcolor": onPaper ? "#fff" : colour("--raised"), "hoverlabel.font.color": ink };
    for (const axis of axes(layout)) look[axis + ".gridcolor"] = grid;
    return look;
  };

  const draw = async (plot) => {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "yes";
    const { data, layout } = figures[plot.dataset.figure];
    const Plotly = await library();
    const look = paper(layout, false);
    layout.font = { ...layout.font, color: look["font.color"] };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: look["hoverlabel.bgcolor"], font: { size: 12, color: look["font.color"] } };
    for (const axis of axes(layout)) layout[axis].gridcolor = look[axis + ".gridcolor"];
    await Plotly.newPlot(plot, data, layout, bare);
    plot.dataset.drawn = "done";
  };
  const drawn = () => plots.filter((plot) => plot.dataset.drawn === "done");
  const repaint = (onPaper, size) => Promise.all(drawn().map((plot) => {
    const width = size ? (plot.closest(".panels") ? NARROW : WIDE) : null;
    return window.Plotly.relayout(plot, { ...paper(plot.layout, onPaper), width, autosize: !size });
  }));

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  addEventListener("load", () => setTimeout(() => plots.forEach((plot) => seen.observe(plot)), 0));
  dark.addEventListener("change", () => repaint(false, false));

  // On paper everything is drawn, open and dark on white.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((each) => { each.open = true; });
    Promise.all(plots.map(draw)).then(() => repaint(true, true));
  });
  addEventListener("afterprint", () => {
    closed.forEach((each) => { each.open = false; });
    repaint(false, false);
  });

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

"use strict";
// Draws the figures, makes tables sortable, and adds buttons that copy. Without scripts the page has
// the same content: figures as SVG, tables in the order of their rows.
(() => {
  const root = document.documentElement;
  const NARROW = 640;

  function themed(layout) {
    const style = getComputedStyle(root);
    const ink = style.getPropertyValue("--ink");
    const grid = style.getPropertyValue("--grid");
    layout.font.color = ink;
    layout.paper_bgcolor = "rgba(0,0,0,0)";
    layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--quiet") };
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: grid, linecolor: ink, showline: true, fixedrange: false });
    }
    return layout;
  }

  // On a narrow screen the legend is below the plot, and estimates are left to the table.
  function narrowed(layout) {
    if (layout.legend) {
      layout.legend = { orientation: "h", x: 0, y: -0.18, yanchor: "top", font: { size: 11 } };
    }
    if (layout.annotations) {
      layout.annotations = [];
      layout.margin.r = 12;
      layout.font.size = 11;
    }
    return layout;
  }

  function draw(data) {
    const figure = JSON.parse(data.textContent);
    const plot = data.previousElementSibling;
    let layout = themed(figure.layout);
    if (window.innerWidth < NARROW) {
      layout = narrowed(layout);
    }
    // The toolbar is visible under the pointer only. Screens without a pointer have none.
    figure.config.displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
    return Plotly.newPlot(plot, figure.data, layout, figure.config);
  }

  function cellValue(row, column) {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.sort);
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  }

  function compared(a, b) {
    if (a === "" || b === "") {
      return (a === "") - (b === "");
    }
    if (typeof a === "number" && typeof b === "number") {
      return a - b;
    }
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sort(table, column) {
    const header = table.tHead.rows[0].cells[column];
    const descending = header.getAttribute("aria-sort") === "ascending";
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((a, b) => {
      const x = cellValue(a, column);
      const y = cellValue(b, column);
      // Empty cells are last in both directions.
      return descending && x !== "" && y !== "" ? -compared(x, y) : compared(x, y);
    });
    for (const cell of table.tHead.rows[0].cells) {
      cell.removeAttribute("aria-sort");
    }
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }

  function makeSortable(table) {
    Array.from(table.tHead.rows[0].cells, (cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      button.addEventListener("click", () => sort(table, column));
      cell.replaceChildren(button);
    });
  }

  function csv(table) {
    const text = (cell) => {
      const name = cell.querySelector(".name") || cell;
      const value = name.textContent.trim().replace(/\u2009/g, "");
      return /[",\n]/.test(value) ? '"' + value.replace(/"/g, '""') + '"' : value;
    };
    return Array.from(table.rows, (row) => Array.from(row.cells, text).join(",")).join("\n") + "\n";
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  function addCopyButton(before, name, text) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = name;
    button.addEventListener("click", async () => {
      await copy(text());
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = name; }, 1500);
    });
    before.before(button);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    makeSortable(table);
    addCopyButton(table.parentElement, "Copy as CSV", () => csv(table));
  }
  for (const text of document.querySelectorAll(".copyable")) {
    addCopyButton(text, "Copy text", () => text.textContent.trim());
  }
  root.classList.add("interactive");
  Promise.all(Array.from(document.querySelectorAll("script.plot-data"), draw)).catch((error) => {
    root.classList.remove("interactive");
    console.error(error);
  });
})();

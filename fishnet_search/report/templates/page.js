"use strict";
(() => {
  const UNIT = { k: 1e3, M: 1e6, G: 1e9, "%": 1, s: 1, min: 60, h: 3600 };

  // "−0.93 ± 0.42" is -0.93, "12.35 M" 12350000, "3 min 20 s" 200, "78.14 [1], 78.07 [2]" 78.14; words are NaN.
  function number(cell) {
    const text = cell.replaceAll("−", "-").replace(/,(?=\d{3}\b)/g, "").replace(/^(<|\+|below) ?/, "");
    if (/^-?∞/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
    const first = /^-?\d+(\.\d+)?(e[-+]?\d+)?(?=$|\s)/.exec(text);
    if (!first) return NaN;
    const [, unit, more] = /^ ?([kMG%sh]|min)?\b(?: (\d+) (?:s|min)\b)?/.exec(text.slice(first[0].length)) ?? [];
    return Number(first[0]) * (UNIT[unit] ?? 1) + (more ? Number(more) * (unit === "h" ? 60 : 1) : 0);
  }

  const nothing = (cell) => cell === "" || cell === "–";

  function sort(table, place, header) {
    const down = header.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, cell: row.cells[place].textContent.trim() }));
    const full = rows.filter(({ cell }) => !nothing(cell));
    const numeric = full.every(({ cell }) => !Number.isNaN(number(cell)));
    const order = numeric
      ? (a, b) => number(a.cell) - number(b.cell)
      : (a, b) => a.cell.localeCompare(b.cell, "en", { numeric: true });
    full.sort(down ? (a, b) => order(b, a) : order);
    const empty = rows.filter(({ cell }) => nothing(cell));  // last in both directions
    body.append(...full.concat(empty).map(({ row }) => row));
    for (const other of header.parentElement.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, place, header));
      header.append(button);
      header.setAttribute("aria-sort", "none");
    });
  }

  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target?.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  reveal();
})();

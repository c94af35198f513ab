// Sorts and filters the tables of lines. The page is complete without it.
(() => {
  "use strict";
  const tables = [...document.querySelectorAll("table[data-sortable]")];
  if (!tables.length) return;
  const rowsOf = (table) => [...table.tBodies[0].rows];

  // A header becomes a button; figures sort by their data-v, largest first.
  for (const table of tables) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.dataset.sort === undefined) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.sort === "figure" ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const way = head.getAttribute("aria-sort") === first ? other : first;
        for (const each of heads) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const compare = (a, b) =>
          head.dataset.sort === "figure" ? a[0] - b[0]
            : a[0].localeCompare(b[0], "en", { numeric: true });
        const keyed = rowsOf(table).map((row) => [key(row), row]);
        keyed.sort((a, b) => (way === "ascending" ? compare(a, b) : compare(b, a)));
        table.tBodies[0].append(...keyed.map(([, row]) => row));
      });
    });
  }

  // The filter shows rows that have every word typed, and opens what it finds.
  const place = document.querySelector("[data-filter]");
  if (!place) return;
  const label = document.createElement("label");
  const box = document.createElement("input");
  const said = document.createElement("output");
  box.type = "search";
  label.append(place.dataset.filter + " ", box);
  place.append(label, said);
  place.hidden = false;
  const rows = tables.flatMap(rowsOf).map((row) => [row, row.textContent.toLowerCase()]);
  const opened = new Set();
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    said.textContent = words.length ? `${shown} of ${rows.length}` : "";
    for (const fold of document.querySelectorAll("details[data-lines]")) {
      if (!words.length && opened.delete(fold)) fold.open = false;
      if (words.length && !fold.open && fold.querySelector("tbody tr:not([hidden])")) {
        fold.open = true;
        opened.add(fold);
      }
    }
  });
})();

// Sorts a table on a click on a header: numbers by value, largest first; empty cells last.
function valueOf(row, column) {
  const cell = row.cells[column];
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = Number(text.replace(/,/g, ""));
  return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "zh");
}

function sortBy(table, head) {
  const column = head.cellIndex;
  const before = head.getAttribute("aria-sort");
  const preferred = head.classList.contains("number") ? "descending" : "ascending";
  const other = preferred === "ascending" ? "descending" : "ascending";
  const order = before === preferred ? other : preferred;
  for (const cell of head.parentNode.cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((first, second) => {
    const a = valueOf(first, column), b = valueOf(second, column);
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * compare(a, b);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, head));
    head.append(button);
  }
}

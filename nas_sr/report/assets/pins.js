"use strict";
// Trials side by side: a column each, filled from their rows of the table.
function comparisonTable(columns, rows) {
  const table = document.createElement("table");
  table.className = "plain pinned";
  const add = (row, name, text) => {
    const cell = row.appendChild(document.createElement(name));
    cell.textContent = text;
    return cell;
  };
  const head = table.createTHead().insertRow();
  add(head, "th", "").scope = "col";
  for (const row of rows) {
    const cell = add(head, "th", `Trial ${row.dataset.trial} `);
    cell.scope = "col";
    const button = cell.appendChild(document.createElement("button"));
    button.type = "button";
    button.className = "pin";
    button.dataset.pin = row.dataset.trial;
    button.textContent = "Unpin";
  }
  const body = table.createTBody();
  columns.forEach((column, index) => {
    const texts = rows.map((row) => row.cells[index].textContent.trim());
    if (column === "Trial" || texts.every((text) => text === "–" || text === "")) return;
    const line = body.insertRow();
    add(line, "th", column).scope = "row";
    for (const text of texts) add(line, "td", text);
    line.classList.toggle("same", texts.every((text) => text === texts[0]));
  });
  return table;
}

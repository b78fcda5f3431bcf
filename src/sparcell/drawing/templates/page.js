"use strict";
/* Sort a table by a column: numbers from large to small, text from a to z, then reversed. */
document.querySelectorAll("table.sortable").forEach((table) => {
  const [head, ...others] = table.rows;
  if (!head) return;
  const rows = others.filter((row) => !row.classList.contains("total"));
  [...head.cells].forEach((heading, column) => {
    let direction = 1;
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const compare = (a, b) => {
      const numbers = a !== "" && b !== "" && !isNaN(a) && !isNaN(b);
      return numbers ? b - a : a.localeCompare(b);
    };
    heading.addEventListener("click", () => {
      rows.sort((a, b) => direction * compare(value(a), value(b)));
      rows[0]?.parentNode.append(...rows);
      direction = -direction;
    });
  });
});
/* Enlarge a picture to the width of the page, and back. */
document.querySelectorAll("img.enlarges").forEach((image) => {
  const toggle = () => image.closest("figure").classList.toggle("large");
  image.addEventListener("click", toggle);
  image.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") toggle();
  });
});

// Gives every cell of a list its column's name, which a phone shows instead of the head.
"use strict";

(() => {
  const list = document.getElementById("result_list");
  if (!list) return;
  const names = [...list.tHead.rows[0].cells].map((head) => head.innerText.trim().toLowerCase());
  for (const row of list.tBodies[0].rows) {
    [...row.cells].forEach((cell, place) => {
      if (cell.tagName === "TD" && names[place]) cell.dataset.label = names[place];
      cell.classList.toggle("none", cell.textContent.trim() === "–");
    });
  }
})();

"use strict";
// Filter a table of pictures by verdict: on the page of --html, and on that of detection web.

function applyPictureFilter() {
  const { value } = document.querySelector("#filter input:checked");
  const rows = document.querySelectorAll("#pictures tbody tr");
  let count = 0;
  for (const row of rows) {
    row.hidden = value !== "" && row.dataset.verdict !== value;
    count += row.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = value
    ? `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} pictures are shown.`
    : "";
}

document.getElementById("filter").addEventListener("change", applyPictureFilter);
document.getElementById("filter").hidden = false;

"use strict";
// One picture among many: its row in the table, and its line in the CSV file.

const NOT_JUDGED = "not judged";

// The words of the verdicts, the most suspicious first, as rows are sorted.
const listVerdicts = () =>
  [...detector.verdicts.map(({ verdict }) => verdict).reverse(), NOT_JUDGED];

const CSV_COLUMNS = [
  "path", "verdict", "probability", "low", "high", "at_prevalence", "error", "sha256", "claims",
  "faces", "boxes", "generator", "generator_probability", "warnings", "detector",
  "detector_reason", "calibration", "real_below", "generated_above", "promise", "strangers",
  "banner",
]; // those of `python -m detection --csv`

// Names come from strangers: what controls text or reverses its direction is replaced.
const cleanName = (name) => name.replace(/[^\P{C}]|(?! )\p{Z}/gu, "\ufffd");

// Three digits, never rounded to 0 or 1.
function formatShort(probability) {
  if (probability >= 0.9995) return "over 0.999";
  return probability >= 0.0005 ? probability.toFixed(3) : "under 0.001";
}

function describeProbability({ probability, low, high }) {
  const [text, lowest, highest] = [probability, low, high].map(formatShort);
  return lowest === highest ? text : `${text} (${lowest} to ${highest} by JPEG quality)`;
}

const describeBox = ({ left, top, width, height }) => `${width} x ${height} at ${left}, ${top}`;

// A picture's answer as a row shows it; of a picture that was not judged, `error` says why.
function summariseAnswer(name, answer, error, thumbnail) {
  const verdict = error ? NOT_JUDGED : answer.verdict;
  return {
    name,
    verdict,
    tone: error ? "none" : detector.verdicts.find((words) => words.verdict === verdict).tone,
    probability: error ? 0 : answer.probability,
    probabilityText: error ? "–" : describeProbability(answer),
    notes: error ? [error] : listNotes(answer),
    thumbnail,
    csv: buildCsvLine(name, answer, error),
  };
}

function listNotes({ generator_words, faces, warnings, claims }) {
  const several = faces.length > 1 ? faces : [];
  return [
    ...(generator_words ? [generator_words] : []),
    ...warnings,
    ...several.map(({ box, verdict, probability }, index) =>
      `face ${index + 1}: ${verdict} ${formatShort(probability)}, ${describeBox(box)}`),
    ...claims.map(({ kind, text }) => `${kind}: ${text}`),
  ];
}

function isMoreSuspicious(one, other) {
  const verdicts = listVerdicts();
  const ranks = [one, other].map(({ verdict }) => verdicts.indexOf(verdict));
  if (ranks[0] !== ranks[1]) return ranks[0] < ranks[1];
  if (one.probability !== other.probability) return one.probability > other.probability;
  return one.number < other.number;
}

function renderRow({ name, verdict, tone, probabilityText, notes, thumbnail }) {
  const row = document.createElement("tr");
  row.role = "row"; // of a table that is laid out as a grid
  row.dataset.verdict = verdict;
  const cells = ["td", "th", "td", "td", "td"].map((tag) => document.createElement(tag));
  for (const cell of cells) cell.role = cell.tagName === "TH" ? "rowheader" : "cell";
  cells[0].className = "thumb";
  if (thumbnail) cells[0].append(renderThumbnail(thumbnail));
  cells[1].scope = "row";
  cells[1].append(renderName(name));
  cells[2].className = `decision ${tone}`;
  cells[2].textContent = verdict;
  cells[3].dataset.name = "probability of “generated”";
  cells[3].textContent = probabilityText;
  cells[4].className = "notes";
  if (notes.length) cells[4].append(renderNotes(notes));
  row.append(...cells);
  return row;
}

function renderThumbnail(thumbnail) {
  const picture = document.createElement("img");
  picture.decoding = "async";
  picture.alt = "";
  picture.src = thumbnail;
  return picture;
}

function renderName(name) {
  const button = document.createElement("button"), text = document.createElement("bdi");
  button.type = "button";
  button.className = "open";
  text.textContent = cleanName(name);
  button.append(text);
  return button;
}

function renderNotes(notes) {
  const list = document.createElement("ul");
  list.append(...notes.map((note) => {
    const item = document.createElement("li");
    item.textContent = cleanName(note);
    return item;
  }));
  return list;
}

// What a spreadsheet would calculate gets an apostrophe, as detection/output/csv_rows.py does it.
const startsFormula = (cell) =>
  /^(?:[\s\0\x1c-\x1f\x85]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])/.test(cell);

function disarmFormulas(cell) {
  const inner = cell.replace(
    /([;\t\r\n][\s\0\x1c-\x1f\x85]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'");
  return startsFormula(inner) ? `'${inner}` : inner;
}

function buildCsvLine(name, answer, error) {
  const path = startsFormula(name) ? `./${name}` : name; // still the name of the file
  const cells = { path, ...(error ? { error } : buildCsvCells(answer)) };
  return CSV_COLUMNS.map((column) => {
    const value = cells[column] ?? "";
    return quoteCell(typeof value === "number" ? value.toFixed(6) : disarmFormulas(value));
  }).join(",") + "\r\n";
}

function buildCsvCells(answer) {
  return {
    ...answer,
    claims: answer.claims.map(({ text }) => text).join("; "),
    faces: `${answer.faces.length}`,
    boxes: answer.faces.map(({ box, verdict, probability }) =>
      `${describeBox(box)}: ${verdict} ${probability.toFixed(6)}`).join("; "),
    generator: answer.generator ? answer.generator.closest ?? answer.generator_words : "",
    generator_probability: answer.generator?.probability,
    warnings: answer.warnings.join("; "),
    promise: answer.promise.join("; "),
    strangers: answer.strangers.join("; "),
  };
}

const quoteCell = (cell) => /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

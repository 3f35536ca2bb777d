"use strict";
// Many pictures: judge them two at a time by /api/detect, and list them while they come.

const MAX_IN_FLIGHT = 2; // as many as the program judges at once
const BUSY_WAIT_MS = 2000; // as its Retry-After says
const MAX_ATTEMPTS = 3; // at a picture for which no answer comes
const REST_PER_RENDER = 5; // so many times as long as drawing took, the page is left for all else

let pictures = []; // in the order given: file, name, number; once judged also summary and row
let sortedPictures = []; // the judged ones, the most suspicious first
let waitingPictures = [];
let undrawnPictures = []; // judged, but not in the table yet
let controller = new AbortController(); // ends the requests in flight
let workerCount = 0, startedAt = 0, judgedAtStart = 0, openedPicture = null;

function judgeMany(files) {
  selectTab("judge");
  element("error").hidden = true;
  for (const { file, name } of files) {
    const picture = { file, name, number: pictures.length };
    pictures.push(picture);
    waitingPictures.push(picture);
  }
  setVisible("many", true);
  startJudging();
}

async function startJudging() {
  await detectorLoaded;
  if (!detector) return; // the error is on the page
  fillFilter();
  if (!workerCount) {
    controller = new AbortController();
    startedAt = Date.now();
    judgedAtStart = sortedPictures.length;
    element("many-status").textContent = `Judging ${countPictures(waitingPictures.length)}.`;
  }
  while (workerCount < MAX_IN_FLIGHT && waitingPictures.length) {
    workerCount += 1;
    judgeWaiting(controller.signal);
  }
  showProgress();
}

function fillFilter() {
  if (document.querySelector("#filter input")) return;
  element("filter").append(...["", ...listVerdicts()].map((verdict) => {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "shown", value: verdict, checked: !verdict });
    label.append(input, document.createElement("span"), ` ${verdict || "all"}`);
    return label;
  }));
}

async function judgeWaiting(signal) {
  while (waitingPictures.length && !signal.aborted) {
    const picture = waitingPictures.shift();
    const summary = await judgePicture(picture, signal);
    if (summary) addRow(picture, summary);
    else waitingPictures.unshift(picture);
    showProgress();
  }
  workerCount -= 1;
  if (!workerCount) finishJudging();
}

// Return a picture's summary; null if judging was stopped.
async function judgePicture({ file, name }, signal) {
  const fail = (message, thumbnail) => summariseAnswer(name, null, message, thumbnail);
  if (file.size > detector.max_upload_bytes)
    return fail(`It has more than ${detector.max_upload_bytes / 1e6} MB; choose a smaller one.`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const options = { method: "POST", body: file, signal };
      const answer = await fetchAnswer("api/detect?thumbnail=1", options);
      showWorth(answer);
      return summariseAnswer(name, answer, "", answer.thumbnail);
    } catch (error) {
      if (signal.aborted) return null;
      const { status, message, thumbnail } = error;
      if (status && status !== 503) return fail(message, thumbnail);
      if (!status && !await isReadable(file))
        return fail("It cannot be read; it was moved, changed or deleted after it was chosen.");
      if (!status && attempt === MAX_ATTEMPTS) {
        if (await isProgramThere()) return fail(message);
        showError(message);
        controller.abort();
        return null;
      }
      await pause(BUSY_WAIT_MS, signal);
      if (signal.aborted) return null;
    }
  }
}

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

const isProgramThere = () => fetch("api/detector").then(() => true, () => false);

function addRow(picture, summary) {
  picture.summary = Object.assign(summary, { number: picture.number });
  let [low, high] = [0, sortedPictures.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isMoreSuspicious(sortedPictures[middle].summary, summary)) low = middle + 1;
    else high = middle;
  }
  sortedPictures.splice(low, 0, picture);
  undrawnPictures.push(picture);
}

function drawRows() {
  const undrawn = new Set(undrawnPictures), shown = document.querySelector("#filter input:checked");
  undrawnPictures = [];
  let next = null; // the row below
  for (const picture of [...sortedPictures].reverse()) {
    if (undrawn.has(picture)) {
      picture.row = renderRow(picture.summary);
      picture.row.hidden = shown.value !== "" && shown.value !== picture.summary.verdict;
      element("pictures").tBodies[0].insertBefore(picture.row, next);
    }
    next = picture.row;
  }
}

const shownSentences = new Set();

// Sentences on pictures of several faces come with the first of these.
function showWorth({ worth, caveat }) {
  for (const sentence of worth.filter((text) => !shownSentences.has(text))) {
    shownSentences.add(sentence);
    const item = document.createElement("li");
    item.textContent = sentence;
    element("many-worth").append(item);
  }
  if (!caveat) return;
  element("many-caveat").textContent =
    `Quoted notes are what a file claims about itself; no verdict depends on them. ${caveat}`;
  setVisible("many-caveat", true);
}

const countPictures = (count) =>
  `${count.toLocaleString("en")} ${count === 1 ? "picture" : "pictures"}`;

let isRendering = false, isChanged = false;

function showProgress() {
  isChanged = true;
  if (isRendering) return;
  isRendering = true;
  requestAnimationFrame(() => {
    const start = performance.now();
    isChanged = false;
    renderProgress();
    // the first runs after the frame, whose drawing takes long where there are thousands of rows
    setTimeout(() => setTimeout(() => {
      isRendering = false;
      if (isChanged) showProgress();
    }, REST_PER_RENDER * (performance.now() - start)));
  });
}

function renderProgress() {
  if (undrawnPictures.length) drawRows();
  const done = sortedPictures.length, total = pictures.length;
  element("progress").max = total;
  element("progress").value = done;
  element("progress-text").textContent =
    `${done.toLocaleString("en")} of ${countPictures(total)}${describeTimeLeft(done, total)}`;
  element("stop").textContent = workerCount ? "Stop" : "Go on";
  setVisible("stop", workerCount > 0 || waitingPictures.length > 0);
  setVisible("clear", !workerCount);
  setVisible("many-table", done > 0 && !openedPicture);
  for (const input of document.querySelectorAll("#filter input")) {
    const count = input.value
      ? sortedPictures.filter(({ summary }) => summary.verdict === input.value).length : done;
    input.parentElement.querySelector("span").textContent = count.toLocaleString("en");
  }
}

function describeTimeLeft(done, total) {
  const judged = done - judgedAtStart, seconds = (Date.now() - startedAt) / 1000;
  if (!workerCount || judged < 5) return "";
  const left = (total - done) * seconds / judged;
  return left < 90 ? `, about ${Math.ceil(left)} s left` : `, about ${Math.ceil(left / 60)} min left`;
}

function finishJudging() {
  renderProgress();
  const left = waitingPictures.length;
  element("many-status").textContent = left
    ? `Stopped; ${countPictures(left)} ${left === 1 ? "is" : "are"} not judged yet.`
    : `${countPictures(sortedPictures.length)}: all are done.`;
  applyPictureFilter(); // its count
}

element("stop").addEventListener("click", () => {
  if (workerCount) controller.abort();
  else startJudging();
});

element("clear").addEventListener("click", () => {
  pictures = [];
  sortedPictures = [];
  waitingPictures = [];
  undrawnPictures = [];
  shownSentences.clear();
  element("many-worth").replaceChildren();
  element("pictures").tBodies[0].replaceChildren();
  for (const id of ["many", "many-table", "many-caveat"]) setVisible(id, false);
  element("file").focus();
});

element("pictures").addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row || String(getSelection())) return; // text is being selected
  const picture = sortedPictures.find((other) => other.row === row);
  judgeFile(picture.file);
  openedPicture = picture;
  hidePictureTable();
});

// Make room for the answer to one picture.
function hidePictureTable() {
  openedPicture ??= sortedPictures[0] ?? null;
  setVisible("many-table", false);
  setVisible("back", pictures.length > 0);
}

function showPictureTable() {
  openedPicture = null;
  setVisible("back", false);
  setVisible("many-table", sortedPictures.length > 0);
}

element("back-button").addEventListener("click", () => {
  renderProgress();
  const { row } = openedPicture;
  newestRequest += 1; // its answer is no longer waited for
  setVisible("working", false);
  hideAnswer();
  showPictureTable();
  row.scrollIntoView({ block: "center" });
  row.querySelector("button").focus();
});

element("csv").addEventListener("click", () => {
  const lines = [`${CSV_COLUMNS.join(",")}\r\n`, ...sortedPictures.map(({ summary }) => summary.csv)];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = "telltale.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

// Files of a folder: hidden ones and those of operating systems are left out, as by the command.
const isVisibleFile = (path) => !path.split("/").some((name) =>
  name.startsWith(".") || ["__MACOSX", "Thumbs.db", "desktop.ini"].includes(name));

function judgeFolderFiles(files) {
  const visible = files.filter(({ name }) => isVisibleFile(name))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  if (visible.length) judgeMany(visible);
  else showError("The folder holds no files.");
}

element("folder").addEventListener("change", (event) => {
  judgeFolderFiles([...event.target.files].map((file) => ({
    file, name: file.webkitRelativePath.split("/").slice(1).join("/") || file.name,
  })));
  event.target.value = "";
});

// Return what was dropped, files and folders, if a folder is among it.
function findFolders({ items }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return entries.some((entry) => entry.isDirectory) ? entries : [];
}

async function judgeFolders(entries) {
  const files = [];
  for (const entry of entries) await listFiles(entry, entry.name, files).catch(() => null);
  judgeFolderFiles(files);
}

async function listFiles(entry, name, files) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    files.push({ file, name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const other of some) await listFiles(other, `${name}/${other.name}`, files);
  }
}

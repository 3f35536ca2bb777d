"use strict";
// The page of `python -m detection web`: send an image to /api/detect and show the answer.

const element = (id) => document.getElementById(id);
let detector = null;
let newestRequest = 0; // its number; answers to older requests are dropped

function setVisible(id, visible) {
  element(id).hidden = !visible;
}

function fillList(id, texts, make = (text) => text) {
  element(id).replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.append(make(text));
    return item;
  }));
}

async function fetchResponse(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The program behind this page does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  const message = answer.error || `The program answered with an error (${response.status}).`;
  const { faces, thumbnail } = answer;
  throw Object.assign(new Error(message), { faces, thumbnail, status: response.status });
}

async function fetchAnswer(address, options) {
  return (await fetchResponse(address, options)).json().catch(() => ({}));
}

function showError(message) {
  element("error").textContent = message;
  setVisible("error", true);
}

function hideAnswer() {
  for (const id of ["result", "error", "judge-anyway"]) setVisible(id, false);
}

async function sendAndShow(status, address, options) {
  const request = ++newestRequest;
  hideAnswer();
  setVisible("working", true);
  element("working-text").textContent = status;
  element("elapsed").textContent = "";
  const start = Date.now();
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - start) / 1000);
    if (request === newestRequest && seconds > 2) element("elapsed").textContent = `${seconds} s`;
  }, 1000);
  try {
    await detectorLoaded;
    const answer = await fetchAnswer(address, options);
    if (request === newestRequest) showAnswer(answer);
  } catch (error) {
    if (request === newestRequest) {
      showError(error.message);
      setVisible("judge-anyway", error.faces !== undefined);
    }
  } finally {
    clearInterval(timer);
    if (request === newestRequest) setVisible("working", false);
  }
}

function showAnswer(answer) {
  const { tone } = detector.verdicts.find((words) => words.verdict === answer.verdict);
  element("verdict").className = `verdict ${tone}`;
  element("headline").textContent = answer.headline;
  element("sentence").textContent = answer.sentence;
  element("generator").textContent = answer.generator_words;
  setVisible("generator", Boolean(answer.generator_words));
  showProbability(answer);
  fillList("worth", answer.worth);
  showFaces(answer);
  fillList("warnings", answer.warnings);
  setVisible("warnings", answer.warnings.length > 0);
  element("picture").src = answer.judged_square;
  element("picture-caption").textContent = answer.generated_with
    ? `Generated with ${answer.generated_with}`
    : answer.picture ? "The square of the most suspicious face." : "The judged square.";
  element("map").src = answer.heat_map || "";
  setVisible("map-figure", Boolean(answer.heat_map));
  element("map-missing").textContent = answer.no_heat_map;
  setVisible("map-missing", Boolean(answer.no_heat_map));
  fillList("claims", answer.claims, (claim) => `${claim.kind}: ${claim.text}`);
  element("caveat").textContent = answer.caveat;
  setVisible("claims-part", answer.claims.length > 0);
  fillList("similar", answer.similar, renderSimilarFace);
  setVisible("similar-part", answer.similar.length > 0);
  fillList("preprocessing", answer.preprocessing);
  element("detector").textContent = answer.detector;
  element("sha256").textContent = answer.sha256;
  element("evidence-text").textContent = EVIDENCE_TEXT;
  setVisible("evidence-part", !answer.generated_with); // whoever generated it has no file of it
  document.dispatchEvent(new CustomEvent("answer", { detail: answer }));
  setVisible("result", true);
  element("verdict").focus({ preventScroll: true });
  element("verdict").scrollIntoView({ block: "nearest" });
}

function renderSimilarFace(similar) {
  const picture = document.createElement("img");
  picture.src = similar.picture;
  picture.alt = "";
  const label = similar.label === "real" ? "photograph" : "generated";
  const fragment = document.createDocumentFragment();
  const caption = similar.source === similar.label ? label : `${label}, ${similar.source}`;
  fragment.append(picture, caption);
  return fragment;
}

function renderNextStep(step) {
  const command = document.createElement("code");
  command.textContent = step.command;
  const fragment = document.createDocumentFragment();
  fragment.append(`${step.reason} `, command);
  return fragment;
}

// Mark several faces in the whole picture, and list them as buttons, for whoever has no mouse.
function showFaces({ picture, faces }) {
  setVisible("faces-part", Boolean(picture));
  element("boxes").replaceChildren();
  element("face-list").replaceChildren();
  if (!picture) return;
  element("faces-heading").textContent = `${faces.length} faces were judged`;
  element("group").src = picture.picture;
  faces.forEach((face, index) => addFace(face, index + 1, picture));
}

function addFace({ box, verdict, probability }, number, { width, height }) {
  const { tone } = detector.verdicts.find((words) => words.verdict === verdict);
  const mark = document.createElement("div"), label = document.createElement("span");
  const word = document.createElement("b");
  mark.className = `box ${tone}${box.width < 0.2 * width ? " narrow" : ""}`;
  mark.style.left = `${100 * box.left / width}%`;
  mark.style.top = `${100 * box.top / height}%`;
  mark.style.width = `${100 * box.width / width}%`;
  mark.style.height = `${100 * box.height / height}%`;
  word.textContent = ` ${verdict}`;
  label.append(`${number}`, word);
  mark.append(label);
  const button = document.createElement("button");
  button.type = "button";
  button.className = tone;
  button.textContent =
    `Face ${number}: ${verdict}, probability of “generated” ${formatPercent(probability)}`;
  const select = (selected) => () => {
    for (const part of [mark, button]) part.classList.toggle("selected", selected);
  };
  for (const part of [mark, button]) {
    part.addEventListener("mouseenter", select(true));
    part.addEventListener("mouseleave", select(false));
  }
  button.addEventListener("focus", select(true));
  button.addEventListener("blur", select(false));
  mark.addEventListener("click", () => button.focus());
  const item = document.createElement("li");
  item.append(button);
  element("boxes").append(mark);
  element("face-list").append(item);
}

function formatPercent(probability) {
  return `${(100 * probability).toFixed(probability < 0.1 || probability > 0.9 ? 1 : 0)}%`;
}

function showProbability({ probability, real_below, generated_above }) {
  const low = (real_below ?? 0) * 300, high = (generated_above ?? 1) * 300;
  const [real, abstain, generated] = document.querySelectorAll(".scale rect");
  real.setAttribute("width", low);
  abstain.setAttribute("x", low);
  abstain.setAttribute("width", Math.max(high - low, 0));
  generated.setAttribute("x", high);
  generated.setAttribute("width", 300 - high);
  element("needle").setAttribute("d", `M${2 + probability * 296} 3v20`);
  element("probability-text").textContent =
    `probability of “generated”: ${formatPercent(probability)}`;
}

const EVIDENCE_TEXT = element("evidence-text").textContent;
let judgedFile = null, judgedAnyPicture = false;

function judgeFile(file, anyPicture = false) {
  if (!file) return;
  judgedFile = file;
  judgedAnyPicture = anyPicture;
  selectTab("judge");
  hidePictureTable();
  if (detector && file.size > detector.max_upload_bytes) {
    ++newestRequest;
    setVisible("working", false);
    const maxMegabytes = detector.max_upload_bytes / 1e6;
    showError(`The image has more than ${maxMegabytes} MB; choose a smaller one.`);
    return;
  }
  const address = `api/detect?explain=1${anyPicture ? "&any_picture=1" : ""}`;
  sendAndShow("Judging…", address, { method: "POST", body: file });
}

function selectTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    setVisible(tab.getAttribute("aria-controls"), selected);
  }
  hideAnswer();
  showPictureTable();
  if (name === "generate") loadGenerator().catch(() => { generatorRequest = null; });
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => selectTab(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    const other = element(tab.id === "tab-judge" ? "tab-generate" : "tab-judge");
    selectTab(other.getAttribute("aria-controls"));
    other.focus();
  });
}

element("judge-anyway-button").addEventListener("click", () => judgeFile(judgedFile, true));

function judgeFiles(files) {
  if (files.length > 1) judgeMany(files.map((file) => ({ file, name: file.name })));
  else judgeFile(files[0]);
}

// Nothing is kept behind this page, so the image is sent again.
async function saveEvidence() {
  const form = new FormData();
  form.set("file", judgedFile);
  const address = `api/evidence${judgedAnyPicture ? "?any_picture=1" : ""}`;
  const response = await fetchResponse(address, { method: "POST", body: form });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "evidence.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

element("evidence-button").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  element("evidence-text").textContent = "Judging it again…";
  try {
    await saveEvidence();
    element("evidence-text").textContent =
      "Saved. Check it with: telltale detect --verify evidence.html IMAGE";
  } catch (error) {
    element("evidence-text").textContent = error.message;
  }
  target.disabled = false;
});

element("file").addEventListener("change", (event) => {
  judgeFiles([...event.target.files]);
  event.target.value = ""; // the same file may be chosen again
});

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  const { files } = event.dataTransfer;
  const folders = findFolders(event.dataTransfer);
  if (files[0] && event.target.closest("#photo-field")) element("photo").files = files;
  else if (folders.length) judgeFolders(folders);
  else if (files[0]) judgeFiles([...files]);
  else showError("That was not a file. Save the image first, then drop the file.");
});
document.addEventListener("paste", (event) => {
  judgeFiles([...event.clipboardData.files]);
});

element("generator-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData();
  for (const name of ["prompt", "seed"]) form.set(name, element(name).value);
  if (element("photo").files[0]) form.set("file", element("photo").files[0]);
  const button = event.target.querySelector("button");
  button.disabled = true;
  sendAndShow("Generating…", "api/generate", { method: "POST", body: form })
    .finally(() => { button.disabled = false; });
});

async function loadDetector() {
  try {
    detector = await fetchAnswer("api/detector");
  } catch (error) {
    showError(error.message);
    return;
  }
  element("detector-summary").textContent =
    `Judged by ${detector.detector}` +
    (detector.detector_reason ? ` (${detector.detector_reason})` : "") +
    `: ${detector.base}, trained on ${detector.trained_on}` +
    (detector.calibration ? `, calibration ${detector.calibration}.` : ".");
  element("privacy").textContent = detector.local
    ? `Images stay on this computer and are not saved${detector.keeps_feedback ? ", unless you ask for it" : ""}.`
    : "Images go, unencrypted, to the computer that serves this page, and are not saved there.";
  const maxMegabytes = detector.max_upload_bytes / 1e6;
  element("file-limits").textContent =
    `JPEG, PNG, WebP, AVIF, HEIC, BMP or TIFF, up to ${maxMegabytes} MB and 25 megapixels (JPEG: 200)`;
  for (const { verdict, tone } of detector.verdicts) {
    for (const part of document.querySelectorAll(`[data-tone=${tone}]`)) part.textContent = verdict;
  }
  element("banner").textContent = detector.banner;
  setVisible("banner", Boolean(detector.banner));
  fillList("limits", detector.limits);
  setVisible("limits-part", detector.limits.length > 0);
  fillList("next", detector.next_steps, renderNextStep);
  setVisible("next-part", detector.next_steps.length > 0);
}

let generatorRequest = null;

async function loadGenerator() {
  if (generatorRequest) return;
  generatorRequest = fetchAnswer("api/generator");
  const { source, kind, obstacles } = await generatorRequest;
  element("generator-source").textContent = source;
  element("generator-obstacles").textContent = obstacles;
  setVisible("generator-obstacles", Boolean(obstacles));
  setVisible("prompt-field", kind === "prompt");
  setVisible("photo-field", kind === "photo");
}

const detectorLoaded = loadDetector();

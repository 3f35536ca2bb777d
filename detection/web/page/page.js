"use strict";
// The page of `python -m detection web`: it sends an image to /api/detect of the same computer and shows the answer.

const part = (id) => document.getElementById(id);
let about = null;
let turn = 0; // number of the newest request; answers to older ones are dropped

function show(id, visible) {
  part(id).hidden = !visible;
}

function list(id, texts, make = (text) => text) {
  part(id).replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.append(make(text));
    return item;
  }));
}

async function answerOf(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The program behind this page does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `The program answered with an error (${response.status}).`);
  return answer;
}

async function ask(words, address, options) {
  const mine = ++turn;
  show("result", false);
  show("error", false);
  show("working", true);
  part("working-words").textContent = words;
  part("clock").textContent = "";
  const since = Date.now();
  const clock = setInterval(() => {
    const seconds = Math.round((Date.now() - since) / 1000);
    if (mine === turn && seconds > 2) part("clock").textContent = `${seconds} s`;
  }, 1000);
  try {
    await opening;
    const answer = await answerOf(address, options);
    if (mine === turn) tell(answer);
  } catch (error) {
    if (mine === turn) {
      part("error").textContent = error.message;
      show("error", true);
    }
  } finally {
    clearInterval(clock);
    if (mine === turn) show("working", false);
  }
}

function tell(answer) {
  const kind = { generated: "generated", real: "real" }[answer.verdict] || "doubt";
  part("verdict").className = `verdict ${kind}`;
  part("headline").textContent = answer.headline;
  part("sentence").textContent = answer.sentence;
  scale(answer.probability);
  list("warnings", answer.warnings);
  show("warnings", answer.warnings.length > 0);
  part("picture").src = answer.judged_square;
  part("picture-words").textContent = answer.drawn_with
    ? `Generated with ${answer.drawn_with}` : "The judged square.";
  part("map").src = answer.heat_map || "";
  show("map-figure", Boolean(answer.heat_map));
  part("map-not").textContent = answer.no_heat_map;
  show("map-not", Boolean(answer.no_heat_map));
  list("claims", answer.claims, (claim) => `${claim.kind}: ${claim.text}`);
  part("caveat").textContent = answer.caveat;
  show("claims-part", answer.claims.length > 0);
  list("similar", answer.similar, face);
  show("similar-part", answer.similar.length > 0);
  list("done", answer.done);
  part("detector").textContent = answer.detector;
  part("sha256").textContent = answer.sha256;
  show("result", true);
  part("verdict").focus({ preventScroll: true });
  part("verdict").scrollIntoView({ block: "nearest" });
}

function face(similar) {
  const picture = document.createElement("img");
  picture.src = similar.picture;
  picture.alt = "";
  const words = similar.label === "real" ? "photograph" : "generated";
  const both = document.createDocumentFragment();
  both.append(picture, similar.source === similar.label ? words : `${words}, ${similar.source}`);
  return both;
}

function scale(probability) {
  const [low, high] = [about.real_below * 300, about.generated_above * 300];
  const [real, doubt, generated] = document.querySelectorAll(".scale rect");
  real.setAttribute("width", low);
  doubt.setAttribute("x", low);
  doubt.setAttribute("width", Math.max(high - low, 0));
  generated.setAttribute("x", high);
  generated.setAttribute("width", 300 - high);
  part("needle").setAttribute("d", `M${2 + probability * 296} 3v20`);
  part("scale-words").textContent = `probability of “generated”: ${(100 * probability).toFixed(probability < 0.1 || probability > 0.9 ? 1 : 0)}%`;
}

function judge(file) {
  if (!file) return;
  choose("judge");
  if (about && file.size > about.largest) {
    ++turn;
    show("result", false);
    show("working", false);
    part("error").textContent = `The image has more than ${about.largest / 1e6} MB; choose a smaller one.`;
    show("error", true);
    return;
  }
  ask("Judging…", "api/detect?explain=1", { method: "POST", body: file });
}

function choose(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    show(tab.getAttribute("aria-controls"), chosen);
  }
  show("error", false);
  show("result", false);
  if (name === "draw") prepareDrawing().catch(() => { drawing = null; });
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => choose(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    const other = part(tab.id === "tab-judge" ? "tab-draw" : "tab-judge");
    choose(other.getAttribute("aria-controls"));
    other.focus();
  });
}

part("file").addEventListener("change", (event) => {
  judge(event.target.files[0]);
  event.target.value = ""; // the same file may be chosen again
});

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    part("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) part("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  part("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file && event.target.closest("#photo-field")) part("photo").files = event.dataTransfer.files;
  else if (file) judge(file);
  else {
    part("error").textContent = "That was not a file. Save the image first, then drop the file.";
    show("error", true);
  }
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files][0];
  if (file) judge(file);
});

part("drawing").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData();
  for (const name of ["prompt", "seed"]) form.set(name, part(name).value);
  if (part("photo").files[0]) form.set("file", part("photo").files[0]);
  const button = event.target.querySelector("button");
  button.disabled = true;
  ask("Generating…", "api/draw", { method: "POST", body: form }).finally(() => { button.disabled = false; });
});

async function open() {
  try {
    about = await answerOf("api/detector");
  } catch (error) {
    part("error").textContent = error.message;
    show("error", true);
    return;
  }
  part("about").textContent = `Judged by ${about.detector} (${about.base}, trained on ${about.trained_on}).`;
  part("where").textContent = about.local ? "Images stay on this computer and are not saved."
    : "Images go, unencrypted, to the computer that serves this page, and are not saved there.";
  part("limits-of-files").textContent = `JPEG, PNG, WebP, BMP or TIFF, up to ${about.largest / 1e6} MB and 25 megapixels`;
  part("banner").textContent = about.banner;
  show("banner", Boolean(about.banner));
  list("limits", about.limits);
  show("limits-part", about.limits.length > 0);
}

let drawing = null;

async function prepareDrawing() {
  if (drawing) return;
  drawing = answerOf("api/drawing");
  const { source, kind, why_not: why } = await drawing;
  part("drawing-source").textContent = source;
  part("drawing-not").textContent = why;
  show("drawing-not", Boolean(why));
  show("prompt-field", kind === "prompt");
  show("photo-field", kind === "photo");
}

const opening = open();

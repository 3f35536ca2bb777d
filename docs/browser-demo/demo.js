// Judge an image with detector.onnx in the browser. card.json beside it has the thresholds: ONNX
// Runtime for the web gives a page no access to the metadata of a model (onnxruntime-web 1.30).

import { PlainError, canonicalise } from "./canonical.js";

const RUNTIME = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
const CANONICALISER = 2; // the version that canonical.js repeats

const GENERATED = "generated", REAL = "real", ABSTAIN = "can't tell";
const VERDICTS = { // the table of training/cuts/verdicts.py; a test compares them
  [GENERATED]: { headline: "Looks generated", tone: "generated" },
  [REAL]: { headline: "Looks real: no known trace of a generator", tone: "real" },
  [ABSTAIN]: { headline: "Can't tell", tone: "abstain" },
};

const element = (id) => document.getElementById(id);
let newestRequest = 0; // its number; answers to older requests are dropped

/** Return the card and a function from pixels to the probability of generated. */
async function loadDetector() {
  if (!globalThis.crypto?.subtle) {
    throw new PlainError(
      "Open this page at http://localhost or over https; elsewhere browsers compute no hashes.",
    );
  }
  const card = JSON.parse(new TextDecoder().decode(await fetchFile("card.json")));
  const model = await fetchFile("detector.onnx");
  await checkCard(card, model);
  const ort = await import(`${RUNTIME}ort.wasm.min.mjs`).catch(() => {
    throw new PlainError("onnxruntime-web is missing; run npm install in this folder.");
  });
  ort.env.wasm.wasmPaths = RUNTIME; // on this server, whatever the build would choose
  ort.env.wasm.numThreads = 1; // more need headers that python -m http.server does not send
  const options = { logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(new Uint8Array(model), options);
  const computeProbability = async (pixels) => {
    const input = new ort.Tensor("float32", pixels, [1, card.image_size, card.image_size, 3]);
    const outputs = await session.run({ [session.inputNames[0]]: input });
    return outputs[session.outputNames[0]].data[0];
  };
  return { card, computeProbability };
}

async function fetchFile(name) {
  const response = await fetch(name).catch(() => null);
  if (!response?.ok) {
    throw new PlainError(
      `${name} is missing beside this page; copy it there from a saved detector.`,
    );
  }
  return response.arrayBuffer();
}

/** Check that card and model belong together and that this page prepares images as they need it. */
async function checkCard(card, model) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hash !== card.sha256["detector.onnx"]) {
    throw new PlainError(
      "card.json does not belong to this detector.onnx; copy both from one saved detector.",
    );
  }
  if (card.canonicaliser !== CANONICALISER) {
    throw new PlainError(
      "This detector was trained by another version of Telltale; take the page of that version.",
    );
  }
  if (card.crop !== "centre") {
    throw new PlainError(
      "This detector needs cropped faces, which this page cannot provide; take another detector.",
    );
  }
}

/** Return the limits of the three answers; null where an answer is never given. */
function computeLimits({ false_alarm_cuts, miss_cuts, false_alarms, misses }) {
  const find = (cuts, target) => cuts.find((cut) => cut.target === target)?.limit ?? null;
  const falseAlarm = find(false_alarm_cuts, false_alarms), miss = find(miss_cuts, misses);
  return {
    realBelow: miss === null ? null : Math.min(miss, falseAlarm ?? 1),
    generatedAbove: falseAlarm === null ? null : Math.max(falseAlarm, miss ?? 0),
  };
}

/** Decide on the probabilities at all qualities; on both sides of a cut there is no answer. */
function decide({ realBelow, generatedAbove }, probabilities) {
  if (generatedAbove !== null && Math.min(...probabilities) >= generatedAbove) return GENERATED;
  return realBelow !== null && Math.max(...probabilities) < realBelow ? REAL : ABSTAIN;
}

/** Return the probability of the mean logit. */
function combine(probabilities) {
  const clip = (value) => Math.min(Math.max(value, 1e-7), 1 - 1e-7);
  const logits = probabilities.map((value) => Math.log(clip(value) / (1 - clip(value))));
  return 1 / (1 + Math.exp(-logits.reduce((a, b) => a + b) / logits.length));
}

async function judgeFile(file) {
  const request = ++newestRequest;
  setStatus("Judging…");
  element("error").hidden = element("result").hidden = true;
  try {
    const { card, computeProbability } = await detector;
    const views = await canonicalise(file, card.image_size, card.qualities);
    const probabilities = [];
    for (const { pixels } of views) probabilities.push(await computeProbability(pixels));
    if (!probabilities.every(Number.isFinite)) {
      throw new PlainError("The detector did not return a number.");
    }
    if (request === newestRequest) showAnswer(card, file.name, views[0].picture, probabilities);
  } catch (error) {
    if (request === newestRequest) showError(error);
  }
}

function showAnswer(card, name, picture, probabilities) {
  const limits = computeLimits(card.calibration), verdict = decide(limits, probabilities);
  const { realBelow, generatedAbove } = limits, probability = combine(probabilities);
  element("verdict").className = `banner ${VERDICTS[verdict].tone}`;
  element("headline").textContent = VERDICTS[verdict].headline;
  element("sentence").textContent =
    `The probability of “${GENERATED}” is ${probability.toFixed(3)}, if half of all images were. ` +
    (generatedAbove === null ? `It never answers ${GENERATED}, `
      : `From ${generatedAbove.toFixed(3)} on the answer is ${GENERATED}, `) +
    (realBelow === null ? "never " : `under ${realBelow.toFixed(3)} `) +
    `${REAL}, otherwise ${ABSTAIN}.`;
  element("abstention-band").style.left = `${100 * (realBelow ?? 0)}%`;
  element("abstention-band").style.right = `${100 * (1 - (generatedAbove ?? 1))}%`;
  element("needle").style.left = `${100 * probability}%`;
  const canvas = element("picture");
  canvas.width = canvas.height = card.image_size;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  element("name").textContent = name || "the image";
  element("result").dataset.probability = probability;
  element("result").dataset.verdict = verdict;
  element("result").hidden = false;
  setStatus(`Judged by ${card.name}, in this browser.`);
}

function showError(error) {
  const isPlain = error instanceof PlainError;
  if (!isPlain) console.error(error);
  element("error").textContent = isPlain ? error.message : `That failed: ${error.message}`;
  element("error").hidden = false;
  setStatus("");
}

function setStatus(text) {
  element("status").textContent = text;
}

function getFirstFile(transfer) {
  return Array.from(transfer?.files ?? [])[0];
}

element("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) judgeFile(file);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("paste", (event) => {
  const file = getFirstFile(event.clipboardData);
  if (file) judgeFile(file);
});
// On the whole page, because an image that is dropped beside the field would replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
});
document.addEventListener("dragleave", () => element("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  const file = getFirstFile(event.dataTransfer);
  if (file) judgeFile(file);
  else showError(new PlainError("That is not a file; save the image, then drop or choose it."));
});

for (const [verdict, { tone }] of Object.entries(VERDICTS)) {
  for (const part of document.querySelectorAll(`[data-tone=${tone}]`)) part.textContent = verdict;
}

const detector = loadDetector();
detector.then(({ card }) => {
  if (!newestRequest) setStatus(`${card.name} is ready.`);
  element("banner").textContent = card.banner;
  element("banner").hidden = !card.banner;
}, showError);

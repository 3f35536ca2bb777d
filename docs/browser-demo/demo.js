// Judge an image with detector.onnx in the browser. card.json beside it has the thresholds: ONNX
// Runtime for the web gives a page no access to the metadata of a model (onnxruntime-web 1.30).

import { PlainError, canonicalise } from "./canonical.js";

const RUNTIME = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
const CANONICALISER = 2; // the version that canonical.js repeats

const HEADLINES = {
  generated: "Looks generated",
  real: "Looks like a photograph",
  "can't tell": "Can’t tell",
};
const VERDICT_CLASSES = { generated: "generated", real: "real", "can't tell": "abstain" };

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

function decide({ real_below, generated_above }, probability) {
  if (probability >= generated_above) return "generated";
  return probability < real_below ? "real" : "can't tell";
}

async function judgeFile(file) {
  const request = ++newestRequest;
  setStatus("Judging…");
  element("error").hidden = element("result").hidden = true;
  try {
    const { card, computeProbability } = await detector;
    const { pixels, picture } = await canonicalise(file, card.image_size);
    const probability = await computeProbability(pixels);
    if (!Number.isFinite(probability)) {
      throw new PlainError("The detector did not return a number.");
    }
    if (request === newestRequest) showAnswer(card, file.name, picture, probability);
  } catch (error) {
    if (request === newestRequest) showError(error);
  }
}

function showAnswer(card, name, picture, probability) {
  const band = card.calibration, verdict = decide(band, probability);
  element("verdict").className = `banner ${VERDICT_CLASSES[verdict]}`;
  element("headline").textContent = HEADLINES[verdict];
  element("sentence").textContent =
    `Probability of generated: ${probability.toFixed(3)}. ` +
    `From ${band.generated_above.toFixed(3)} on the answer is generated, ` +
    `under ${band.real_below.toFixed(3)} photograph, between the two “can’t tell”.`;
  element("abstention-band").style.left = `${100 * band.real_below}%`;
  element("abstention-band").style.right = `${100 * (1 - band.generated_above)}%`;
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

const detector = loadDetector();
detector.then(({ card }) => {
  if (!newestRequest) setStatus(`${card.name} is ready.`);
  element("banner").textContent = card.banner;
  element("banner").hidden = !card.banner;
}, showError);

// Judge an image with detector.onnx in the browser. card.json beside it says how to read the number: ONNX Runtime for the
// web gives a page no access to what a model file holds beside its graph (onnxruntime-web 1.30).

import { Unreadable, canonical } from "./canonical.js";

const RUNTIME = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
const CANONICALISER = 2; // the version that canonical.js repeats

const WORDS = {
  generated: "Looks generated",
  real: "Looks like a photograph",
  "can't tell": "Can’t tell",
};
const COLOURS = { generated: "generated", real: "real", "can't tell": "doubt" };

const part = (id) => document.getElementById(id);
let turn = 0;

/** A card and a function from pixels to the probability of generated. */
async function opened() {
  if (!globalThis.crypto?.subtle) {
    throw new Unreadable("Open this page at http://localhost or over https; elsewhere a browser computes no hash.");
  }
  const [card, model] = [JSON.parse(new TextDecoder().decode(await fetched("card.json"))), await fetched("detector.onnx")];
  await check(card, model);
  const ort = await import(`${RUNTIME}ort.wasm.min.mjs`).catch(() => {
    throw new Unreadable("onnxruntime-web is missing; run npm install in this folder.");
  });
  ort.env.wasm.wasmPaths = RUNTIME; // on this server, whatever the build would choose
  ort.env.wasm.numThreads = 1; // more need headers that python -m http.server does not send
  const session = await ort.InferenceSession.create(new Uint8Array(model), { logSeverityLevel: 3 });
  const judge = async (pixels) => {
    const input = new ort.Tensor("float32", pixels, [1, card.image_size, card.image_size, 3]);
    const found = await session.run({ [session.inputNames[0]]: input });
    return found[session.outputNames[0]].data[0];
  };
  return { card, judge };
}

async function fetched(name) {
  const answer = await fetch(name).catch(() => null);
  if (!answer?.ok) throw new Unreadable(`${name} is missing beside this page; copy it there from a saved detector.`);
  return answer.arrayBuffer();
}

/** Thresholds of one detector say nothing of another, nor of pictures that were prepared in another way. */
async function check(card, model) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const wrong = [
    [hash !== card.sha256["detector.onnx"], "card.json does not belong to this detector.onnx; copy both from one saved detector."],
    [card.canonicaliser !== CANONICALISER, "This detector was trained by another version of Telltale than this page."],
    [card.crop !== "centre", "This detector needs cropped faces, which this page cannot provide."],
  ].find(([is]) => is);
  if (wrong) throw new Unreadable(wrong[1]);
}

export function verdict({ real_below, generated_above }, probability) {
  if (probability >= generated_above) return "generated";
  return probability < real_below ? "real" : "can't tell";
}

async function judgeFile(file) {
  const request = ++turn;
  say("Judging…");
  part("error").hidden = part("result").hidden = true;
  try {
    const { card, judge } = await detector;
    const { pixels, picture } = await canonical(file, card.image_size);
    const probability = await judge(pixels);
    if (!Number.isFinite(probability)) throw new Unreadable("The detector did not return a number.");
    if (request === turn) show(card, file.name, picture, probability);
  } catch (error) {
    if (request === turn) fail(error);
  }
}

function show(card, name, picture, probability) {
  const band = card.calibration, said = verdict(band, probability);
  part("verdict").className = `banner ${COLOURS[said]}`;
  part("headline").textContent = WORDS[said];
  part("sentence").textContent =
    `Probability of generated: ${probability.toFixed(3)}. From ${band.generated_above.toFixed(3)} on the answer is ` +
    `generated, under ${band.real_below.toFixed(3)} photograph, between the two “can’t tell”.`;
  part("doubt").style.left = `${100 * band.real_below}%`;
  part("doubt").style.right = `${100 * (1 - band.generated_above)}%`;
  part("needle").style.left = `${100 * probability}%`;
  const canvas = part("picture");
  canvas.width = canvas.height = card.image_size;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  part("name").textContent = name || "the image";
  part("result").dataset.probability = probability;
  part("result").dataset.verdict = said;
  part("result").hidden = false;
  say(`Judged by ${card.name}, in this browser.`);
}

function fail(error) {
  const known = error instanceof Unreadable;
  if (!known) console.error(error);
  part("error").textContent = known ? error.message : `That failed: ${error.message}`;
  part("error").hidden = false;
  say("");
}

function say(words) {
  part("status").textContent = words;
}

function given(transfer) {
  return Array.from(transfer?.files ?? [])[0];
}

part("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) judgeFile(file);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("paste", (event) => given(event.clipboardData) && judgeFile(given(event.clipboardData)));
// On the whole page, because a picture that is dropped beside the field would replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  part("drop").classList.add("over");
});
document.addEventListener("dragleave", () => part("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  part("drop").classList.remove("over");
  const file = given(event.dataTransfer);
  if (file) judgeFile(file);
  else fail(new Unreadable("That is not a file; save the image, then drop or choose it."));
});

const detector = opened();
detector.then(({ card }) => {
  if (!turn) say(`${card.name} is ready.`);
  part("banner").textContent = card.banner;
  part("banner").hidden = !card.banner;
}, fail);

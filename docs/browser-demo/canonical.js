// The canonicaliser (data_collection/images/canonical.py) in a browser: centre square, Lanczos, and
// a JPEG at every quality of the detector's card. The resize equals Pillow's, bit for bit; the
// browser decodes and encodes JPEG.

export const MAX_PIXELS = 25_000_000;
export const MAX_BYTES = 200_000_000;
const MIN_SIDE_PX = 32; // side of the smallest square that is judged
const LANCZOS_SUPPORT = 3, WEIGHT_BITS = 22; // weights are integers in units of 1 / 2^22

const HEAD_BYTES = 256; // first bytes of a file that tell its format
const SAVE = "save it as JPEG or PNG";
const FORMATS = [ // by the first bytes as Latin-1; a format with advice is not opened
  { pattern: /^(?:\xff\xd8\xff|\x89PNG|BM|RIFF....WEBP)/s },
  { pattern: /^....ftyp(?:....){0,12}?avi[fs]/s, failure: "or this browser does not know AVIF" },
  { pattern: /^....ftyp(?:....){0,12}?(?:hei[cmsx]|hev[cx]|mif1|msf1)/s,
    advice: "Browsers do not open HEIC; save it as JPEG." },
  { pattern: /^(?:....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI )/s,
    advice: "Videos are not opened; save a picture of it as JPEG or PNG." },
  { pattern: /^GIF8/, advice: `GIF is not opened; ${SAVE}.` },
  { pattern: /^(?:II\*\0|MM\0\*)/, advice: `Browsers do not open TIFF; ${SAVE}.` },
  { pattern: /^%PDF/, advice: "PDF is not opened; save the picture in it as JPEG or PNG." },
  { pattern: /<svg[\s>]/i, advice: "SVG is not opened, as it holds a drawing; give a photograph." },
  { pattern: /^$/, advice: "This file is empty; choose another one." },
  { pattern: /^/, advice: "Not an image of a known format; give a JPEG, PNG, WebP, AVIF or BMP." },
];

/** An error that a person can fix; its message is a sentence. */
export class PlainError extends Error {}

/**
 * Return the canonical picture at every JPEG quality, as a bitmap, and its pixels, a Float32Array
 * of side x side x 3 values of 0 to 255.
 */
export async function canonicalise(file, side, qualities) {
  if (file.size > MAX_BYTES) {
    throw new PlainError(`This file is larger than ${MAX_BYTES / 1e6} MB.`);
  }
  const data = await file.arrayBuffer();
  const square = await decodeSquare(data);
  const resized = square.width === side ? square : resize(square, side);
  if (isFlat(resized)) throw new PlainError("This is one flat colour; there is nothing to judge.");
  return Promise.all(qualities.map(async (quality) => {
    const picture = await recompress(resized, quality);
    return { pixels: readPixels(picture, side), picture };
  }));
}

async function decodeSquare(data) {
  const head = String.fromCharCode(...new Uint8Array(data.slice(0, HEAD_BYTES)));
  const { advice, failure } = FORMATS.find(({ pattern }) => pattern.test(head));
  if (advice) throw new PlainError(advice);
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([data]), { imageOrientation: "from-image" });
  } catch {
    throw new PlainError(failure ? `This image is damaged, ${failure}; save it as JPEG.`
      : "This image is damaged: the browser cannot open it.");
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) {
    throw new PlainError(`This image is larger than ${MAX_PIXELS / 1e6} megapixels.`);
  }
  if (Math.max(width, height) > 20 * Math.min(width, height)) {
    throw new PlainError(`${width}x${height} pixels is a strip, not a face.`);
  }
  const side = Math.min(width, height);
  if (side < MIN_SIDE_PX) {
    throw new PlainError(`Its square has ${side} pixels a side, too few to judge.`);
  }
  const context = createContext(side, side);
  context.fillStyle = "rgb(128, 128, 128)"; // where the image is transparent
  context.fillRect(0, 0, side, side);
  context.drawImage(bitmap, -Math.floor((width - side) / 2), -Math.floor((height - side) / 2));
  return context.getImageData(0, 0, side, side);
}

/** Return whether the standard deviation of every channel is under 2. */
function isFlat({ data }) {
  return [0, 1, 2].every((channel) => {
    const count = data.length / 4;
    const values = Array.from({ length: count }, (_, index) => data[4 * index + channel]);
    const mean = values.reduce((a, b) => a + b, 0) / count;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count < 4;
  });
}

function createContext(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

/**
 * Resize with Pillow's Lanczos, which rounds after each of its two passes. A canvas' own resize is
 * another filter.
 */
function resize(image, side) {
  const weights = computeLanczosWeights(image.width, side);
  return resizeRows(resizeRows(image, weights), weights);
}

/** Resize along the rows and transpose; two such passes resize both ways. */
function resizeRows({ data, width, height }, weights) {
  const side = weights.length, out = new ImageData(height, side);
  for (let x = 0; x < side; x++) {
    const { start, values } = weights[x];
    for (let y = 0; y < height; y++) {
      let red = 2 ** (WEIGHT_BITS - 1), green = red, blue = red;
      for (let tap = 0, from = 4 * (y * width + start); tap < values.length; tap++, from += 4) {
        red += data[from] * values[tap];
        green += data[from + 1] * values[tap];
        blue += data[from + 2] * values[tap];
      }
      const pixel = [red >> WEIGHT_BITS, green >> WEIGHT_BITS, blue >> WEIGHT_BITS, 255];
      out.data.set(pixel, 4 * (x * height + y));
    }
  }
  return out;
}

/** Return for each output pixel where its taps start, and their weights in units of 1 / 2^22. */
function computeLanczosWeights(from, to) {
  const scale = from / to, stretch = Math.max(scale, 1), support = LANCZOS_SUPPORT * stretch;
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const exact = Array.from({ length: end - start }, (_, tap) =>
      lanczos((tap + start - centre + 0.5) / stretch));
    const sum = exact.reduce((a, b) => a + b, 0);
    const round = (value) =>
      Math.trunc((value / sum) * 2 ** WEIGHT_BITS + Math.sign(value) * 0.5);
    return { start, values: Int32Array.from(exact, round) };
  });
}

function lanczos(x) {
  return Math.abs(x) < LANCZOS_SUPPORT ? sinc(x) * sinc(x / LANCZOS_SUPPORT) : 0;
}

function sinc(x) {
  return x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
}

async function recompress(image, quality) {
  const context = createContext(image.width, image.height);
  context.putImageData(image, 0, 0);
  const jpeg = await context.canvas.convertToBlob({ type: "image/jpeg", quality: quality / 100 });
  return createImageBitmap(jpeg);
}

function readPixels(picture, side) {
  const context = createContext(side, side);
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  return Float32Array.from({ length: 3 * side * side }, (_, index) =>
    data[4 * Math.trunc(index / 3) + (index % 3)]);
}

// What data_collection/images/canonical.py does to a picture before a detector sees it, in a browser: centre square, Lanczos,
// and a JPEG whose quality the picture's own bytes decide. The resize is Pillow's and the drawn quality numpy's, to the bit;
// decoding and the JPEG are the browser's.

export const MAX_PIXELS = 25_000_000;
export const MAX_BYTES = 200_000_000;
const SMALLEST = 32; // side of the smallest square that is judged
const LOWEST_QUALITY = 60, QUALITIES = 36;
const SUPPORT = 3, PRECISION = 22; // of Lanczos, and the bits behind the point of its weights

const TIFF = "Browsers do not open TIFF; save it as JPEG or PNG.";
const FILM = "HEIC, AVIF and video files are not opened; save it as JPEG or PNG.";
const STARTS = [
  { name: "jpeg", bytes: [0xff, 0xd8, 0xff] },
  { name: "png", bytes: [0x89, 0x50, 0x4e, 0x47] },
  { name: "bmp", bytes: [0x42, 0x4d] },
  { name: "webp", bytes: [0x52, 0x49, 0x46, 0x46] },
  { name: "gif", bytes: [0x47, 0x49, 0x46, 0x38], why: "GIF is not opened; save it as JPEG or PNG." },
  { name: "tiff", bytes: [0x49, 0x49, 0x2a], why: TIFF },
  { name: "tiff", bytes: [0x4d, 0x4d, 0x00], why: TIFF },
  { name: "film", from: 4, bytes: [0x66, 0x74, 0x79, 0x70], why: FILM },
];

/** A file that is no picture, or none that is judged; its message is a sentence for people. */
export class Unreadable extends Error {}

/** Float32Array of side x side x 3 values of 0 to 255, and the canonical picture as a bitmap. */
export async function canonical(file, side) {
  if (file.size > MAX_BYTES) throw new Unreadable(`This file is larger than ${MAX_BYTES / 1e6} MB.`);
  const data = await file.arrayBuffer();
  const square = await decoded(data);
  const small = square.width === side ? square : resized(square, side);
  if (isFlat(small)) throw new Unreadable("This is one flat colour; there is nothing to judge.");
  const picture = await reencoded(small, await quality(data));
  return { pixels: rgb(picture, side), picture };
}

async function decoded(data) {
  const head = new Uint8Array(data, 0, Math.min(12, data.byteLength));
  const kind = STARTS.find(({ bytes, from = 0 }) => bytes.every((byte, place) => head[from + place] === byte));
  if (!kind) throw new Unreadable("This is no picture of a known format; give a JPEG, PNG, WebP or BMP.");
  if (kind.why) throw new Unreadable(kind.why);
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([data]), { imageOrientation: "from-image" });
  } catch {
    throw new Unreadable("This picture is damaged: the browser cannot open it.");
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new Unreadable(`This picture is larger than ${MAX_PIXELS / 1e6} megapixels.`);
  if (Math.max(width, height) > 20 * Math.min(width, height)) {
    throw new Unreadable(`${width}x${height} pixels is a strip, not a face.`);
  }
  const side = Math.min(width, height);
  if (side < SMALLEST) throw new Unreadable(`Its square has ${side} pixels a side, too few to judge.`);
  const context = canvas(side, side);
  context.fillStyle = "rgb(128, 128, 128)"; // where the picture is transparent
  context.fillRect(0, 0, side, side);
  context.drawImage(bitmap, -Math.floor((width - side) / 2), -Math.floor((height - side) / 2));
  return context.getImageData(0, 0, side, side);
}

/** Whether no channel's standard deviation reaches 2. */
function isFlat({ data }) {
  return [0, 1, 2].every((channel) => {
    const values = Array.from({ length: data.length / 4 }, (_, place) => data[4 * place + channel]);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length < 4;
  });
}

function canvas(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

/** Pillow's Lanczos, with its rounding after each of the two passes. A canvas' own resize is another filter. */
function resized(image, side) {
  const weights = lanczos(image.width, side);
  return pass(pass(image, weights), weights);
}

/** One pass along rows that also transposes: two of them resize both ways. */
function pass({ data, width, height }, weights) {
  const side = weights.length, out = new ImageData(height, side);
  for (let x = 0; x < side; x++) {
    const { start, parts } = weights[x];
    for (let y = 0; y < height; y++) {
      let red = 2 ** (PRECISION - 1), green = red, blue = red;
      for (let tap = 0, from = 4 * (y * width + start); tap < parts.length; tap++, from += 4) {
        red += data[from] * parts[tap];
        green += data[from + 1] * parts[tap];
        blue += data[from + 2] * parts[tap];
      }
      out.data.set([red >> PRECISION, green >> PRECISION, blue >> PRECISION, 255], 4 * (x * height + y));
    }
  }
  return out;
}

/** For each output pixel where its taps start, and their weights in units of 1 / 2^22. */
function lanczos(from, to) {
  const scale = from / to, stretch = Math.max(scale, 1), support = SUPPORT * stretch;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const values = Array.from({ length: end - start }, (_, tap) => kernel((tap + start - centre + 0.5) / stretch));
    const sum = values.reduce((a, b) => a + b, 0);
    const rounded = (value) => Math.trunc((value / sum) * 2 ** PRECISION + Math.sign(value) * 0.5);
    return { start, parts: Int32Array.from(values, rounded) };
  });
}

function kernel(x) {
  return Math.abs(x) < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0;
}

function sinc(x) {
  return x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
}

async function reencoded(image, quality) {
  const context = canvas(image.width, image.height);
  context.putImageData(image, 0, 0);
  const jpeg = await context.canvas.convertToBlob({ type: "image/jpeg", quality: quality / 100 });
  return createImageBitmap(jpeg);
}

function rgb(picture, side) {
  const context = canvas(side, side);
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  return Float32Array.from({ length: 3 * side * side }, (_, place) => data[4 * Math.trunc(place / 3) + (place % 3)]);
}

/** The quality of view 0, which the canonicaliser draws from U(60, 95) with the SHA-256 of the file as its seed. */
export async function quality(data) {
  const id = hex(await crypto.subtle.digest("SHA-256", data));
  const seed = BigInt("0x" + hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${id}:0`))).slice(0, 16));
  return LOWEST_QUALITY + integer(seed, QUALITIES);
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** numpy.random.default_rng(seed).integers(count), for a seed under 2^64: SeedSequence, PCG64, Lemire's bounded draw. */
function integer(seed, count) {
  const words = seedWords([Number(seed & 0xffffffffn), Number(seed >> 32n)]);
  const long = (place) => BigInt(words[place]) | (BigInt(words[place + 1]) << 32n);
  const wide = (place) => (long(place) << 64n) | long(place + 2);
  const mask = (1n << 128n) - 1n, step = ((wide(4) << 1n) | 1n) & mask;
  const next = (state) => (state * 0x2360ed051fc65da44385df649fccf645n + step) & mask;
  let state = next((step + wide(0)) & mask);
  for (;;) {
    state = next(state);
    const folded = (state >> 64n) ^ (state & 0xffffffffffffffffn), turn = state >> 122n;
    const drawn = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    for (const half of [drawn & 0xffffffffn, drawn >> 32n]) {
      const product = half * BigInt(count);
      if ((product & 0xffffffffn) >= (1n << 32n) % BigInt(count)) return Number(product >> 32n);
    }
  }
}

/** Eight 32-bit words of numpy's SeedSequence. */
function seedWords(entropy) {
  const hasher = (start, factor) => (value) => {
    value ^= start;
    start = Math.imul(start, factor);
    value = Math.imul(value, start);
    return value ^ (value >>> 16);
  };
  const hash = hasher(0x43b0d7e5, 0x931e8875), last = hasher(0x8b51f9dd, 0x58f38ded);
  const pool = [0, 1, 2, 3].map((place) => hash(entropy[place] ?? 0));
  for (const from of pool.keys()) {
    for (const to of pool.keys()) {
      if (from === to) continue;
      const mixed = Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hash(pool[from]));
      pool[to] = (mixed | 0) ^ ((mixed | 0) >>> 16);
    }
  }
  return Array.from({ length: 8 }, (_, place) => last(pool[place % 4]) >>> 0);
}

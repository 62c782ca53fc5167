// What the page carries: the run, the engine and the policy.

const CORRUPT = "This page is damaged: a part of it cannot be read. Make or download it again.";
const OLD = "This browser has no WebAssembly with SIMD, or cannot unpack data. "
  + "Use Firefox 113, Chrome 91, Safari 16.4 or later.";

// A module of one function that makes a vector: valid only where there is SIMD.
const SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1,
  8, 0, 65, 0, 253, 15, 253, 98, 11);

export function requireBrowser() {
  const able = typeof WebAssembly === "object" && typeof DecompressionStream === "function"
    && WebAssembly.validate(SIMD);
  if (!able) {
    throw new Error(OLD);
  }
}

function textOf(id) {
  return document.getElementById(id).textContent;
}

export function runOf() {
  try {
    return JSON.parse(textOf("run"));
  } catch {
    throw new Error(CORRUPT);
  }
}

// Of a text with 7 bits a character.
function bytesOf(text) {
  const bytes = new Uint8Array(Math.floor(7 * text.length / 8));
  let [at, bits, word] = [0, 0, 0];
  for (let index = 0; index < text.length; index += 1) {
    word = (word << 7 | text.charCodeAt(index) & 127) & 0x7fff;
    bits += 7;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = word >> bits;
      at += 1;
    }
  }
  return bytes;
}

async function unpacked(id) {
  try {
    const packed = bytesOf(textOf(id));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(CORRUPT);
  }
}

// Compiled once for both threads.
export async function compiledModule() {
  const bytes = await unpacked("engine");
  try {
    return await WebAssembly.compile(bytes);
  } catch {
    throw new Error(CORRUPT);
  }
}

// Its words of 4 bytes come as all first bytes, all second ones, and so on; or, where there are
// `rows`, the matrices of these names as numbers of a byte and a scale for each row.
export async function policyBytes({ rows }) {
  const packed = await unpacked("policy");
  try {
    return rows ? fromRows(packed, new Set(rows)) : fromPlanes(packed);
  } catch {
    throw new Error(CORRUPT);
  }
}

function fromPlanes(planes) {
  const bytes = new Uint8Array(planes.length);
  const words = planes.length / 4;
  for (let word = 0; word < words; word += 1) {
    for (let place = 0; place < 4; place += 1) {
      bytes[4 * word + place] = planes[place * words + word];
    }
  }
  const { data, tensors } = headerOf(bytes);
  return bytes.subarray(0, data + endOf(tensors));
}

function fromRows(packed, names) {
  const { data, tensors } = headerOf(packed);
  const bytes = new Uint8Array(data + endOf(tensors));
  bytes.set(packed.subarray(0, data));
  let at = data;
  const take = (length) => packed.slice(at, at += length);
  tensors.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  for (const [name, { shape, data_offsets: [begin, end] }] of tensors) {
    if (!names.has(name)) {
      bytes.set(take(end - begin), data + begin);
      continue;
    }
    const scales = new Float32Array(take(4 * shape[0]).buffer);
    const count = (end - begin) / 4;
    const numbers = new Int8Array(take(count).buffer);
    const values = new Float32Array(count);
    values.forEach((_, index) => {
      values[index] = numbers[index] * scales[Math.floor(index * shape[0] / count)];
    });
    bytes.set(new Uint8Array(values.buffer), data + begin);
  }
  return bytes;
}

// A file of tensors: the length of its header, and what that says of them by name.
function headerOf(bytes) {
  const data = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, data)));
  return { data, tensors: Object.entries(header).filter(([name]) => name !== "__metadata__") };
}

function endOf(tensors) {
  return Math.max(0, ...tensors.map(([, tensor]) => tensor.data_offsets[1]));
}

export function workerSource() {
  return textOf("worker");
}

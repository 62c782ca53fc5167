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

async function unpacked(id) {
  try {
    const packed = Uint8Array.from(atob(textOf(id).trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(CORRUPT);
  }
}

export function moduleBytes() {
  return unpacked("engine");
}

// Its words of 4 bytes come as all first bytes, all second ones, and so on.
export async function policyBytes() {
  const planes = await unpacked("policy");
  const bytes = new Uint8Array(planes.length);
  const words = planes.length / 4;
  for (let word = 0; word < words; word += 1) {
    for (let place = 0; place < 4; place += 1) {
      bytes[4 * word + place] = planes[place * words + word];
    }
  }
  return bytes.subarray(0, lengthOf(bytes));
}

// A file of tensors: the length of its header, the header, and as many bytes as that says.
function lengthOf(bytes) {
  const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const tensors = JSON.parse(new TextDecoder().decode(bytes.subarray(8, header)));
  const ends = Object.entries(tensors)
    .filter(([name]) => name !== "__metadata__").map(([, tensor]) => tensor.data_offsets[1]);
  return header + Math.max(0, ...ends);
}

export function workerSource() {
  return textOf("worker");
}

// Arrays in numpy's files, read and written. Nothing is unpickled: arrays of objects are refused.

const MAGIC = "\x93NUMPY";
const TYPES = {
  "|b1": Uint8Array, "|u1": Uint8Array, "|i1": Int8Array, "<u2": Uint16Array, "<i2": Int16Array, "<u4": Uint32Array,
  "<i4": Int32Array, "<u8": BigUint64Array, "<i8": BigInt64Array, "<f4": Float32Array, "<f8": Float64Array,
};

/** {shape, data} of an npy: a typed array of numbers, the last axis fastest. */
export function readNpy(buffer) {
  const view = new DataView(buffer);
  if (!isNpy(buffer)) throw new Error("is no npy file");
  const long = view.getUint8(6) > 1;
  const start = long ? 12 : 10;
  const size = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, start, size));
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const Numbers = TYPES[type];
  if (!Numbers) throw new Error(`holds ${type ?? "fields with names"}, give real numbers such as float32 or uint8`);
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").map((part) => part.trim()).filter(Boolean).map(Number);
  const count = shape.reduce((product, length) => product * length, 1);
  const from = start + size;
  if (buffer.byteLength < from + count * Numbers.BYTES_PER_ELEMENT) throw new Error("ends too early");
  // Copied, since a typed array must begin at a multiple of its numbers' size.
  let data = new Numbers(buffer.slice(from, from + count * Numbers.BYTES_PER_ELEMENT));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data = Float64Array.from(data, Number);
  return { shape, data: /'fortran_order':\s*True/.test(header) ? lastAxisFastest(data, shape) : data };
}

/** Whether bytes begin as an npy does. */
export function isNpy(buffer) {
  return String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(6, buffer.byteLength))) === MAGIC;
}

/** Blob of an npy. data: Uint8Array or Float32Array, the last axis fastest. */
export function npyBlob(data, shape) {
  const type = data instanceof Uint8Array ? "|u1" : "<f4";
  const words = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const size = Math.ceil((10 + words.length + 1) / 64) * 64 - 10;
  const head = new Uint8Array(10 + size).fill(32);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, size & 255, size >> 8]);
  head.set(new TextEncoder().encode(words), 10);
  head[head.length - 1] = 10;
  return new Blob([head, data], { type: "application/x-npy" });
}

function lastAxisFastest(data, shape) {
  const turned = new data.constructor(data.length);
  const place = shape.map(() => 0);
  for (let index = 0; index < data.length; index++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + place[axis];
    turned[index] = data[from];
    for (let axis = shape.length - 1; axis >= 0 && ++place[axis] === shape[axis]; axis--) place[axis] = 0;
  }
  return turned;
}

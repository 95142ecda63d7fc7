// The safetensors file format: a length, a JSON header, raw little-endian data. The reader checks everything that header
// and size can tell and then reads tensors, or parts of them, by range; the writer streams, so that no file lies in
// memory whole, and gives the same bytes for the same contents. Refuses to repair or to guess; damage inside the data
// shows only against a checksum (lib/run/checkpoint.ts). Assumes a little-endian machine. Importable by all; imports
// lib/base only. Format: https://github.com/huggingface/safetensors#format

import { bf16ToFloat } from "./dtype.ts";
import { InternalError, messageOf, RunError, UserError } from "./errors.ts";
import { elementCount, formatShape, type Shape } from "./shape.ts";

/** Element types that are read and written, as the format spells them. */
export type StoredType = "F64" | "F32" | "BF16" | "I64" | "I32" | "U32" | "U16";

const BYTES: Record<StoredType, number> = { F64: 8, F32: 4, BF16: 2, I64: 8, I32: 4, U32: 4, U16: 2 };

/** The format's own limit on the header's length. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
/** The header is padded so that the data starts at a multiple of this. */
const ALIGNMENT = 8;
/** Bytes moved at a time when writing: large enough for the disk, small beside any model. */
const CHUNK_BYTES = 4 << 20;

/** A tensor in a file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: Shape;
}

/** A tensor's place: `start` counts bytes from the start of the file's data. */
export interface TensorPlace extends StoredTensor {
  readonly start: number;
  readonly bytes: number;
}

/** Free text beside the tensors. */
export type Metadata = Readonly<Record<string, string>>;

/** A tensor as it lies in the file; bfloat16 as its 16-bit words. */
export type RawTensor = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | BigInt64Array;

/** Bytes that a tensor takes. */
export function storedBytes(tensor: StoredTensor): number {
  return elementCount(tensor.shape) * BYTES[tensor.dtype];
}

// ---- writing ----

/** The bytes before the data, for tensors in this order. InternalError for a name that is given twice. */
export function encodeHeader(tensors: readonly StoredTensor[], metadata: Metadata = {}): Uint8Array {
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set("__metadata__", metadata);
  let start = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (header.has(name) || name === "__metadata__") {
      throw new InternalError(`tensor ${name} twice in one safetensors file`);
    }
    const end = start + storedBytes(tensor);
    header.set(name, { dtype, shape, data_offsets: [start, end] });
    start = end;
  }
  // Pair by pair: an object would move names that look like numbers to its front.
  const pairs = [...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${pairs.join(",")}}`);
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** Copies a tensor's bytes from byte `offset` on into `target`, all of it. */
export type TensorSource = (offset: number, target: Uint8Array) => void;

/** Sends a whole file to `sink` in order, a few megabytes at a time; `sink` must be done with them on return. */
export function writeSafetensors(
  tensors: readonly (StoredTensor & { readonly read: TensorSource })[],
  sink: (bytes: Uint8Array) => void,
  metadata: Metadata = {},
): void {
  sink(encodeHeader(tensors, metadata));
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const tensor of tensors) {
    const bytes = storedBytes(tensor);
    for (let offset = 0; offset < bytes; offset += CHUNK_BYTES) {
      const part = buffer.subarray(0, Math.min(CHUNK_BYTES, bytes - offset));
      tensor.read(offset, part);
      sink(part);
    }
  }
}

// ---- reading ----

/** Opens a file after checking header and size; every fault of the file is a UserError that names it. */
export function openSafetensors(path: string): SafetensorsFile {
  let file: Deno.FsFile;
  let size: number;
  try {
    const info = Deno.statSync(path); // before opening: opening a pipe would wait for its other end
    if (!info.isFile) {
      const found = info.isDirectory ? "a folder" : "not a regular file";
      throw new UserError(`Cannot read ${path}: it is ${found}, expected a safetensors file`);
    }
    file = Deno.openSync(path, { read: true });
    size = file.statSync().size;
  } catch (error) {
    throw error instanceof UserError ? error : openProblem(path, error);
  }
  try {
    return new SafetensorsFile(path, file, size);
  } catch (error) {
    file.close();
    throw error;
  }
}

function openProblem(path: string, error: unknown): UserError {
  if (error instanceof Deno.errors.NotFound) {
    return new UserError(`Cannot read ${path}: it does not exist; check the path`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new UserError(`Cannot read ${path}: permission denied; make it readable for this user`);
  }
  return new UserError(`Cannot read ${path}: ${messageOf(error)}`);
}

/** An open file: tensors by name, in the file's order. Close it after use. */
export class SafetensorsFile implements Disposable {
  readonly path: string;
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  readonly #file: Deno.FsFile;
  readonly #dataStart: number;

  /** For openSafetensors() only. Throws a UserError for whatever is wrong with the file; does not close it then. */
  constructor(path: string, file: Deno.FsFile, size: number) {
    this.path = path;
    this.#file = file;
    const length = this.#headerLength(size);
    this.#dataStart = LENGTH_BYTES + length;
    const bytes = new Uint8Array(length);
    this.#readAt(LENGTH_BYTES, bytes);
    const { tensors, metadata } = parseHeader(path, bytes, size - this.#dataStart);
    this.tensors = tensors;
    this.metadata = metadata;
  }

  #headerLength(size: number): number {
    const wrong = (found: string) =>
      new UserError(
        `${this.path} is not a safetensors file: ${found}; check the path or make the file again`,
      );
    if (size < LENGTH_BYTES) throw wrong(size === 0 ? "it is empty" : `it has only ${size} bytes`);
    const word = new Uint8Array(LENGTH_BYTES);
    this.#readAt(0, word);
    const length = new DataView(word.buffer).getBigUint64(0, true);
    if (length > MAX_HEADER_BYTES) {
      throw wrong(`it states a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are allowed`);
    }
    if (LENGTH_BYTES + Number(length) > size) {
      throw wrong(`it states a header of ${length} bytes, the whole file has ${size} (cut short?)`);
    }
    return Number(length);
  }

  #readAt(position: number, target: Uint8Array): void {
    let done = 0;
    try {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      while (done < target.length) {
        const got = this.#file.readSync(target.subarray(done));
        if (got === null) break;
        done += got;
      }
    } catch (error) {
      throw new RunError(`Reading ${this.path} failed at byte ${position + done}: ${messageOf(error)}`);
    }
    if (done < target.length) {
      throw new UserError(
        `${this.path} became shorter while it was read: it ends at byte ${position + done}`,
      );
    }
  }

  /** A tensor's place; UserError when the file has none of that name. */
  place(name: string): TensorPlace {
    const place = this.tensors.get(name);
    if (place === undefined) {
      throw new UserError(`${this.path} has no tensor ${name}; it holds ${this.tensors.size} others`);
    }
    return place;
  }

  /** Fills `target` with a tensor's bytes from byte `offset` on. */
  readInto(name: string, offset: number, target: Uint8Array): void {
    const { start, bytes } = this.place(name);
    if (!(offset >= 0 && offset + target.length <= bytes)) {
      throw new InternalError(`read of ${target.length} bytes at ${offset} of ${name}, which has ${bytes}`);
    }
    this.#readAt(this.#dataStart + start + offset, target);
  }

  /** A whole tensor as it lies in the file, row-major. */
  read(name: string): RawTensor {
    const { dtype, bytes } = this.place(name);
    const data = new ArrayBuffer(bytes);
    this.readInto(name, 0, new Uint8Array(data));
    return view(dtype, data);
  }

  /** A whole tensor as numbers: bfloat16 widened; UserError for a 64-bit integer that no number holds exactly. */
  numbers(name: string): ArrayLike<number> {
    const raw = this.read(name);
    if (raw instanceof BigInt64Array) {
      const numbers = Float64Array.from(raw, Number);
      if (numbers.every(Number.isSafeInteger)) return numbers;
      throw new UserError(`Tensor ${name} of ${this.path} holds integers beyond 2^53`);
    }
    return this.place(name).dtype === "BF16" ? Float32Array.from(raw, bf16ToFloat) : raw;
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function view(dtype: StoredType, data: ArrayBuffer): RawTensor {
  switch (dtype) {
    case "F64":
      return new Float64Array(data);
    case "F32":
      return new Float32Array(data);
    case "I64":
      return new BigInt64Array(data);
    case "I32":
      return new Int32Array(data);
    case "U32":
      return new Uint32Array(data);
    case "BF16":
    case "U16":
      return new Uint16Array(data);
  }
  dtype satisfies never;
}

// ---- the header ----

interface Header {
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  readonly metadata: Metadata;
}

/** Header text to places; the places must cover the `dataBytes` of the file without holes and overlaps. */
function parseHeader(path: string, bytes: Uint8Array, dataBytes: number): Header {
  const damaged = (found: string) =>
    new UserError(`${path} has a damaged safetensors header: ${found}; fetch or make the file again`);
  const header = parseJson(bytes, damaged);
  const metadata: Record<string, string> = {};
  const places: TensorPlace[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") {
      places.push(parsePlace(name, value, damaged));
      continue;
    }
    if (!isRecord(value)) throw damaged("its metadata is no object");
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== "string") throw damaged(`metadata ${key} is no text`);
      metadata[key] = text;
    }
  }
  checkCover(places, dataBytes, damaged);
  return { tensors: new Map(places.map((place) => [place.name, place])), metadata };
}

type Damaged = (found: string) => UserError;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(bytes: Uint8Array, damaged: Damaged): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(messageOf(error));
  }
  if (!isRecord(header)) throw damaged("it is no JSON object");
  return header;
}

function parsePlace(name: string, value: unknown, damaged: Damaged): TensorPlace {
  if (!isRecord(value)) throw damaged(`tensor ${name} is no object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isStoredType(dtype)) {
    throw damaged(
      `tensor ${name} has type ${JSON.stringify(dtype)}, expected one of ${Object.keys(BYTES).join(", ")}`,
    );
  }
  if (!isCounts(shape)) throw damaged(`tensor ${name} has shape ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw damaged(`tensor ${name} has data_offsets ${JSON.stringify(offsets)}`);
  }
  const [start = 0, end = 0] = offsets;
  const bytes = storedBytes({ name, dtype, shape });
  if (bytes !== end - start) {
    const size = `${dtype} of shape ${formatShape(shape)} takes ${bytes} bytes`;
    throw damaged(`tensor ${name}, ${size}, lies at bytes ${start} to ${end}`);
  }
  return { name, dtype, shape, start, bytes };
}

function isStoredType(value: unknown): value is StoredType {
  return typeof value === "string" && Object.hasOwn(BYTES, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function checkCover(places: readonly TensorPlace[], dataBytes: number, damaged: Damaged): void {
  let covered = 0;
  for (const { name, start, bytes } of places.toSorted((a, b) => a.start - b.start || a.bytes - b.bytes)) {
    if (start !== covered) throw damaged(`tensor ${name} starts at byte ${start}, expected ${covered}`);
    covered += bytes;
  }
  if (covered === dataBytes) return;
  const which = dataBytes < covered ? "cut short" : "too long";
  throw damaged(`its tensors take ${covered} bytes, the file holds ${dataBytes} (${which})`);
}

// The CPU device: one native context (thread pool, scratch, instruction set) and kernel calls over its memory.
// Computes nothing in TypeScript and chooses no kernel: the context does. Refuses memory of another device and calls
// with a wrong number of arguments. May import lib/base, the device interface, the native loader and its symbols.

import { InternalError, RunError, UserError } from "../lib/base/errors.ts";
import type { Device, DeviceDescription, DeviceMemory, DevicePeak, TensorRef } from "./device.ts";
import { addressOf, type NativeArg, type NativeLibrary, openLibrary, textIn } from "./native.ts";
import { NANOGPT_INTERNAL, SYMBOLS } from "./symbols.ts";

/** Instruction sets by rising ability, in the order of the codes of kernels/abi.h. */
export const ISA_NAMES = ["auto", "portable", "avx2", "avx512", "avx512bf16", "amx"] as const;
export type IsaName = typeof ISA_NAMES[number];

/** How to open the CPU device. */
export interface CpuOptions {
  readonly library: string | URL;
  /** Threads of the pool; 0 = all cores this process may use. */
  readonly threads: number;
  /** Whether threads are bound to cores. */
  readonly pin: boolean;
  readonly isa: IsaName;
}

/** The instruction set that NANOGPT_ISA names; "auto" where it is not set. */
export function parseIsa(text: string | undefined): IsaName {
  if (text === undefined) return "auto";
  const found = ISA_NAMES.find((name) => name === text);
  if (found) return found;
  throw new UserError(`NANOGPT_ISA is "${text}", expected one of ${ISA_NAMES.join(", ")}`);
}

class CpuMemory implements DeviceMemory {
  readonly bytes: number;
  readonly address: bigint;
  #view: Uint8Array | undefined;
  readonly #release: () => void;

  constructor(bytes: number, address: bigint, release: () => void) {
    this.bytes = bytes;
    this.address = address;
    this.#release = release;
    const pointer = Deno.UnsafePointer.create(address);
    if (pointer === null) throw new InternalError("The kernel library gave a null address");
    this.#view = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, bytes));
  }

  upload(offset: number, data: Uint8Array): void {
    this.#bytes().set(data, offset);
  }

  download(offset: number, target: Uint8Array): void {
    target.set(this.#bytes().subarray(offset, offset + target.length));
  }

  free(): void {
    if (!this.#view) return;
    this.#view = undefined;
    this.#release();
  }

  #bytes(): Uint8Array {
    if (!this.#view) throw new InternalError("Device memory is used after it was freed");
    return this.#view;
  }
}

/** Runs kernels on this machine's processor. */
export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly #library: NativeLibrary;
  readonly #context: bigint;
  #closed = false;

  constructor(options: CpuOptions) {
    this.#library = openLibrary(options.library);
    const context = new BigUint64Array(1);
    const text = new Uint8Array(256);
    const create = this.#library.functionOf("nanogpt_context_create");
    const isa = ISA_NAMES.indexOf(options.isa);
    const status = create(addressOf(context), addressOf(text), options.threads, isa, options.pin ? 1 : 0);
    if (status !== 0) {
      this.#library.close();
      throw new UserError(`Could not start the cpu device: ${textIn(text)}`);
    }
    this.#context = context[0] ?? 0n;
  }

  describe(): DeviceDescription {
    const text = new Uint8Array(4096);
    this.#check("nanogpt_describe", this.#call("nanogpt_describe", addressOf(text), text.length));
    const found = parseDescription(textIn(text));
    return { kind: "cpu", ...found };
  }

  allocate(bytes: number): DeviceMemory {
    const address = new BigUint64Array(1);
    this.#check("nanogpt_alloc", this.#call("nanogpt_alloc", addressOf(address), bytes));
    const found = address[0] ?? 0n;
    return new CpuMemory(bytes, found, () => this.#call("nanogpt_free", found, bytes));
  }

  bind(
    symbol: string,
    memory: DeviceMemory,
    tensors: readonly TensorRef[],
    args: readonly number[],
  ): () => void {
    if (!(memory instanceof CpuMemory)) throw new InternalError("The memory is another device's");
    const addresses = tensors.map((tensor) => memory.address + BigInt(tensor.offset));
    const encoded: NativeArg[] = [this.#context, ...addresses, ...args];
    checkArguments(symbol, encoded);
    const call = this.#library.functionOf(symbol);
    return () => {
      const status = call(...encoded);
      if (status !== 0) this.#check(symbol, status);
    };
  }

  measurePeak(): DevicePeak {
    const out = new Float64Array(3);
    this.#check("nanogpt_measure_peak", this.#call("nanogpt_measure_peak", addressOf(out)));
    const [f32FlopsPerSecond = NaN, bf16FlopsPerSecond = NaN, bytesPerSecond = NaN] = out;
    return { f32FlopsPerSecond, bf16FlopsPerSecond, bytesPerSecond };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#call("nanogpt_context_destroy");
    this.#library.close();
  }

  #call(symbol: string, ...args: NativeArg[]): number {
    return this.#library.functionOf(symbol)(this.#context, ...args);
  }

  #check(symbol: string, status: number): void {
    if (status === 0) return;
    const text = new Uint8Array(1024);
    this.#call("nanogpt_last_error", addressOf(text), text.length);
    const message = textIn(text) || `${symbol} failed with status ${status}`;
    throw status === NANOGPT_INTERNAL ? new InternalError(message) : new RunError(message);
  }
}

/** Refuses arguments that do not fit the parameters of `symbol`: the call itself would cut a whole number to its type. */
function checkArguments(symbol: string, values: readonly NativeArg[]): void {
  const found = Object.entries(SYMBOLS).find(([name]) => name === symbol);
  if (!found) throw new InternalError(`kernels/abi.h has no function ${symbol}`);
  const types: readonly string[] = found[1].parameters;
  if (values.length !== types.length) {
    throw new InternalError(`${symbol} takes ${types.length} arguments, the op table gives ${values.length}`);
  }
  for (const [i, type] of types.entries()) {
    const value = values[i];
    if (type !== "u32" || (typeof value === "number" && value === value >>> 0)) continue;
    const wanted = "a whole number from 0 to 4294967295";
    throw new InternalError(
      `${symbol}: argument ${i + 1} of ${types.length} is ${value}, expected ${wanted}`,
    );
  }
}

function parseDescription(text: string): Omit<DeviceDescription, "kind"> {
  const found: unknown = JSON.parse(text);
  if (typeof found !== "object" || found === null) throw new InternalError(`Device description: ${text}`);
  const field = (key: string): unknown => Object.entries(found).find(([name]) => name === key)?.[1];
  const [machine, isa, threads, available] = ["machine", "isa", "threads", "available"].map(field);
  if (
    typeof machine !== "string" || typeof isa !== "string" || typeof threads !== "number" ||
    !Array.isArray(available)
  ) {
    throw new InternalError(`Device description lacks a field: ${text}`);
  }
  return { machine, isa, threads, available: available.map(String), simulated: field("simulated") === true };
}

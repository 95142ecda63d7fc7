// A device over a kernel library: one native context and kernel calls whose arguments are encoded once. Computes nothing
// in TypeScript and chooses no kernel. Refuses memory of another device and calls with a wrong number of arguments. What
// memory is, is the subclass's affair: cpu.ts and cuda.ts. May import lib/base, the device interface, the native loader and
// its symbols.

import { InternalError, RunError, UserError } from "../lib/base/errors.ts";
import type { Device, DeviceDescription, DeviceKind, DeviceMemory, DevicePeak, TensorRef } from "./device.ts";
import { addressOf, type NativeArg, type NativeLibrary, openLibrary, textIn } from "./native.ts";
import {
  NANOGPT_CREATE_ERROR_BYTES,
  NANOGPT_GROUP_ID_BYTES,
  NANOGPT_INTERNAL,
  NANOGPT_UNSUPPORTED,
  SYMBOLS,
} from "./symbols.ts";

/** The make target that builds the library of each native device. */
export const MADE_BY = { cpu: "kernels", cuda: "cuda", emulated: "emulated" } as const;

/** Room for an error's text: a deadlock of emulated kernels names every waiting thread. */
const ERROR_BYTES = 16384;

/** This machine has no such device: no driver, no GPU, or none that the library's kernels run on. */
export class NoDevice extends UserError {}

/** What to throw when a library has told, by a status and a text, why there is no device. */
export function notStarted(kind: keyof typeof MADE_BY, status: number, why: string): UserError {
  const message = `Could not start the ${kind} device: ${why}`;
  return status === NANOGPT_UNSUPPORTED ? new NoDevice(message) : new UserError(message);
}

/** What a context is made with; the instruction set by its code in kernels/abi.h. */
export interface ContextSettings {
  readonly threads: number;
  readonly isa: number;
  readonly pin: boolean;
  /** Which GPU; 0 on a cpu. */
  readonly ordinal: number;
}

/** What NANOGPT_ISA names among the instruction sets of a device; "auto" where it is not set. */
export function parseIsaOf<T extends string>(
  text: string | undefined,
  names: readonly T[],
  device: DeviceKind,
): T | "auto" {
  const found = names.find((name) => name === text);
  if (found !== undefined || text === undefined) return found ?? "auto";
  throw new UserError(
    `NANOGPT_ISA is "${text}", expected one of ${names.join(", ")} on the ${device} device`,
  );
}

/** Memory of a context, at an address that its kernels know. */
export interface NativeMemory extends DeviceMemory {
  readonly address: bigint;
}

/** Makes the kernels' functions callable: throws what a status says. */
export type NativeCall = (symbol: string, ...args: NativeArg[]) => void;

/** Runs kernels of one library in one context. */
export abstract class NativeDevice implements Device {
  abstract readonly kind: DeviceKind;
  readonly #library: NativeLibrary;
  readonly #context: bigint;
  readonly #addresses = new WeakMap<DeviceMemory, bigint>();
  #closed = false;

  constructor(
    library: string | URL,
    what: keyof typeof MADE_BY,
    { threads, isa, pin, ordinal }: ContextSettings,
  ) {
    this.#library = openLibrary(library, MADE_BY[what]);
    const context = new BigUint64Array(1);
    const text = new Uint8Array(NANOGPT_CREATE_ERROR_BYTES);
    const create = this.#library.functionOf("nanogpt_context_create");
    const status = create(addressOf(context), addressOf(text), threads, isa, pin ? 1 : 0, ordinal);
    if (status !== 0) {
      this.#library.close();
      throw notStarted(what, status, textIn(text));
    }
    this.#context = context[0] ?? 0n;
  }

  /** The memory at an address that nanogpt_alloc gave; `release` gives it back. */
  protected abstract memoryAt(bytes: number, address: bigint, release: () => void): NativeMemory;

  /** Calls a function of the ABI in this context; throws when it refuses. */
  protected readonly native: NativeCall = (symbol, ...args) =>
    this.#check(symbol, this.#call(symbol, ...args));

  /** The same, but whether the library can do it at all: false where it cannot. */
  protected supports(symbol: string, ...args: NativeArg[]): boolean {
    const status = this.#call(symbol, ...args);
    if (status === NANOGPT_UNSUPPORTED) return false;
    this.#check(symbol, status);
    return true;
  }

  describe(): DeviceDescription {
    const text = new Uint8Array(4096);
    this.#check("nanogpt_describe", this.#call("nanogpt_describe", addressOf(text), text.length));
    const found = parseDescription(textIn(text));
    return { kind: this.kind, ...found };
  }

  allocate(bytes: number): DeviceMemory {
    const address = new BigUint64Array(1);
    this.#check("nanogpt_alloc", this.#call("nanogpt_alloc", addressOf(address), bytes));
    const found = address[0] ?? 0n;
    const memory = this.memoryAt(bytes, found, () => this.#call("nanogpt_free", found, bytes));
    this.#addresses.set(memory, memory.address);
    return memory;
  }

  bind(
    symbol: string,
    memory: DeviceMemory,
    tensors: readonly TensorRef[],
    args: readonly number[],
  ): () => void {
    const base = this.#addresses.get(memory);
    if (base === undefined) throw new InternalError("The memory is another device's");
    const addresses = tensors.map((tensor) => base + BigInt(tensor.offset));
    const encoded: NativeArg[] = [this.#context, ...addresses, ...args];
    checkArguments(symbol, encoded);
    const call = this.#library.functionOf(symbol);
    return () => {
      const status = call(...encoded);
      if (status !== 0) this.#check(symbol, status);
    };
  }

  /** Waits for all enqueued work; throws what went wrong in it. */
  sync(): void {
    this.native("nanogpt_sync");
  }

  groupId(ranks: number): Uint8Array<ArrayBuffer> {
    const id = new Uint8Array(NANOGPT_GROUP_ID_BYTES);
    this.native("nanogpt_group_id", addressOf(id), ranks);
    return id;
  }

  joinGroup(id: Uint8Array<ArrayBuffer>, rank: number, ranks: number): void {
    if (id.length !== NANOGPT_GROUP_ID_BYTES) {
      throw new InternalError(`A group's id has ${NANOGPT_GROUP_ID_BYTES} bytes, found ${id.length}`);
    }
    this.native("nanogpt_group_join", addressOf(id), rank, ranks);
  }

  measurePeak(): DevicePeak | undefined {
    const out = new Float64Array(3);
    if (!this.supports("nanogpt_measure_peak", addressOf(out))) return undefined;
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

  /** What the context said last. */
  protected lastError(): string {
    const text = new Uint8Array(ERROR_BYTES);
    this.#call("nanogpt_last_error", addressOf(text), text.length);
    return textIn(text);
  }

  #check(symbol: string, status: number): void {
    if (status === 0) return;
    const message = this.lastError() || `${symbol} failed with status ${status}`;
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

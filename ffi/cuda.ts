// The GPU devices: a native context whose memory only its copies reach. `cuda` is NVIDIA's, `emulated` runs the same kernels
// on this machine's processor. Calls are enqueued, and can be recorded as a graph. Chooses no kernel: the plan does. May
// import lib/base and its neighbours.

import { InternalError, UserError } from "../lib/base/errors.ts";
import type { DeviceDescription, Gemm, Recording } from "./device.ts";
import { addressOf, openLibrary, textIn } from "./native.ts";
import {
  MADE_BY,
  type NativeCall,
  NativeDevice,
  type NativeMemory,
  notStarted,
  parseIsaOf,
} from "./native_device.ts";
import {
  NANOGPT_CREATE_ERROR_BYTES,
  NANOGPT_ISA_AUTO,
  NANOGPT_ISA_SM80,
  NANOGPT_ISA_SM90A,
} from "./symbols.ts";

/** Kernels by the chips they are for: their codes in kernels/abi.h. */
const ISA_CODES = { auto: NANOGPT_ISA_AUTO, sm80: NANOGPT_ISA_SM80, sm90a: NANOGPT_ISA_SM90A } as const;
const GPU_ISA_NAMES = ["auto", "sm80", "sm90a"] as const;
export type GpuIsa = typeof GPU_ISA_NAMES[number];

/** How to open a GPU device. */
export interface GpuOptions {
  readonly kind: "cuda" | "emulated";
  readonly library: string | URL;
  readonly isa: GpuIsa;
  /** Which GPU, from 0. */
  readonly ordinal: number;
  /** Whose matrix products; builtin where left out. */
  readonly gemm?: Gemm | undefined;
}

/** The kernels that NANOGPT_ISA names for a GPU device; "auto" where it is not set. */
export function parseGpuIsa(text: string | undefined, kind: GpuOptions["kind"]): GpuIsa {
  return parseIsaOf(text, GPU_ISA_NAMES, kind);
}

/** How many GPUs there are for a kind of device. Throws NoDevice where there is no driver, or none. */
export function deviceCount({ kind, library }: Pick<GpuOptions, "kind" | "library">): number {
  const opened = openLibrary(library, MADE_BY[kind]);
  try {
    const count = new BigUint64Array(1);
    const text = new Uint8Array(NANOGPT_CREATE_ERROR_BYTES);
    const status = opened.functionOf("nanogpt_device_count")(addressOf(count), addressOf(text));
    if (status !== 0) throw notStarted(kind, status, textIn(text));
    return Number(count[0]);
  } finally {
    opened.close();
  }
}

/** Bytes of one copy: enough that its start costs nothing, and bounds what a copy holds beside its two ends. */
const COPY_BYTES = 16 << 20;

/** Room for the self-test's lines. */
const REPORT_BYTES = 1 << 16;

class GpuMemory implements NativeMemory {
  readonly bytes: number;
  readonly address: bigint;
  readonly #native: NativeCall;
  #release: (() => void) | undefined;

  constructor(bytes: number, address: bigint, native: NativeCall, release: () => void) {
    this.bytes = bytes;
    this.address = address;
    this.#native = native;
    this.#release = release;
  }

  upload(offset: number, data: Uint8Array): void {
    this.#check(offset, data.length);
    for (let at = 0; at < data.length; at += COPY_BYTES) {
      const part = data.subarray(at, at + COPY_BYTES);
      const source = isOwn(part) ? part : Uint8Array.from(part);
      this.#native("nanogpt_upload", this.#at(offset + at), addressOf(source), source.length);
    }
  }

  download(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    for (let at = 0; at < target.length; at += COPY_BYTES) {
      const part = target.subarray(at, at + COPY_BYTES);
      const found = isOwn(part) ? part : new Uint8Array(part.length);
      this.#native("nanogpt_download", addressOf(found), this.#at(offset + at), found.length);
      if (found !== part) part.set(found);
    }
  }

  post(offset: number, bytes: number): () => Uint8Array<ArrayBuffer> {
    this.#check(offset, bytes);
    const ticket = new BigUint64Array(1);
    this.#native("nanogpt_post", addressOf(ticket), this.#at(offset), bytes);
    return () => {
      const found = new Uint8Array(bytes);
      this.#native("nanogpt_collect", addressOf(found), ticket[0] ?? 0n);
      return found;
    };
  }

  free(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #at(offset: number): bigint {
    return this.address + BigInt(offset);
  }

  #check(offset: number, length: number): void {
    if (!this.#release) throw new InternalError("Device memory is used after it was freed");
    if (offset < 0 || offset + length > this.bytes) {
      throw new InternalError(
        `A copy of ${length} bytes at ${offset} leaves device memory of ${this.bytes} bytes`,
      );
    }
  }
}

/** Whether the bytes have an address; memory shared with workers is given none. */
function isOwn(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** Runs kernels on a GPU, or on the emulation of one. */
export class GpuDevice extends NativeDevice {
  readonly kind: "cuda" | "emulated";
  readonly gemm: Gemm;

  /** Throws UserError where cuBLASLt is asked for and cannot be had. */
  constructor({ kind, library, isa, ordinal, gemm = "builtin" }: GpuOptions) {
    super(library, kind, { threads: 0, pin: false, isa: ISA_CODES[isa], ordinal });
    this.kind = kind;
    this.gemm = gemm;
    const missing = gemm === "cublaslt" ? this.openCublasLt() : undefined;
    if (missing === undefined) return;
    this.close();
    throw new UserError(`device.gemm is "cublaslt": ${missing}`);
  }

  override describe(): DeviceDescription {
    return { ...super.describe(), simulated: this.kind === "emulated" };
  }

  /** Opens NVIDIA's cuBLASLt, so that kernels in its form can run; returns why it cannot be had, if so. */
  openCublasLt(): string | undefined {
    return this.supports("nanogpt_open_cublaslt") ? undefined : this.lastError();
  }

  /** Emulated only: how later launches are scheduled (kernels/abi.h: nanogpt_schedule). */
  schedule(seed: number, processors: number): void {
    this.native("nanogpt_schedule", seed, processors);
  }

  /** Emulated only: how often a call has waited for work that was not finished (kernels/abi.h: nanogpt_waits). */
  waits(): number {
    const count = new BigUint64Array(1);
    this.native("nanogpt_waits", addressOf(count));
    return Number(count[0]);
  }

  /**
   * The library's own test of every wrapped instruction on random data (kernels/abi.h: nanogpt_selftest): a line each, one
   * that begins with FAIL where the result was not the stated one. Undefined on a GPU that lacks the instructions.
   */
  selfTest(): string[] | undefined {
    const text = new Uint8Array(REPORT_BYTES);
    if (!this.supports("nanogpt_selftest", addressOf(text), text.length)) return undefined;
    return textIn(text).split("\n").filter((line) => line !== "");
  }

  /** The calls as one graph; undefined where the library has none. Nothing may be uploaded or downloaded meanwhile. */
  capture(calls: readonly (() => void)[]): Recording | undefined {
    if (!this.supports("nanogpt_graph_begin")) return undefined;
    try {
      for (const call of calls) call();
    } catch (error) {
      this.#abandonGraph();
      throw error;
    }
    return this.#endGraph();
  }

  /** Ends a recording that failed; that ending it fails too is no news. */
  #abandonGraph(): void {
    try {
      this.#endGraph().free();
    } catch {
      // What failed first tells.
    }
  }

  #endGraph(): Recording {
    const out = new BigUint64Array(1);
    this.native("nanogpt_graph_end", addressOf(out));
    const graph = out[0] ?? 0n;
    return {
      launch: () => this.native("nanogpt_graph_launch", graph),
      free: () => this.native("nanogpt_graph_free", graph),
    };
  }

  protected override memoryAt(bytes: number, address: bigint, release: () => void): NativeMemory {
    return new GpuMemory(bytes, address, this.native, release);
  }
}

// The GPU devices: a native context whose memory only its copies reach. `cuda` is NVIDIA's, `emulated` runs the same kernels
// on this machine's processor. Chooses no kernel: the plan does. May import lib/base and its neighbours.

import { InternalError } from "../lib/base/errors.ts";
import { type NativeCall, NativeDevice, type NativeMemory } from "./native_device.ts";
import { addressOf } from "./native.ts";
import { NANOGPT_ISA_AUTO, NANOGPT_ISA_SM80, NANOGPT_ISA_SM90A } from "./symbols.ts";

/** Kernels by the chips they are for: their codes in kernels/abi.h. */
const ISA_CODES = { auto: NANOGPT_ISA_AUTO, sm80: NANOGPT_ISA_SM80, sm90a: NANOGPT_ISA_SM90A } as const;
export type GpuIsa = keyof typeof ISA_CODES;

/** How to open a GPU device. */
export interface GpuOptions {
  readonly kind: "cuda" | "emulated";
  readonly library: string | URL;
  readonly isa: GpuIsa;
  /** Which GPU, from 0. */
  readonly ordinal: number;
}

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
    const source = data.buffer instanceof ArrayBuffer
      ? new Uint8Array(data.buffer, data.byteOffset, data.length)
      : Uint8Array.from(data);
    this.#native("nanogpt_upload", this.address + BigInt(offset), addressOf(source), source.length);
  }

  download(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    const found = new Uint8Array(target.length);
    this.#native("nanogpt_download", addressOf(found), this.address + BigInt(offset), found.length);
    target.set(found);
  }

  free(): void {
    this.#release?.();
    this.#release = undefined;
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

/** Runs kernels on a GPU, or on the emulation of one. */
export class GpuDevice extends NativeDevice {
  readonly kind: "cuda" | "emulated";

  constructor({ kind, library, isa, ordinal }: GpuOptions) {
    super(library, kind, { threads: 0, pin: false, isa: ISA_CODES[isa], ordinal });
    this.kind = kind;
  }

  /** Emulated only: how later launches are scheduled (kernels/abi.h: nanogpt_schedule). */
  schedule(seed: number, processors: number): void {
    this.native("nanogpt_schedule", seed, processors);
  }

  /** Waits for all enqueued work; throws what went wrong in it. */
  sync(): void {
    this.native("nanogpt_sync");
  }

  protected override memoryAt(bytes: number, address: bigint, release: () => void): NativeMemory {
    return new GpuMemory(bytes, address, this.native, release);
  }
}

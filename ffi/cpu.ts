// The CPU device: a native context whose memory is this process's own. Chooses no kernel: the context does. Refuses an
// instruction set whose name it does not know, and memory that was given back. May import lib/base and its
// neighbours.

import { InternalError } from "../lib/base/errors.ts";
import type { DevicePeak } from "./device.ts";
import { NativeDevice, type NativeMemory, parseIsaOf } from "./native_device.ts";

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
  return parseIsaOf(text, ISA_NAMES, "cpu");
}

class CpuMemory implements NativeMemory {
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
export class CpuDevice extends NativeDevice {
  readonly kind = "cpu";

  constructor({ library, threads, pin, isa }: CpuOptions) {
    super(library, "cpu", { threads, pin, isa: ISA_NAMES.indexOf(isa), ordinal: 0 });
  }

  override measurePeak(): DevicePeak {
    const peak = super.measurePeak();
    if (!peak) throw new InternalError("The cpu device measures no peak");
    return peak;
  }

  protected override memoryAt(bytes: number, address: bigint, release: () => void): NativeMemory {
    return new CpuMemory(bytes, address, release);
  }
}

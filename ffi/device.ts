// What the executor needs of a device: memory, raw copies, and kernel calls whose arguments are encoded once. Types
// only: a device knows no graph, plan or model, decides no order and keeps no tensor's name. A new kind of device is
// a new file beside this one. May import lib/base only.

import type { DType } from "../lib/base/dtype.ts";

/** Names of the devices, as in config.json and --device. */
export type DeviceKind = "reference" | "cpu" | "cuda" | "emulated";

/** Whose matrix products a GPU device takes: its own kernels', or those of NVIDIA's cuBLASLt. */
export type Gemm = "builtin" | "cublaslt";

/** A tensor inside a device's memory: byte offset, number of elements, type. */
export interface TensorRef {
  readonly offset: number;
  readonly count: number;
  readonly dtype: DType;
}

/** What a device says of itself, for logs, `info` and `bench`. */
export interface DeviceDescription {
  readonly kind: DeviceKind;
  /** Processor's or chip's name. */
  readonly machine: string;
  /** Instruction set in use, such as "avx2"; the reference device has none. */
  readonly isa: string;
  readonly threads: number;
  /** Instruction sets this machine has. */
  readonly available: readonly string[];
  /** Whether the chip or its instructions are imitated (a build for tests, and the emulated GPU). */
  readonly simulated: boolean;
}

/** Measured limits of the machine with the device's threads. */
export interface DevicePeak {
  readonly f32FlopsPerSecond: number;
  readonly bf16FlopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** A block of device memory, zeroed when made. Offsets and lengths are bytes. */
export interface DeviceMemory {
  readonly bytes: number;
  upload(offset: number, data: Uint8Array): void;
  download(offset: number, target: Uint8Array): void;
  /**
   * Begins to copy `bytes` (up to 65536) as the work enqueued so far leaves them, and gives what waits for that copy alone
   * and returns it, once. Not there where calls run to their end: a download has nothing to wait for.
   */
  post?(offset: number, bytes: number): () => Uint8Array<ArrayBuffer>;
  free(): void;
}

/** Calls that the device has recorded and makes by one launch. */
export interface Recording {
  launch(): void;
  free(): void;
}

/** A place where kernels run. */
export interface Device {
  readonly kind: DeviceKind;
  /** Of a GPU: whose matrix products it was opened for. */
  readonly gemm?: Gemm;
  describe(): DeviceDescription;
  allocate(bytes: number): DeviceMemory;
  /**
   * A kernel call ready to be made: `symbol` of kernels/abi.h over tensors of `memory` (outputs, inputs, workspace)
   * and its sizes and scalars. Calling it runs the kernel to its end, on a GPU it enqueues it; a refusal is thrown as
   * RunError with the kernel's own text.
   */
  bind(
    symbol: string,
    memory: DeviceMemory,
    tensors: readonly TensorRef[],
    args: readonly number[],
  ): () => void;
  /** Waits for what was enqueued; throws what went wrong in it. Nothing to wait for where calls run to their end. */
  sync(): void;
  /** Records bound calls instead of making them; undefined, or not there, where the device makes each by itself. */
  capture?(calls: readonly (() => void)[]): Recording | undefined;
  /**
   * Makes what `ranks` devices of this process join a group by, each in its own thread, to call the collectives of
   * kernels/abi.h: made once, by one of them, which stays open until all have joined, and handed to all. Not there where a
   * device knows no ranks.
   */
  groupId?(ranks: number): Uint8Array<ArrayBuffer>;
  /** Makes this device a rank of the group; waits until all have joined. A device joins once. */
  joinGroup?(id: Uint8Array<ArrayBuffer>, rank: number, ranks: number): void;
  /** Measures the machine; takes about a second. Undefined where there is nothing to measure. */
  measurePeak(): DevicePeak | undefined;
  close(): void;
}

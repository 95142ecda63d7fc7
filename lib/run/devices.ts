// Opens the device a configuration asks for, and says what it computes in, which ops it lacks and how to plan for it.
// Refuses devices that this build does not have; only `auto` chooses. The only place that knows every device; the rest sees
// the interface. May import lib/base, the op table, lib/plan and ffi/.

import type { DeviceEnvironment, KernelLibraries } from "../base/assets.ts";
import type { DType } from "../base/dtype.ts";
import { UserError } from "../base/errors.ts";
import { isThere } from "../base/files.ts";
import { CpuDevice, parseIsa } from "../../ffi/cpu.ts";
import { deviceCount, GpuDevice, parseGpuIsa } from "../../ffi/cuda.ts";
import type { Device, DeviceKind, Gemm } from "../../ffi/device.ts";
import { NoDevice } from "../../ffi/native_device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { OPS } from "../graph/ops.ts";
import type { Rank } from "../optim/sharing.ts";
import type { PlanOptions } from "../plan/build.ts";
import { chipOf, chosenForm } from "../plan/forms.ts";
import { type Emulation, parseEmulation } from "./emulation.ts";
import { availableBytes } from "./machine.ts";

/** The device section of a configuration, and where its library is. */
export interface DeviceRequest {
  readonly kind: "auto" | "cpu" | "cuda" | "emulated" | "reference";
  readonly threads: number;
  readonly pin: boolean;
  readonly libraries: KernelLibraries;
  readonly environment: DeviceEnvironment;
  /** Whose matrix products a GPU device takes; the builtin ones where left out. */
  readonly gemm?: Gemm | undefined;
  /** Which of a run's ranks the device is for: each has a GPU of its own, or its part of the processor's cores. */
  readonly rank?: Rank | undefined;
}

/** What the user asked to compute in. */
export type Precision = "fp32" | "bf16";

/** What a plan is made for. */
export interface PlanTarget {
  readonly kind: DeviceKind;
  /** Of a GPU: the chip that its kernels are for, which decides their forms; the newest where left out. */
  readonly isa?: string;
  /** Of a GPU: whose matrix products; the builtin ones where left out. */
  readonly gemm?: Gemm | undefined;
  /** Of a GPU: whether every sum has a fixed order, though faster kernels have none; it has where left out. */
  readonly deterministic?: boolean | undefined;
}

/** Opens the device; `auto` takes an NVIDIA GPU where this build and machine have one, else the cpu. The caller closes it. */
export function openDevice(request: DeviceRequest): Device {
  switch (request.kind) {
    case "auto":
      return openUsableGpu(request) ?? openCpu(request);
    case "cpu":
      return openCpu(request);
    case "cuda":
      return openCuda(request);
    case "emulated":
      return openEmulated(request);
    case "reference":
      return new ReferenceDevice();
    default:
      return request.kind satisfies never;
  }
}

function openCpu({ libraries, threads, pin, environment, rank }: DeviceRequest): CpuDevice {
  const share = Math.max(1, Math.floor(navigator.hardwareConcurrency / (rank?.ranks ?? 1)));
  const own = threads === 0 && rank && rank.ranks > 1 ? share : threads;
  return new CpuDevice({ library: libraries.cpu, threads: own, pin, isa: parseIsa(environment.isa) });
}

function openCuda(request: DeviceRequest): GpuDevice {
  const { libraries, environment, gemm } = request;
  if (!isThere(libraries.cuda)) {
    throw new UserError(
      "This build has no CUDA kernels: `make cuda` builds them where nvcc is; or choose --device cpu",
    );
  }
  const isa = parseGpuIsa(environment.isa, "cuda");
  return new GpuDevice({
    kind: "cuda",
    library: libraries.cuda,
    isa,
    ordinal: request.rank?.rank ?? 0,
    gemm,
  });
}

/** The GPU that `auto` takes: none where the kernels, the driver or the GPU are missing, or NANOGPT_ISA means the cpu. */
function openUsableGpu(request: DeviceRequest): GpuDevice | undefined {
  const { libraries, environment: { isa } } = request;
  if (!isThere(libraries.cuda) || (isa !== undefined && !isa.startsWith("sm"))) return undefined;
  try {
    return openCuda(request);
  } catch (error) {
    if (error instanceof NoDevice) return undefined;
    throw error;
  }
}

function openEmulated({ libraries, environment, gemm, rank }: DeviceRequest): GpuDevice {
  const emulation = parseEmulation(environment.emulation);
  const library = emulation.checked ? libraries.emulatedChecked : libraries.emulated;
  if (!isThere(library)) {
    throw new UserError(
      "This build has no emulated device: `make emulated` builds it; or choose --device cpu",
    );
  }
  const isa = parseGpuIsa(environment.isa, "emulated");
  const device = new GpuDevice({ kind: "emulated", library, isa, ordinal: rank?.rank ?? 0, gemm });
  schedule(device, emulation);
  return device;
}

/** Sets the schedule that was asked for; what was left out stays as it is. */
function schedule(device: GpuDevice, { seed, processors }: Emulation): void {
  if (seed === undefined) return;
  device.schedule(seed, processors ?? device.describe().threads);
}

/** What to plan for on an open device. */
export function targetOf(device: Device): PlanTarget {
  return { kind: device.kind, isa: device.describe().isa, gemm: device.gemm };
}

/** Rows of logits at a time on a GPU: products of 16,384 rows fill every multiprocessor for many waves. */
const GPU_HEAD_ROWS = 16384;

/**
 * Matrices of one shape in a batch of Newton-Schulz on a GPU: all squares of the record's model, whose products then keep
 * 132 multiprocessors busy for 4 to 7 rounds of tiles; 0.7 GB at width 768, where the activations have had theirs before.
 */
const GPU_MUON_BATCH = 48;

/** The newest chip that the GPU kernels are for. */
const NEWEST_CHIP = "sm90a";

/** What to plan for before a device is opened: none is, but to learn whether `auto` would take a GPU. */
export function planTarget(request: DeviceRequest): PlanTarget {
  const { kind, environment, gemm } = request;
  switch (kind) {
    case "auto": {
      const gpu = openUsableGpu(request);
      const target = gpu ? targetOf(gpu) : { kind: "cpu" as const };
      gpu?.close();
      return target;
    }
    case "cuda":
    case "emulated": {
      const isa = parseGpuIsa(environment.isa, kind);
      return isa === "auto" ? { kind, gemm } : { kind, isa, gemm };
    }
    case "cpu":
    case "reference":
      return { kind };
    default:
      return kind satisfies never;
  }
}

/**
 * The ranks of a run with so many microbatches a step: those `asked` for, else as many GPUs as the microbatches can be
 * shared out over, one rank on another device. UserError where those asked for cannot be had.
 */
export function ranksOf(request: DeviceRequest, microbatches: number, asked: number | undefined): number {
  if (asked !== undefined && microbatches % asked !== 0) {
    throw new UserError(
      `Cannot share the ${microbatches} microbatches of a step out over ${asked} ranks: expected a multiple (--ranks; ` +
        "microbatches are data.batchSequences over data.deviceBatchSequences)",
    );
  }
  if (asked === 1) return 1;
  if (request.kind === "reference" && asked !== undefined) {
    throw new UserError("The reference device trains on one rank only; leave out --ranks");
  }
  const gpus = gpuCount(request);
  if (gpus === undefined) return asked ?? 1;
  if (asked !== undefined && asked > gpus) {
    throw new UserError(`--ranks ${asked} takes a GPU for each rank, this machine has ${gpus}`);
  }
  if (asked !== undefined) return asked;
  let most = Math.max(1, Math.min(gpus, microbatches));
  while (microbatches % most !== 0) most--;
  return most;
}

/** NVIDIA GPUs that a run on this device could take; undefined where it takes none. */
function gpuCount(request: DeviceRequest): number | undefined {
  if (request.kind !== "cuda" && request.kind !== "auto") return undefined;
  const { libraries: { cuda } } = request;
  if (request.kind === "auto") {
    const usable = openUsableGpu(request);
    if (!usable) return undefined;
    usable.close();
  }
  return isThere(cuda) ? deviceCount({ kind: "cuda", library: cuda }) : undefined;
}

/** Bytes that a plan may take; a GPU's are known only to itself, which refuses what it does not have. */
export function usableBytes(kind: DeviceKind): number {
  return kind === "cuda" ? Infinity : availableBytes();
}

/** Type of activations: float64 on the reference device, else the precision's. */
export function activationType(kind: DeviceKind, precision: Precision): DType {
  if (kind === "reference") return "f64";
  return precision === "bf16" ? "bf16" : "f32";
}

/**
 * How to plan: the reference device has no fused kernels and recomputes nothing; a GPU takes the fastest form of a kernel
 * that the shapes and the wish for a fixed order of sums allow, and recomputes nothing either: its memory has room, its
 * bandwidth is the limit (at 65,536 tokens of the record's model 20 GB instead of 17, for 3 ms of a step of 117: nanogpt plan
 * --target h100x8).
 */
export function planOptionsFor(
  { kind, isa = NEWEST_CHIP, gemm, deterministic = true }: PlanTarget,
): PlanOptions {
  switch (kind) {
    case "reference":
      return { lacks: (op) => OPS[op].expand !== undefined, recompute: false };
    case "cpu":
      // Its product with a mix is one after the other: apart, the mixed values are made again rather than kept.
      return { lacks: (op) => op === "matmulMix", recompute: true };
    case "cuda":
    case "emulated": {
      const chip = chipOf(isa);
      const wishes = { cublaslt: gemm === "cublaslt", deterministic };
      return {
        lacks: () => false,
        recompute: false,
        form: (op, s) => chosenForm(op, s, chip, wishes),
        headRows: GPU_HEAD_ROWS,
        muonBatch: GPU_MUON_BATCH,
      };
    }
    default:
      return kind satisfies never;
  }
}

// Opens the device a configuration asks for, and says what it computes in and which ops it lacks. Refuses devices
// that this build does not have, never taking another in their place. The only place that knows every device; the
// rest sees the interface. May import lib/base, the op table, lib/plan and ffi/.

import type { KernelLibraries } from "../base/assets.ts";
import type { DType } from "../base/dtype.ts";
import { CpuDevice, type IsaName } from "../../ffi/cpu.ts";
import { GpuDevice } from "../../ffi/cuda.ts";
import type { Device, DeviceKind } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { OPS } from "../graph/ops.ts";
import type { PlanOptions } from "../plan/build.ts";

/** The device section of a configuration, and where its library is. */
export interface DeviceRequest {
  readonly kind: "auto" | "cpu" | "cuda" | "emulated" | "reference";
  readonly threads: number;
  readonly pin: boolean;
  readonly libraries: KernelLibraries;
  /** Instruction set forced by NANOGPT_ISA, or "auto". */
  readonly isa: IsaName;
}

/** What the user asked to compute in. */
export type Precision = "fp32" | "bf16";

/** The device that `kind` means in this build; `auto` takes the fastest there is. */
export function resolveDeviceKind(kind: DeviceRequest["kind"]): DeviceKind {
  switch (kind) {
    case "auto":
    case "cpu":
      return "cpu";
    case "reference":
      return "reference";
    case "cuda":
    case "emulated":
      return kind;
    default:
      return kind satisfies never;
  }
}

/** Opens the device. The caller closes it. */
export function openDevice(request: DeviceRequest): Device {
  switch (resolveDeviceKind(request.kind)) {
    case "cpu":
      return new CpuDevice({
        library: request.libraries.cpu,
        threads: request.threads,
        pin: request.pin,
        isa: request.isa,
      });
    case "cuda":
      return new GpuDevice({ kind: "cuda", library: request.libraries.cuda, isa: "auto", ordinal: 0 });
    case "emulated":
      return new GpuDevice({
        kind: "emulated",
        library: request.libraries.emulated,
        isa: "auto",
        ordinal: 0,
      });
    case "reference":
      return new ReferenceDevice();
  }
}

/** Type of activations: float64 on the reference device, else the precision's. */
export function activationType(kind: DeviceKind, precision: Precision): DType {
  if (kind === "reference") return "f64";
  return precision === "bf16" ? "bf16" : "f32";
}

/** How to plan for a device: the reference device has no fused kernels and recomputes nothing. */
export function planOptionsFor(kind: DeviceKind): PlanOptions {
  return kind === "reference"
    ? { lacks: (op) => OPS[op].expand !== undefined, recompute: false }
    : { lacks: () => false, recompute: true };
}

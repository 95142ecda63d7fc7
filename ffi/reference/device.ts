// The reference device: every kernel in plain TypeScript, float64, one thread; slow, and the oracle for the others.
// It has no fused kernels: plans for it use their expansions. Refuses bf16 and has no peak to measure. May import
// lib/base, the device interface and the kernels beside it.

import { InternalError, RunError } from "../../lib/base/errors.ts";
import type { Device, DeviceDescription, DeviceMemory, TensorRef } from "../device.ts";
import { ATTENTION_KERNELS } from "./attention.ts";
import { ELEMENTWISE_KERNELS } from "./elementwise.ts";
import { LOSS_KERNELS } from "./loss.ts";
import { MATRIX_KERNELS } from "./matrices.ts";
import { OPTIMISER_KERNELS } from "./optimisers.ts";
import { ROW_KERNELS } from "./rows.ts";
import type { ReferenceKernel, View } from "./views.ts";

/** Every reference kernel by its symbol. */
const REFERENCE_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  ...ELEMENTWISE_KERNELS,
  ...ROW_KERNELS,
  ...MATRIX_KERNELS,
  ...ATTENTION_KERNELS,
  ...LOSS_KERNELS,
  ...OPTIMISER_KERNELS,
};

class ReferenceMemory implements DeviceMemory {
  readonly buffer: ArrayBuffer;

  constructor(readonly bytes: number) {
    this.buffer = new ArrayBuffer(bytes);
  }

  upload(offset: number, data: Uint8Array): void {
    new Uint8Array(this.buffer, offset, data.length).set(data);
  }

  download(offset: number, target: Uint8Array): void {
    target.set(new Uint8Array(this.buffer, offset, target.length));
  }

  free(): void {}

  view(tensor: TensorRef): View {
    switch (tensor.dtype) {
      case "f64":
        return new Float64Array(this.buffer, tensor.offset, tensor.count);
      case "i32":
        return new Int32Array(this.buffer, tensor.offset, tensor.count);
      default:
        throw new InternalError(`The reference device holds float64 and int32, got ${tensor.dtype}`);
    }
  }
}

/** Opens the reference device. */
export class ReferenceDevice implements Device {
  readonly kind = "reference";

  describe(): DeviceDescription {
    return {
      kind: "reference",
      machine: "TypeScript, float64",
      isa: "none",
      threads: 1,
      available: [],
      simulated: false,
    };
  }

  allocate(bytes: number): ReferenceMemory {
    try {
      return new ReferenceMemory(bytes);
    } catch {
      throw new RunError(
        `The reference device could not get ${bytes} bytes; choose a smaller model or the cpu device`,
      );
    }
  }

  bind(
    symbol: string,
    memory: DeviceMemory,
    tensors: readonly TensorRef[],
    args: readonly number[],
  ): () => void {
    const kernel = REFERENCE_KERNELS[symbol];
    if (!kernel) throw new InternalError(`The reference device has no kernel ${symbol}`);
    if (!(memory instanceof ReferenceMemory)) throw new InternalError("The memory is another device's");
    const views = tensors.filter((tensor) => tensor.dtype !== "f32").map((tensor) => memory.view(tensor));
    return () => kernel(views, args);
  }

  sync(): void {}

  measurePeak(): undefined {
    return undefined;
  }

  close(): void {}
}

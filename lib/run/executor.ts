// Walks a plan on a device: owns the arena, encodes every kernel call once, then makes one call a step, or one launch a
// program where the device records calls. Also moves values in and out by name. Knows no model, chooses no order and checks
// no values: it does what the plan says, and what is amiss is found by who reads the values. May import lib/base, lib/plan
// and the device interface.

import { bf16ToFloat, bytesOf, floatToBf16 } from "../base/dtype.ts";
import { InternalError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import type { Device, DeviceMemory, Recording } from "../../ffi/device.ts";
import {
  type Lasting,
  lastingOf,
  type Place,
  type Plan,
  programOf,
  type Step,
  tensorBytes,
} from "../plan/plan.ts";
import { REFRESH, SETUP } from "../plan/build.ts";

/** A program's calls, ready to be made. */
interface Encoded {
  readonly step: Step;
  readonly call: () => void;
}

/** Calls of a program in a row, all kernels' or all collectives', and the recording of kernels', if the device makes one. */
interface Segment {
  readonly kind: Step["kind"];
  readonly calls: Encoded[];
  recording?: Recording | undefined;
}

/** A program, and whether it has run. */
interface Encodings {
  readonly segments: readonly Segment[];
  ran: boolean;
}

/**
 * What to do around plan steps; each step is waited for then, where the device only enqueues it. Collectives are left out: one
 * rank may look at its own kernels.
 */
export interface RunHooks {
  /** Asked before each step; true ends the program there. */
  readonly stop?: () => boolean;
  /** Told after each step, with the time it took. */
  readonly after?: (step: Step, ms: number) => void;
}

/** Runs the programs of one plan on one device. */
export class Executor {
  readonly plan: Plan;
  readonly device: Device;
  readonly #memory: DeviceMemory;
  readonly #encoded = new Map<string, Encodings>();

  /** Allocates the arena and runs the constants' program. */
  constructor(plan: Plan, device: Device) {
    this.plan = plan;
    this.device = device;
    this.#memory = device.allocate(plan.plannedBytes);
    for (const name of plan.programs.keys()) {
      this.#encoded.set(name, { segments: this.#encode(name), ran: false });
    }
    this.run(SETUP);
  }

  /** Runs a program to its end; false if `stop` ended it early. */
  run(program: string, hooks?: RunHooks): boolean {
    const encoded = this.#encoded.get(program);
    if (!encoded) throw new InternalError(`The plan has no program ${program}`);
    if (hooks) {
      const kernels = encoded.segments.filter(({ kind }) => kind === "kernel");
      return this.#runByStep(kernels.flatMap(({ calls }) => calls), hooks);
    }
    // Only what runs again is worth recording, and by its second run every kernel has been loaded.
    for (const segment of encoded.segments) this.#runSegment(segment, encoded.ran);
    encoded.ran = true;
    return true;
  }

  #runSegment(segment: Segment, isRecordable: boolean): void {
    const { kind, calls } = segment;
    if (isRecordable && kind === "kernel" && !("recording" in segment)) {
      segment.recording = this.device.capture?.(calls.map(({ call }) => call));
    }
    if (segment.recording) segment.recording.launch();
    else for (const { call } of calls) call();
  }

  #runByStep(calls: readonly Encoded[], { stop, after }: RunHooks): boolean {
    for (const { step, call } of calls) {
      if (stop?.()) return false;
      const before = performance.now();
      call();
      this.device.sync();
      after?.(step, performance.now() - before);
    }
    return true;
  }

  /** Makes the working copies anew; to be called whenever parameters have been written from outside. */
  refresh(): void {
    this.run(REFRESH);
  }

  /** Writes values into the lasting tensor `name`, from element `first` on, converting to its type. */
  write(name: string, values: ArrayLike<number>, first = 0): void {
    const tensor = this.#checked(name, first, values.length);
    this.#memory.upload(tensor.offset + first * bytesOf(tensor.dtype), encodeValues(tensor, values));
  }

  /** Reads `count` elements of the lasting tensor `name`, from element `first` on. */
  read(
    name: string,
    first = 0,
    count = elementCount(lastingOf(this.plan, name).shape) - first,
  ): Float64Array {
    const tensor = this.#checked(name, first, count);
    const bytes = new Uint8Array(count * bytesOf(tensor.dtype));
    this.#memory.download(tensor.offset + first * bytesOf(tensor.dtype), bytes);
    return decodeValues(tensor, bytes);
  }

  /** Whether the device goes on with programs while the host does something else. */
  get runsAhead(): boolean {
    return this.#memory.post !== undefined;
  }

  /**
   * Begins to read the lasting tensor `name`; what it returns gives the values, once, and waits for nothing that was
   * enqueued later.
   */
  post(name: string): () => Float64Array {
    const tensor = lastingOf(this.plan, name);
    const posted = this.#memory.post?.(tensor.offset, tensorBytes(tensor));
    if (posted) return () => decodeValues(tensor, posted());
    const values = this.read(name);
    return () => values;
  }

  /** Reads the first `count` elements of any place of the plan; a short-lived one holds its value only for a while. */
  readPlace(place: Place, count: number): Float64Array {
    const bytes = new Uint8Array(count * bytesOf(place.dtype));
    this.#memory.download(place.offset, bytes);
    return decodeValues(place, bytes);
  }

  /** Raw bytes of the lasting tensor `name` from byte `offset` on, into `target`. */
  readBytes(name: string, offset: number, target: Uint8Array): void {
    this.#memory.download(lastingOf(this.plan, name).offset + offset, target);
  }

  /** Raw bytes into the lasting tensor `name` from byte `offset` on. */
  writeBytes(name: string, offset: number, source: Uint8Array): void {
    this.#memory.upload(lastingOf(this.plan, name).offset + offset, source);
  }

  /** Gives the arena back. */
  close(): void {
    for (const { segments } of this.#encoded.values()) segments.forEach(({ recording }) => recording?.free());
    this.#encoded.clear();
    this.#memory.free();
  }

  #checked(name: string, first: number, count: number): Lasting {
    const tensor = lastingOf(this.plan, name);
    const size = elementCount(tensor.shape);
    if (first < 0 || count < 0 || first + count > size) {
      throw new InternalError(`${name} has ${size} elements, asked for ${count} from ${first}`);
    }
    return tensor;
  }

  #encode(name: string): readonly Segment[] {
    const segments: Segment[] = [];
    for (const step of programOf(this.plan, name).steps) {
      const tensors = step.tensors.map((place) => ({
        offset: place.offset,
        count: elementCount(place.shape),
        dtype: place.dtype,
      }));
      const encoded = { step, call: this.device.bind(step.symbol, this.#memory, tensors, step.args) };
      const last = segments.at(-1);
      if (last?.kind === step.kind) last.calls.push(encoded);
      else segments.push({ kind: step.kind, calls: [encoded] });
    }
    return segments;
  }
}

/** `values` as the bytes of a tensor's type. */
export function encodeValues(tensor: Pick<Place, "dtype">, values: ArrayLike<number>): Uint8Array {
  switch (tensor.dtype) {
    case "f64":
      return bytesView(Float64Array.from(values));
    case "f32":
      return bytesView(values instanceof Float32Array ? values : Float32Array.from(values));
    case "i32":
      return bytesView(values instanceof Int32Array ? values : Int32Array.from(values));
    case "bf16":
      return bytesView(Uint16Array.from(values, floatToBf16));
    default:
      return tensor.dtype satisfies never;
  }
}

/** The numbers in the bytes of a tensor's type. */
export function decodeValues(tensor: Pick<Place, "dtype">, bytes: Uint8Array<ArrayBuffer>): Float64Array {
  switch (tensor.dtype) {
    case "f64":
      return new Float64Array(bytes.buffer);
    case "f32":
      return new Float64Array(new Float32Array(bytes.buffer));
    case "i32":
      return new Float64Array(new Int32Array(bytes.buffer));
    case "bf16":
      return Float64Array.from(new Uint16Array(bytes.buffer), bf16ToFloat);
    default:
      return tensor.dtype satisfies never;
  }
}

function bytesView(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

// A rank of tests/ffi/ranks.ts: a worker with one device at a time, which does what it is told and says what came of it. An
// error is an answer too. Ends by itself when told to.

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { CpuDevice } from "../../ffi/cpu.ts";
import { GpuDevice } from "../../ffi/cuda.ts";
import type { NativeDevice } from "../../ffi/native_device.ts";
import { InternalError, messageOf } from "../../lib/base/errors.ts";

/** A device of a rank; an emulated GPU's ordinal is the rank. */
export type RankDevice =
  | { readonly kind: "cpu"; readonly library: string; readonly threads: number }
  | { readonly kind: "emulated"; readonly library: string; readonly seed: number };

/** A collective on a tensor of these values. */
export interface RankCall {
  readonly symbol: string;
  readonly args: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

export type RankRequest =
  | { readonly kind: "open"; readonly device: RankDevice; readonly ordinal: number }
  | { readonly kind: "makeId"; readonly ranks: number }
  | {
    readonly kind: "join";
    readonly id: Uint8Array<ArrayBuffer>;
    readonly rank: number;
    readonly ranks: number;
  }
  | { readonly kind: "call"; readonly call: RankCall }
  | { readonly kind: "end" };

/** What came of a request; `values`: of the tensor after a call. */
export interface RankReply {
  readonly error?: string;
  readonly id?: Uint8Array<ArrayBuffer>;
  readonly values?: Float32Array<ArrayBuffer>;
}

let open: NativeDevice | undefined;

function openDevice(device: RankDevice, ordinal: number): NativeDevice {
  const { kind, library } = device;
  if (kind === "cpu") return new CpuDevice({ library, threads: device.threads, pin: false, isa: "auto" });
  const gpu = new GpuDevice({ kind, library, isa: "auto", ordinal });
  gpu.schedule(device.seed, 2);
  return gpu;
}

function deviceOf(): NativeDevice {
  if (!open) throw new InternalError("no device is open");
  return open;
}

/** The tensor after the call. Between zeros, so that what is written beside it shows. */
function run({ symbol, args, values }: RankCall): Float32Array<ArrayBuffer> {
  const device = deviceOf();
  const margin = 64;
  const memory = device.allocate(values.byteLength + 2 * margin);
  try {
    memory.upload(margin, new Uint8Array(values.buffer));
    device.bind(symbol, memory, [{ offset: margin, count: values.length, dtype: "f32" }], args)();
    device.bind("nanogpt_group_wait", memory, [], [])();
    device.sync();
    const bytes = new Uint8Array(memory.bytes);
    memory.download(0, bytes);
    const found = bytes.slice(margin, bytes.length - margin);
    if (bytes.some((byte, i) => byte !== 0 && (i < margin || i >= bytes.length - margin))) {
      throw new InternalError("bytes beside the tensor were written");
    }
    return new Float32Array(found.buffer);
  } finally {
    memory.free();
  }
}

function answer(request: RankRequest): RankReply {
  switch (request.kind) {
    case "open":
      open?.close();
      open = openDevice(request.device, request.ordinal);
      return {};
    case "makeId":
      return { id: deviceOf().groupId(request.ranks) };
    case "join":
      deviceOf().joinGroup(request.id, request.rank, request.ranks);
      return {};
    case "call":
      return { values: run(request.call) };
    case "end":
      open?.close();
      open = undefined;
      return {};
    default:
      return request satisfies never;
  }
}

self.onmessage = ({ data: request }: MessageEvent<RankRequest>) => {
  try {
    self.postMessage(answer(request));
  } catch (error) {
    self.postMessage({ error: messageOf(error) } satisfies RankReply);
  }
  if (request.kind === "end") self.close();
};

// What a run tells its interface, and how it is started: plain data that crosses from the worker to the main thread,
// so no function may be in it. Types, and the stop flag, whose memory both threads share. Acts on nothing itself. May
// import types of lib/base, lib/config, lib/run and ffi/.

import type { Assets, DeviceEnvironment } from "../base/assets.ts";
import type { ThrownError } from "../base/errors.ts";
import type { ResolvedConfig } from "../config/load.ts";
import type { DeviceDescription, DevicePeak } from "../../ffi/device.ts";
import type { MetricsRecord } from "./metrics.ts";
import type { RankPlace } from "./ranks.ts";

/** Everything the trainer needs; sent to the worker once. */
export interface TrainRequest {
  /** Tells it from the other work of worker.ts. */
  readonly kind: "train";
  readonly resolved: ResolvedConfig;
  readonly assets: Assets;
  /** What a run needs of it: no secret goes to the worker. */
  readonly environment: DeviceEnvironment;
  /** Folder of the run. */
  readonly folder: string;
  /** A checkpoint to go on from, "auto" for the newest of the folder, undefined to start anew. */
  readonly resume: string | undefined;
  /** One int32, 1 once the run should stop; see StopFlag. */
  readonly stop: SharedArrayBuffer;
  /** Which of the run's ranks this is. */
  readonly place: RankPlace;
}

/** What the trainer says while it runs; ranks but the first tell of their end alone. */
export type TrainEvent =
  | {
    readonly kind: "start";
    readonly device: DeviceDescription;
    readonly peak: DevicePeak | undefined;
    readonly parameters: number;
    readonly plannedBytes: number;
    readonly steps: number;
    readonly tokensPerStep: number;
    readonly ranks: number;
    /** Steps already done by the checkpoint the run goes on from. */
    readonly from: number;
  }
  | { readonly kind: "step"; readonly record: MetricsRecord; readonly secondsLeft: number }
  | { readonly kind: "validating"; readonly step: number; readonly share: number }
  | { readonly kind: "validation"; readonly step: number; readonly loss: number; readonly line: string }
  | { readonly kind: "checkpoint"; readonly step: number; readonly path: string }
  | { readonly kind: "sample"; readonly step: number; readonly text: string }
  | { readonly kind: "note"; readonly text: string }
  | {
    readonly kind: "end";
    readonly step: number;
    readonly interrupted: boolean;
    readonly valLoss: number | undefined;
    readonly trainSeconds: number;
  }
  | { readonly kind: "failed"; readonly error: ThrownError }
  /** This rank ended because another one failed, which says why. */
  | { readonly kind: "left" };

/** The stop flag: set by the interface, read by the trainer between steps, also while no message can reach it. */
export class StopFlag {
  readonly #flag: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#flag = new Int32Array(shared);
  }

  set(): void {
    Atomics.store(this.#flag, 0, 1);
  }

  isSet(): boolean {
    return Atomics.load(this.#flag, 0) === 1;
  }
}

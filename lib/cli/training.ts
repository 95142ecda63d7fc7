// One training run from the command line's side: the trainer in a worker for each rank, its events shown, its failure thrown
// here, signals passed on, a report left in the run's folder. Serves every command that trains. Settles no configuration and
// no folder: those come in. Prints only through the view. May import lib/base, lib/config, lib/run, lib/view, neighbours.

import { join } from "@std/path";
import { InternalError, messageOf, reviveError } from "../base/errors.ts";
import type { ResolvedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { ranksOf } from "../run/devices.ts";
import type { StopFlag, TrainEvent, TrainRequest } from "../run/events.ts";
import { removeEmpty } from "../run/folder.ts";
import { placesFor } from "../run/ranks.ts";
import type { Context } from "./context.ts";
import type { TrainView } from "./train_view.ts";

/** What a run is started with. */
export interface Training {
  readonly resolved: ResolvedConfig;
  readonly folder: string;
  /** Whether the folder was made for this run. */
  readonly isNew: boolean;
  /** The checkpoint to go on from; "auto": the folder's newest. */
  readonly resume: string | undefined;
}

/** How a run ended that did not fail. */
export type TrainingEnd = Extract<TrainEvent, { kind: "end" }>;

/** What a run is trained with. */
export interface TrainingMeans {
  readonly context: Context;
  /** See StopFlag. */
  readonly stop: SharedArrayBuffer;
  readonly view: TrainView;
  /** Workers that share each step; as many GPUs as can where left out. */
  readonly ranks?: number | undefined;
  /** Hears every event after the view. */
  readonly heard?: (event: TrainEvent) => void;
}

/** Trains, in workers of its own, to the run's end or until `stop` is set. Failures are thrown. */
export async function runTraining(training: Training, means: TrainingMeans): Promise<TrainingEnd> {
  const { resolved, folder, isNew, resume } = training;
  const { context, stop, view } = means;
  const { assets, environment: { isa, emulation } } = context;
  const workers: Worker[] = [];
  try {
    const ends = placesFor(rankCount(resolved.config, context, means.ranks)).map((place) => {
      const worker = context.startWorker();
      workers.push(worker);
      const request = { resolved, assets, environment: { isa, emulation }, folder, resume, stop, place };
      return follow(worker, { kind: "train", ...request }, means);
    });
    return await Promise.race(ends);
  } finally {
    workers.forEach((worker) => worker.terminate());
    if (view.started) await leaveReport([folder], folder, assets.page, (text) => view.note(text));
    view.close();
    if (isNew) removeEmpty(folder);
  }
}

/**
 * Leaves a report of `runs` in `folder`, with the page's parts from the folder `page`. That it cannot be written is a
 * remark, never a failure of the training.
 */
export async function leaveReport(
  runs: readonly string[],
  folder: string,
  page: string,
  note: (text: string) => void,
): Promise<void> {
  try {
    const { REPORT_FILE, writeReport } = await import("../view/report.ts");
    await writeReport(runs, join(folder, REPORT_FILE), page);
  } catch (error) {
    note(`No report was left: ${messageOf(error)}`);
  }
}

/** The ranks that are asked for, or that the device and the batch make best. */
function rankCount(
  { data, device }: Config,
  { assets, environment }: Context,
  asked: number | undefined,
): number {
  const request = { ...device, libraries: assets.libraries, environment };
  return ranksOf(request, data.batchSequences / data.deviceBatchSequences, asked);
}

/** How long another rank's failure waits for the first rank to say why itself, if it can: longer than ranks meet apart. */
const FIRST_RANK_MS = 2000;

/**
 * Starts a rank's worker. The first one's events are shown until the run ends; the others have none, and end the run only by
 * failing. A rank that ended because another one failed does not end it: that one does.
 */
function follow(worker: Worker, request: TrainRequest, { view, heard }: TrainingMeans): Promise<TrainingEnd> {
  const isFirst = request.place.rank === 0;
  return new Promise((done, fail) => {
    const failed = (error: Error) => isFirst ? fail(error) : setTimeout(() => fail(error), FIRST_RANK_MS);
    worker.onmessage = ({ data: event }: MessageEvent<TrainEvent>) => {
      if (event.kind === "failed") {
        failed(reviveError(event.error));
        return;
      }
      view.show(event);
      heard?.(event);
      if (event.kind === "end") done(event);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      failed(new InternalError(`The training worker failed: ${event.message}`));
    };
    worker.postMessage(request);
  });
}

/** First SIGINT or SIGTERM: finish the step and write a checkpoint. Second: leave at once. SIGHUP: go on without a terminal. */
export function watchSignals(
  stop: Pick<StopFlag, "set" | "isSet">,
  note: (text: string) => void,
): Disposable {
  const end = () => {
    if (stop.isSet()) Deno.exit(130);
    stop.set();
    note("Stopping after this step with a checkpoint; press Ctrl-C again to leave at once");
  };
  const hangUp = () => {};
  const handlers: [Deno.Signal, () => void][] = [["SIGINT", end], ["SIGTERM", end], ["SIGHUP", hangUp]];
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}

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
  const shared = {
    kind: "train" as const,
    resolved,
    assets,
    environment: { isa, emulation },
    folder,
    resume,
    stop,
  };
  const workers: Worker[] = [];
  try {
    const requests = placesFor(rankCount(resolved.config, context, means.ranks))
      .map((place) => ({ ...shared, place }));
    workers.push(...requests.map(() => context.startWorker()));
    return await Promise.race([followFirst(workers, requests, means), othersFailure(workers, requests)]);
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

/** Starts the first rank's worker and shows its events until the run ends. Where another rank has failed, waits for ever. */
function followFirst(
  [worker]: readonly Worker[],
  [request]: readonly TrainRequest[],
  { view, heard }: TrainingMeans,
): Promise<TrainingEnd> {
  return new Promise((done, fail) => {
    listen(worker, request, fail, (event) => {
      view.show(event);
      heard?.(event);
      if (event.kind === "end") done(event);
    });
  });
}

/** Starts the other ranks' workers; rejects where one of them fails, once the first rank has had time to say why itself. */
function othersFailure(workers: readonly Worker[], requests: readonly TrainRequest[]): Promise<never> {
  return new Promise((_, fail) => {
    const later = (error: Error) => setTimeout(() => fail(error), FIRST_RANK_MS);
    workers.slice(1).forEach((worker, i) => listen(worker, requests[i + 1], later, () => {}));
  });
}

/** Long enough for a rank that waits for another to find that it has left. */
const FIRST_RANK_MS = 2000;

function listen(
  worker: Worker | undefined,
  request: TrainRequest | undefined,
  fail: (error: Error) => void,
  heard: (event: TrainEvent) => void,
): void {
  if (!worker || !request) throw new InternalError("a run has no rank");
  worker.onmessage = ({ data: event }: MessageEvent<TrainEvent>) => {
    if (event.kind === "failed") fail(reviveError(event.error));
    else heard(event);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new InternalError(`The training worker failed: ${event.message}`));
  };
  worker.postMessage(request);
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

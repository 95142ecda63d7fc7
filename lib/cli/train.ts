// nanogpt train: settles configuration and folder, starts the trainer in a worker, shows what it says, passes signals
// on. Trains nothing itself: the trainer is lib/run. Reads neither environment nor flags; both come in. May import
// lib/base, lib/config, lib/run, its neighbours and @std/path.

import { basename, dirname, resolve } from "@std/path";
import { InternalError, reviveError, UserError } from "../base/errors.ts";
import { type ConfigRequest, resolveConfig, type ResolvedConfig } from "../config/load.ts";
import { expandOut } from "../config/paths.ts";
import { StopFlag, type TrainEvent, type TrainRequest } from "../run/events.ts";
import {
  createRunFolder,
  holdsRun,
  makeWritable,
  newestRun,
  ownConfig,
  removeEmpty,
  RUN_FILES,
  runFolderOf,
} from "../run/folder.ts";
import type { Context } from "./context.ts";
import type { TrainOptions } from "./options.ts";
import { out } from "./output.ts";
import { TrainView } from "./train_view.ts";

/** Trains; returns the exit code: 0 done, 130 interrupted after a checkpoint. Failures are thrown. */
export async function train(options: TrainOptions, context: Context): Promise<number> {
  const { resolved, folder, isNew, resume } = settle(options);
  const stop = new SharedArrayBuffer(4);
  const { assets, environment: { isa } } = context;
  const request: TrainRequest = {
    kind: "train",
    resolved,
    assets,
    environment: { isa },
    folder,
    resume,
    stop,
  };
  const view = new TrainView(folder, resolved.config.schedule.steps);
  const signals = watchSignals(new StopFlag(stop), view);
  const worker = context.startWorker();
  try {
    return await follow(worker, request, view);
  } finally {
    signals.close();
    worker.terminate();
    view.close();
    if (isNew) removeEmpty(folder);
  }
}

/** What a run is started with. */
interface Settled {
  readonly resolved: ResolvedConfig;
  readonly folder: string;
  /** Whether the folder was made for this run. */
  readonly isNew: boolean;
  /** The checkpoint to go on from; "auto": the folder's newest. */
  readonly resume: string | undefined;
}

/** The configuration, the run's folder, made and writable, and what to go on from. */
function settle(options: TrainOptions): Settled {
  const { resume } = options;
  if (resume !== undefined && resume !== "auto") return settleResumed(options, resume);
  const resolved = resolveConfig(options);
  const { out: pattern } = resolved.config.run;
  const named = pattern.replaceAll("{preset}", resolved.config.preset);
  const folder = (resume && newestRun(named)) ??
    resolve(expandOut(pattern, resolved.config.preset, new Date()));
  if (!resume) {
    return { resolved, folder, isNew: createRunFolder(folder), resume };
  }
  makeWritable(folder);
  const request = resumedRequest(options, folder);
  return { resolved: request === options ? resolved : resolveConfig(request), folder, isNew: false, resume };
}

/** What a resumed run is configured by: its own configuration, where neither a file nor a preset is given. */
function resumedRequest(options: TrainOptions, folder: string): ConfigRequest {
  const given = options.file !== undefined || options.preset !== undefined;
  const own = given ? undefined : ownConfig(folder);
  return own === undefined ? options : { ...options, file: own, keepSources: true };
}

/** --resume DIR: a run's folder, or one of its checkpoints. */
function settleResumed(options: TrainOptions, path: string): Settled {
  const folder = runFolderOf(path);
  if (!holdsRun(folder)) throw new UserError(`${path} holds no run to go on with`);
  const { out: asked } = options.flags;
  if (asked !== undefined && resolve(asked) !== folder) {
    throw new UserError(
      `--resume ${path} goes on in ${folder}; leave out --out ${asked}, or give that folder to both`,
    );
  }
  makeWritable(folder);
  const isCheckpoint = basename(dirname(resolve(path))) === RUN_FILES.checkpoints;
  return {
    resolved: resolveConfig(resumedRequest(options, folder)),
    folder,
    isNew: false,
    resume: isCheckpoint ? resolve(path) : "auto",
  };
}

/** Starts the worker and shows its events until the run ends. */
function follow(worker: Worker, request: TrainRequest, view: TrainView): Promise<number> {
  return new Promise((done, fail) => {
    worker.onmessage = (message: MessageEvent<TrainEvent>) => {
      const event = message.data;
      if (event.kind === "failed") {
        fail(reviveError(event.error));
        return;
      }
      view.show(event);
      if (event.kind !== "end") return;
      view.close();
      out.line(view.summary(event));
      done(event.interrupted ? 130 : 0);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(new InternalError(`The training worker failed: ${event.message}`));
    };
    worker.postMessage(request);
  });
}

/** First SIGINT or SIGTERM: finish the step and write a checkpoint. Second: leave at once. SIGHUP: go on without a terminal. */
function watchSignals(stop: StopFlag, view: TrainView): { close(): void } {
  const end = () => {
    if (stop.isSet()) Deno.exit(130);
    stop.set();
    view.note("Stopping after this step with a checkpoint; press Ctrl-C again to leave at once");
  };
  const hangUp = () => {};
  const handlers: [Deno.Signal, () => void][] = [["SIGINT", end], ["SIGTERM", end], ["SIGHUP", hangUp]];
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    close() {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}

// nanogpt train: settles configuration and folder and has one run trained (training.ts), from its beginning or from a
// checkpoint, on a live page if asked. Trains nothing itself: the trainer is lib/run. Reads neither environment nor
// flags; both come in. May import lib/base, lib/config, lib/run, lib/view, its neighbours and @std/path.

import { basename, dirname, resolve } from "@std/path";
import { UserError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { type ConfigRequest, resolveConfig } from "../config/load.ts";
import { expandOut } from "../config/paths.ts";
import { StopFlag } from "../run/events.ts";
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
import { runTraining, type Training, watchSignals } from "./training.ts";

/** Trains; returns the exit code: 0 done, 130 interrupted after a checkpoint. Failures are thrown. */
export async function train(options: TrainOptions, context: Context): Promise<number> {
  const training = settle(options);
  const stop = new SharedArrayBuffer(4);
  const view = new TrainView(training.folder, training.resolved.config.schedule.steps);
  using _signals = watchSignals(new StopFlag(stop), (text) => view.note(text));
  await using _page = await servePage(options.serve, training, view, context);
  const end = await runTraining(training, { context, stop, view, ranks: options.ranks });
  out.line(printable(view.summary(end)));
  return end.interrupted ? 130 : 0;
}

/** The live page, if one is asked for; its address is shown. */
async function servePage(
  serve: TrainOptions["serve"],
  { folder, isNew }: Training,
  view: TrainView,
  { assets }: Context,
): Promise<AsyncDisposable | undefined> {
  if (serve === undefined) return undefined;
  const { PageServer, DEFAULT_HOST } = await import("../view/server.ts");
  const { port, host = DEFAULT_HOST } = serve;
  const note = (text: string) => view.note(text);
  try {
    const page = await PageServer.start({ folder, page: assets.page, host, port, note });
    note(`Follow the run at ${page.url}`);
    return page;
  } catch (error) {
    if (isNew) removeEmpty(folder);
    throw error;
  }
}

/** The configuration, the run's folder, made and writable, and what to go on from. */
function settle(options: TrainOptions): Training {
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
function settleResumed(options: TrainOptions, path: string): Training {
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

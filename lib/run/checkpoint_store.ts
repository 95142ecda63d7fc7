// A run's checkpoints as its trainer uses them: start from one or from the seed, save, and keep the batch that broke
// a run. Of several ranks all must make the same calls, and the first alone changes files. Decides neither when to save nor
// whether to go on; the files themselves are checkpoint.ts's. May import lib/base, lib/config's types, lib/run, the model,
// data's types and @std/path.

import { basename, dirname, join } from "@std/path";
import type { Batch, DataLoader, LoaderState } from "../../data/loader.ts";
import { DivergedError } from "../base/errors.ts";
import { writeAll } from "../base/files.ts";
import { writeSafetensors } from "../base/safetensors.ts";
import type { Config } from "../config/schema.ts";
import {
  type Checkpoint,
  checkpointPath,
  findResumable,
  listCheckpoints,
  newestIntact,
  openCheckpoint,
  restoreTensors,
  writeCheckpoint,
} from "./checkpoint.ts";
import { requireSameConfig, type TrainedConfig, trainedConfigOf } from "./checkpoint_state.ts";
import {
  initialise,
  type ModelState,
  optimiserTargets,
  parameterTargets,
  storedState,
} from "./model_state.ts";
import type { NonFinite } from "./step.ts";

/** Where the run was when the checkpoint was made, or the beginning. */
export class CheckpointStore {
  readonly #folder: string;
  readonly #keep: number;
  readonly #config: TrainedConfig;
  readonly #model: ModelState;
  readonly #loader: DataLoader;

  constructor(folder: string, config: Config, model: ModelState, loader: DataLoader) {
    this.#folder = folder;
    this.#keep = config.run.keepCheckpoints;
    this.#config = trainedConfigOf(config);
    this.#model = model;
    this.#loader = loader;
  }

  /**
   * Fills parameters, optimiser state and loader: from the checkpoint at `resume`, for "auto" from the folder's newest
   * intact one, else from the seed. Returns the step of the checkpoint, undefined where there is none; tells `note`
   * what was passed over.
   */
  async start(resume: string | undefined, note: (text: string) => void): Promise<number | undefined> {
    const checkpoint = this.#find(resume, note);
    if (!checkpoint) {
      initialise(this.#model.executor, this.#model.specs, this.#config.seed);
      return undefined;
    }
    try {
      const { state } = checkpoint;
      const current = { config: this.#config, shards: this.#loader.describeShards() };
      requireSameConfig(checkpoint.path, state, current);
      restoreTensors(checkpoint.parameters, parameterTargets(this.#model));
      restoreTensors(checkpoint.optimiser, optimiserTargets(this.#model));
      this.#model.executor.refresh();
      await this.#loader.restore(state.loader);
      this.#model.ranks.meet(); // all have opened it
      if (resume !== "auto" && this.#model.ranks.isFirst) this.#setAsideLater(state.step, note);
      note(`Resuming from ${checkpoint.path}`);
      return state.step;
    } finally {
      checkpoint.close();
    }
  }

  /** Writes the checkpoint of the state after `step` updates; returns its path. */
  save(step: number, note: (text: string) => void): string {
    return this.#write(step, this.#loader.state(), this.#keep, note);
  }

  /** As `save`, of a run that failed with its next batch at `loader`; older checkpoints all stay. */
  saveBesides(step: number, note: (text: string) => void, loader: LoaderState): string {
    return this.#write(step, loader, Number.MAX_SAFE_INTEGER, note);
  }

  #write(step: number, loader: LoaderState, keep: number, note: (text: string) => void): string {
    const stored = storedState(this.#model);
    if (!this.#model.ranks.isFirst) {
      writeSafetensors(stored.optimiser, () => {}); // gives the first rank what it reads
      return checkpointPath(this.#folder, step);
    }
    const written = writeCheckpoint(this.#folder, {
      step,
      loader,
      config: this.#config,
      shards: this.#loader.describeShards(),
      ...stored,
    }, keep);
    written.notes.forEach(note);
    return written.path;
  }

  /**
   * The error for a step that met a NaN or infinity, after saving its tokens to look into. Checkpoints after
   * `trusted` are not to be named as good.
   */
  nonFinite(found: NonFinite, batch: Batch | undefined, step: number, trusted: number): DivergedError {
    const { rank, ranks } = this.#model.ranks;
    const fileOf = (rank: number | string) => {
      const part = ranks > 1 ? `-rank-${rank}` : "";
      return join(this.#folder, `bad-batch-step-${String(step).padStart(6, "0")}${part}.safetensors`);
    };
    const where = found.microbatch === undefined ? "" : ` in microbatch ${found.microbatch}`;
    let saved = `its batch is saved in ${fileOf("*")}`;
    try {
      if (batch) saveBatch(fileOf(rank), batch);
      else saved = "it had no batch here, the run went on after it";
    } catch (error) {
      saved = `its batch could not be saved: ${error instanceof Error ? error.message : error}`;
    }
    this.#model.ranks.meet(); // every part is saved
    const last = newestIntact(this.#folder, trusted);
    return new DivergedError(
      `Step ${step} met a value that is not finite: ${found.tensor}${where}; ${saved}; training stopped, ` +
        (last === undefined ? "there is no checkpoint before it" : `the last good checkpoint is ${last}`) +
        `; lower the learning rates in a new run or use --precision fp32`,
    );
  }

  #find(resume: string | undefined, note: (text: string) => void): Checkpoint | undefined {
    if (resume === undefined) return undefined;
    if (resume !== "auto") return openCheckpoint(resume);
    const { checkpoint, notes } = findResumable(this.#folder);
    notes.forEach(note);
    if (!checkpoint) note(`${this.#folder} holds no checkpoint to go on from; starting from the beginning`);
    return checkpoint;
  }

  /**
   * Renames the run's checkpoints after `step`, which a run that goes on from there makes anew: `auto` must not mistake
   * them for its own. Nothing is deleted.
   */
  #setAsideLater(step: number, note: (text: string) => void): void {
    for (const place of listCheckpoints(this.#folder).filter((place) => place.step > step)) {
      const aside = join(
        dirname(place.path),
        `superseded-${basename(place.path)}-${crypto.randomUUID().slice(0, 8)}`,
      );
      Deno.renameSync(place.path, aside);
      note(`Set aside the later checkpoint ${place.path} as ${aside}`);
    }
  }
}

/** All microbatches of a step as `tokens` and `targets`, int32 (microbatches, rows). */
function saveBatch(path: string, { microbatches }: Batch): void {
  const rows = microbatches[0]?.tokens.length ?? 0;
  const tensors = (["tokens", "targets"] as const).map((name) => {
    const all = new Uint8Array(microbatches.length * rows * 4);
    microbatches.forEach((microbatch, m) => {
      const { buffer, byteOffset, byteLength } = microbatch[name];
      all.set(new Uint8Array(buffer, byteOffset, byteLength), m * rows * 4);
    });
    return {
      name,
      dtype: "I32" as const,
      shape: [microbatches.length, rows],
      read: (offset: number, target: Uint8Array) => target.set(all.subarray(offset, offset + target.length)),
    };
  });
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  writeSafetensors(tensors, (bytes) => writeAll(file, bytes));
}

// The training loop of a rank: batches, steps, validation, checkpoints, samples, stopping. A GPU is given a step while it
// still works on the one before, unless something must look at the model in between. All ranks decide alike, and the first
// writes files and says everything that happens as events and log lines. Prints nothing, and never trains on from numbers
// that are not finite. May import lib/base, lib/config, the model, optimisers and plan, lib/run, data/ and ffi/.

import { type Batch, DataLoader, type LoaderState } from "../../data/loader.ts";
import { ValidationReader } from "../../data/validation.ts";
import type { Device, DevicePeak } from "../../ffi/device.ts";
import { NANOGPT_GROUP_ID_BYTES as GROUP_ID_BYTES } from "../../ffi/symbols.ts";
import { InternalError, messageOf, type RunError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import type { Config } from "../config/schema.ts";
import { contextOf } from "../model/gpt.ts";
import { type ParameterSpec, parameterSpecs } from "../model/parameters.ts";
import { momentumAt, rateAt } from "../optim/schedule.ts";
import type { Rank } from "../optim/sharing.ts";
import type { Plan } from "../plan/plan.ts";
import { requireMemory, stepCost } from "../plan/report.ts";
import { CheckpointStore } from "./checkpoint_store.ts";
import { openDevice, type PlanTarget, targetOf, usableBytes } from "./devices.ts";
import { StopFlag, type TrainEvent, type TrainRequest } from "./events.ts";
import { Executor } from "./executor.ts";
import { shardsOf } from "./inputs.ts";
import type { MetricsRecord } from "./metrics.ts";
import { planRun } from "./programs.ts";
import { Ranks } from "./ranks.ts";
import { writeText } from "./sample.ts";
import { beginStep, type BegunStep, explainLoss, NonFinite, type StepResult } from "./step.ts";
import { firstBadParameter } from "./nonfinite.ts";
import { lockFolder, RunLog } from "./run_log.ts";
import { peakFlops } from "./step_times.ts";
import { validationLoss } from "./validate.ts";

type Say = (event: TrainEvent) => void;

/**
 * Trains as requested, from start to end or to an interruption; events go to `say`. Failures are thrown, among them a
 * UserError where another run has the folder; RankLeft where it is another rank's.
 */
export async function train(request: TrainRequest, say: Say): Promise<void> {
  const ranks = new Ranks(request.place);
  try {
    using _lock = ranks.isFirst ? lockFolder(request.folder) : undefined;
    await trainRank(request, ranks.isFirst ? say : () => {}, ranks);
  } catch (error) {
    ranks.leave();
    throw error;
  }
}

async function trainRank(request: TrainRequest, say: Say, ranks: Ranks): Promise<void> {
  const { resolved: { config }, assets: { libraries }, environment } = request;
  const device = openDevice({ ...config.device, libraries, environment, rank: ranks });
  try {
    const plan = planTraining(config, targetOf(device), ranks);
    requireMemory(plan, usableBytes(device.kind) / ranks.ranks);
    const data = await openData(request);
    try {
      joinGroup(device, ranks);
      const executor = new Executor(plan, device);
      try {
        const run = new TrainingRun(request, say, data, executor, ranks);
        await run.start();
      } finally {
        executor.close();
      }
    } finally {
      await data.loader.close();
      data.validation.close();
    }
  } finally {
    device.close();
  }
}

/** Makes the devices of all ranks able to exchange what lies on them. */
function joinGroup(device: Device, ranks: Ranks): void {
  if (ranks.ranks === 1) return;
  if (!device.groupId || !device.joinGroup) {
    throw new InternalError(`the ${device.kind} device knows no ranks`);
  }
  const id = ranks.isFirst ? device.groupId(ranks.ranks) : new Uint8Array(GROUP_ID_BYTES);
  ranks.share(0, id); // every rank has come this far before one waits inside a native call
  device.joinGroup(id, ranks.rank, ranks.ranks);
}

/**
 * The plan of a configuration on a device: training, validation and, when samples are wanted, prediction. On a GPU that is not
 * asked to be deterministic, kernels may add in whatever order is fastest.
 */
export function planTraining(config: Config, target: PlanTarget, rank?: Rank): Plan {
  const { model, optim, data, device, run } = config;
  return planRun({
    ...target,
    deterministic: run.deterministic,
    model,
    precision: device.precision,
    sequenceLength: data.sequenceLength,
    deviceBatchSequences: data.deviceBatchSequences,
    training: { optim, microbatches: data.batchSequences / data.deviceBatchSequences, rank },
    evaluate: true,
    predict: run.sampleEvery > 0,
  });
}

/** The open readers of a run. */
interface RunData {
  readonly loader: DataLoader;
  readonly validation: ValidationReader;
}

async function openData(request: TrainRequest): Promise<RunData> {
  const { resolved: { config: { data, model } }, place: { rank, ranks } } = request;
  const train = await shardsOf(data.train, "data.train", request.assets);
  const val = await shardsOf(data.val, "data.val", request.assets);
  const validation = await ValidationReader.open({ ...data, shards: val, vocab: model.vocab });
  const loader = await DataLoader.open({ ...data, shards: train, vocab: model.vocab, rank, ranks });
  return { loader, validation };
}

/** A step given to the device and not yet settled. */
interface StepUnderWay {
  readonly step: BegunStep;
  readonly batch: Batch;
  /** Where the loader stood before its batch. */
  readonly loader: LoaderState;
  readonly dataMs: number;
}

/** One run from its first step here to its last. */
class TrainingRun {
  readonly #config: Config;
  readonly #request: TrainRequest;
  readonly #say: Say;
  readonly #data: RunData;
  readonly #executor: Executor;
  readonly #ranks: Ranks;
  readonly #specs: readonly ParameterSpec[];
  readonly #stop: StopFlag;
  readonly #checkpoints: CheckpointStore;
  readonly #stepFlops: number;
  readonly #peak: DevicePeak | undefined;
  /** Steps settled since the beginning of the run, and the step of the newest checkpoint; -1: there is none. */
  #done = 0;
  #saved = -1;
  /** The step after them, where it has been begun. */
  #underWay: StepUnderWay | undefined;
  /** The batch of the step done last. */
  #batch: Batch | undefined;
  #valLoss: number | undefined;
  /** Whether a validation was given up because the run should stop. */
  #cutOff = false;
  /** Time spent in training steps here, evaluation, checkpoints and start-up excluded, and when it was last counted up to. */
  #trainMs = 0;
  #countedTo = 0;
  #stepsHere = 0;

  constructor(request: TrainRequest, say: Say, data: RunData, executor: Executor, ranks: Ranks) {
    this.#config = request.resolved.config;
    this.#request = request;
    this.#say = say;
    this.#data = data;
    this.#executor = executor;
    this.#ranks = ranks;
    this.#specs = parameterSpecs(this.#config.model);
    this.#stop = new StopFlag(request.stop);
    const model = { executor, specs: this.#specs, ranks };
    this.#checkpoints = new CheckpointStore(request.folder, this.#config, model, data.loader);
    this.#stepFlops = stepCost(executor.plan, this.#microbatches).flops;
    // What an emulation reaches says nothing of a chip, and measuring it takes longer than many a run on it.
    this.#peak = executor.device.describe().simulated ? undefined : executor.device.measurePeak();
  }

  /** Of a step, on this rank. */
  get #microbatches(): number {
    const { batchSequences, deviceBatchSequences } = this.#config.data;
    return batchSequences / deviceBatchSequences / this.#ranks.ranks;
  }

  get #tokensPerStep(): number {
    return this.#config.data.batchSequences * this.#config.data.sequenceLength;
  }

  /** Fills parameters from the seed or a checkpoint, opens the log and trains to the end. */
  async start(): Promise<void> {
    const { resume, resolved, folder } = this.#request;
    this.#saved = await this.#checkpoints.start(resume, (text) => this.#note(text)) ?? -1;
    this.#done = Math.max(0, this.#saved);
    using log = this.#ranks.isFirst ? new RunLog(folder, resolved, this.#done) : undefined;
    this.#sayStart();
    await this.#catchUp(log);
    await this.#loop(log);
  }

  /** The validation of the checkpoint's own step, where the run was stopped in the middle of it. */
  async #catchUp(log: RunLog | undefined): Promise<void> {
    const record = log?.resumed;
    this.#valLoss = record?.valLoss;
    const isOwed = record !== undefined && record.valLoss === undefined &&
      this.#due(this.#config.run.valEvery);
    if (this.#ranks.any(isOwed)) {
      const loss = await this.#validate(log);
      if (record && loss !== undefined) log.amend({ ...record, valLoss: loss });
    } else if (record && this.#done === this.#config.schedule.steps) {
      this.#note("The run is finished already; there is nothing left to do");
    }
  }

  #note(text: string): void {
    this.#say({ kind: "note", text });
  }

  #sayStart(): void {
    this.#say({
      kind: "start",
      device: this.#executor.device.describe(),
      peak: this.#peak,
      parameters: this.#specs.reduce((sum, spec) => sum + elementCount(spec.shape), 0),
      plannedBytes: this.#executor.plan.plannedBytes,
      steps: this.#config.schedule.steps,
      tokensPerStep: this.#tokensPerStep,
      ranks: this.#ranks.ranks,
      from: this.#done,
    });
  }

  async #loop(log: RunLog | undefined): Promise<void> {
    const { steps } = this.#config.schedule;
    while (this.#begun < steps && !this.#ranks.any(this.#stop.isSet())) {
      const next = await this.#begin(log);
      await this.#settle(log); // the step before, where the device runs ahead
      this.#underWay = next;
      if (!this.#executor.runsAhead || this.#pausesAfter(this.#begun)) await this.#settle(log);
    }
    await this.#settle(log);
    const interrupted = this.#done < steps || this.#cutOff;
    if (this.#saved !== this.#done) this.#checkpoint();
    const { step, valLoss } = { step: this.#done, valLoss: this.#valLoss };
    if (interrupted) log?.line(`step:${step}/${steps} interrupted`);
    this.#say({ kind: "end", step, interrupted, valLoss, trainSeconds: this.#trainMs / 1000 });
  }

  /** Steps begun since the beginning of the run. */
  get #begun(): number {
    return this.#done + (this.#underWay ? 1 : 0);
  }

  /** Whether something that looks at the model is due after a step, so that the next must not have begun. */
  #pausesAfter(step: number): boolean {
    const { valEvery, checkpointEvery, sampleEvery } = this.#config.run;
    return [valEvery, checkpointEvery, sampleEvery].some((every) => this.#due(every, step));
  }

  /** Whether something done every so many steps, and at the end, is due after a step. */
  #due(every: number, step: number = this.#done): boolean {
    return step === this.#config.schedule.steps || (every > 0 && step % every === 0);
  }

  /** Gives the next step to the device. */
  async #begin(log: RunLog | undefined): Promise<StepUnderWay> {
    const { optim, schedule } = this.#config;
    const started = performance.now();
    if (!this.#underWay) this.#countedTo = started;
    const loader = this.#data.loader.state();
    const batch = await this.#keeping(log, () => this.#ranks.together(() => this.#data.loader.next()));
    const dataMs = performance.now() - started;
    const context = { executor: this.#executor, specs: this.#specs, ranks: this.#ranks, optim, schedule };
    return { step: beginStep(context, batch, this.#begun), batch, loader, dataMs };
  }

  /** Waits for the step under way, if there is one, and does what is due after it. */
  async #settle(log: RunLog | undefined): Promise<void> {
    if (!this.#underWay) return;
    const record = this.#finish(this.#underWay);
    const { valEvery, checkpointEvery, sampleEvery } = this.#config.run;
    try {
      log?.training(record, this.#trainMs, this.#stepsHere);
      const valLoss = this.#due(valEvery) ? await this.#validate(log) : undefined;
      if (valLoss !== undefined) record.valLoss = valLoss;
    } finally {
      log?.record(record); // with the validation, if there was one
    }
    const stepsLeft = this.#config.schedule.steps - this.#done;
    this.#say({ kind: "step", record, secondsLeft: this.#trainMs / this.#stepsHere * stepsLeft / 1000 });
    if (log && sampleEvery > 0 && this.#done % sampleEvery === 0) this.#sample(log);
    if (this.#due(checkpointEvery)) this.#checkpoint();
  }

  /** The record of the step under way, which is no more. */
  #finish({ step, batch, loader, dataMs }: StepUnderWay): MetricsRecord {
    const { optim, schedule } = this.#config;
    const t = this.#done;
    this.#underWay = undefined;
    let result: StepResult;
    try {
      result = step.settle();
    } catch (error) {
      if (!(error instanceof NonFinite)) throw error;
      throw this.#nonFinite(error, batch, t + 1, loader);
    }
    this.#batch = batch;
    const now = performance.now();
    const stepMs = now - this.#countedTo;
    this.#countedTo = now;
    this.#done++;
    this.#stepsHere++;
    this.#trainMs += stepMs;
    return {
      step: this.#done,
      trainLoss: result.loss,
      lrScale: rateAt(schedule, t),
      momentum: momentumAt(optim, t),
      tokensPerSecond: this.#tokensPerStep / stepMs * 1000,
      peakShare: this.#peakShare(stepMs),
      stepMs,
      phaseMs: { data: dataMs, ...result.phaseMs },
    };
  }

  #peakShare(stepMs: number): number | null {
    if (!this.#peak) return null;
    return this.#stepFlops / (stepMs / 1000) / peakFlops(this.#peak, this.#config.device.precision);
  }

  /** The validation loss; undefined where it was given up because the run should stop. */
  async #validate(log: RunLog | undefined): Promise<number | undefined> {
    const hooks = {
      stop: () => this.#stop.isSet(),
      progress: (share: number) => this.#say({ kind: "validating", step: this.#done, share }),
    };
    const loss = await this.#keeping(
      log,
      () => validationLoss(this.#executor, this.#data.validation, hooks, this.#ranks),
    );
    this.#cutOff = loss === undefined;
    if (loss === undefined) return undefined;
    if (!Number.isFinite(loss)) {
      const context = { executor: this.#executor, specs: this.#specs };
      const found = new NonFinite(
        this.#ranks.shareText(0, () => explainLoss(context, "evaluate", loss)),
        false,
      );
      throw this.#nonFinite(found, this.#batch, this.#done, this.#data.loader.state());
    }
    this.#valLoss = loss;
    const line = log?.validation(this.#done, loss, this.#trainMs, this.#stepsHere);
    if (line !== undefined) this.#say({ kind: "validation", step: this.#done, loss, line });
    return loss;
  }

  #sample(log: RunLog): void {
    const { model, run, data } = this.#config;
    const text = writeText(this.#executor, {
      context: contextOf(model, data.sequenceLength),
      model,
      prompt: "",
      tokens: 64,
      temperature: 0.8,
      topK: 50,
      seed: run.seed,
    });
    log.sample(this.#done, text);
    this.#say({ kind: "sample", step: this.#done, text });
  }

  /**
   * The error for a value that is not finite, met in `step`. Unless the parameters are spoiled too, the steps done so
   * far are in a checkpoint then, with the next batch at `loader`.
   */
  #nonFinite(found: NonFinite, batch: Batch | undefined, step: number, loader: LoaderState): RunError {
    const whole = this.#badParameter() === undefined;
    if (whole && !found.updated && this.#done > 0 && this.#saved !== this.#done) {
      try {
        this.#tellSaved(this.#checkpoints.saveBesides(this.#done, (text) => this.#note(text), loader));
      } catch (error) {
        this.#note(messageOf(error));
      }
    }
    // What `step` itself began from is good, unless it is these very parameters and they are spoiled.
    const trusted = whole || found.updated ? this.#done : this.#done - 1;
    return this.#checkpoints.nonFinite(found, batch, step, trusted);
  }

  #badParameter(): string | undefined {
    return firstBadParameter(this.#executor, this.#specs.map(({ name }) => name));
  }

  /** Does what the data can make fail; the steps begun so far are then in a checkpoint before it is thrown. */
  async #keeping<T>(log: RunLog | undefined, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      await this.#settle(log);
      if (this.#done > 0 && this.#saved !== this.#done) this.#checkpoint();
      throw error;
    }
  }

  /** Writes a checkpoint, but never of a model that is broken: resuming would take it for the newest good one. */
  #checkpoint(): void {
    const bad = this.#badParameter();
    if (bad !== undefined) {
      const found = new NonFinite(`parameter ${bad}`, false);
      throw this.#nonFinite(found, this.#batch, this.#done, this.#data.loader.state());
    }
    this.#tellSaved(this.#checkpoints.save(this.#done, (text) => this.#note(text)));
  }

  #tellSaved(path: string): void {
    this.#saved = this.#done;
    this.#say({ kind: "checkpoint", step: this.#done, path });
  }
}

// The built-in presets, and the values of run and device where a preset leaves them alone. The numbers and nothing
// else; their types and limits are in schema.ts, and what else may be given on top of a preset in load.ts. May import
// types of schema.ts only.

import type { Config, PresetName } from "./schema.ts";

/** A preset: one line about it, all of model, data, optim and schedule, and what it says of the run. */
export interface Preset {
  readonly about: string;
  readonly values: Pick<Config, "model" | "data" | "optim" | "schedule"> & {
    readonly run: Partial<Config["run"]>;
  };
}

/** The values that stand where no preset, file or flag says otherwise. */
export const DEFAULTS: Pick<Config, "run" | "device"> = {
  run: {
    seed: 1337,
    valEvery: 125,
    checkpointEvery: 0,
    keepCheckpoints: 2,
    sampleEvery: 0,
    deterministic: false,
    out: "runs/{preset}-{date}",
  },
  device: { kind: "auto", precision: "bf16", threads: 0, pin: false, gemm: "builtin" },
};

/** Modded-NanoGPT's record of 2024-11-19: FineWeb validation loss 3.2783 in 5.03 minutes on 8xH100. */
const RECORD: Preset["values"] = {
  model: {
    layers: 12,
    heads: 6,
    dim: 768,
    vocab: 50304,
    window: 1024,
    eos: 50256,
    softcap: 30,
    ropeBase: 10000,
    normEps: 0.0078125,
  },
  data: {
    train: "data/fineweb10B/fineweb_train_*.bin",
    val: "data/fineweb10B/fineweb_val_*.bin",
    sequenceLength: 65536,
    batchSequences: 8,
    deviceBatchSequences: 1,
    valTokens: 10485760,
  },
  optim: {
    embedLr: 0.6,
    headLr: 0.008,
    scalarLr: 0.04,
    muonLr: 0.04,
    momentumStart: 0.85,
    momentumEnd: 0.95,
    momentumWarmupSteps: 500,
    beta1: 0.9,
    beta2: 0.95,
    adamEps: 1e-8,
    nsSteps: 5,
  },
  schedule: { steps: 1875, warmupSteps: 0, warmdownSteps: 562 },
  run: { seed: 1337, valEvery: 125 },
};

const BUILTIN_CORPUS = { train: "builtin:train", val: "builtin:val" };

/** The presets by name. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  sample: {
    about: "A small model on the built-in corpus: minutes on two cores",
    values: {
      model: { ...RECORD.model, layers: 4, heads: 2, dim: 256, window: 512 },
      data: {
        ...BUILTIN_CORPUS,
        sequenceLength: 2048,
        batchSequences: 2,
        deviceBatchSequences: 2,
        valTokens: 184320,
      },
      // A third of the record's rates: the batch is 128 times smaller.
      optim: {
        ...RECORD.optim,
        embedLr: 0.2,
        headLr: 0.003,
        scalarLr: 0.015,
        muonLr: 0.015,
        momentumWarmupSteps: 53,
      },
      schedule: { ...RECORD.schedule, steps: 200, warmdownSteps: 60 },
      run: { seed: 1337, valEvery: 100, checkpointEvery: 100 },
    },
  },
  tiny: {
    about: "A toy on the built-in corpus: seconds, for tests",
    values: {
      model: { ...RECORD.model, layers: 2, heads: 2, dim: 64, window: 32 },
      data: {
        ...BUILTIN_CORPUS,
        sequenceLength: 64,
        batchSequences: 4,
        deviceBatchSequences: 1,
        valTokens: 2048,
      },
      optim: { ...RECORD.optim, momentumWarmupSteps: 8 },
      schedule: { ...RECORD.schedule, steps: 12, warmdownSteps: 4 },
      run: { seed: 1337, valEvery: 6 },
    },
  },
  "speedrun-2024-11-19": {
    about: "The speedrun's record of 2024-11-19: 124M parameters on FineWeb",
    values: RECORD,
  },
  "speedrun-1.5b": {
    about: "The recipe at 1.5B parameters on FineWeb; its learning rates are those of the 124M record, " +
      "unproven at this size",
    values: {
      model: { ...RECORD.model, layers: 52, heads: 12, dim: 1536, window: 1024 },
      data: {
        ...RECORD.data,
        sequenceLength: 1024,
        batchSequences: 480,
        deviceBatchSequences: 12,
        valTokens: 10420224,
      },
      optim: RECORD.optim,
      schedule: { ...RECORD.schedule, steps: 20344, warmdownSteps: 5812 },
      run: RECORD.run,
    },
  },
};

// The presets, number by number: a changed one must be changed here too. And the ready-made files in configs/.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { resolveConfig } from "../../lib/config/load.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { type Config, PRESET_NAMES, type PresetName } from "../../lib/config/schema.ts";
import { ROOT } from "../cli/command.ts";

const RECORD = {
  model: {
    layers: 12,
    heads: 6,
    dim: 768,
    vocab: 50304,
    window: 1024,
    eos: 50256,
    softcap: 30,
    ropeBase: 10000,
    normEps: 2 ** -7,
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
} as const;

const BUILTIN = { train: "builtin:train", val: "builtin:val" };
const FINEWEB = {
  train: "data/fineweb10B/fineweb_train_*.bin",
  val: "data/fineweb10B/fineweb_val_*.bin",
};

const EXPECTED: Record<PresetName, Config> = {
  sample: {
    ...RECORD,
    preset: "sample",
    model: { ...RECORD.model, layers: 4, heads: 2, dim: 256, window: 512 },
    data: { ...BUILTIN, sequenceLength: 2048, batchSequences: 2, deviceBatchSequences: 2, valTokens: 184320 },
    optim: {
      ...RECORD.optim,
      embedLr: 0.2,
      headLr: 0.003,
      scalarLr: 0.015,
      muonLr: 0.015,
      momentumWarmupSteps: 53,
    },
    schedule: { steps: 200, warmupSteps: 0, warmdownSteps: 60 },
    run: { ...RECORD.run, valEvery: 100, checkpointEvery: 100 },
  },
  tiny: {
    ...RECORD,
    preset: "tiny",
    model: { ...RECORD.model, layers: 2, heads: 2, dim: 64, window: 32 },
    data: { ...BUILTIN, sequenceLength: 64, batchSequences: 4, deviceBatchSequences: 1, valTokens: 2048 },
    optim: { ...RECORD.optim, momentumWarmupSteps: 8 },
    schedule: { steps: 12, warmupSteps: 0, warmdownSteps: 4 },
    run: { ...RECORD.run, valEvery: 6 },
  },
  "speedrun-2024-11-19": {
    ...RECORD,
    preset: "speedrun-2024-11-19",
    data: {
      ...FINEWEB,
      sequenceLength: 65536,
      batchSequences: 8,
      deviceBatchSequences: 1,
      valTokens: 10485760,
    },
    schedule: { steps: 1875, warmupSteps: 0, warmdownSteps: 562 },
  },
  "speedrun-1.5b": {
    ...RECORD,
    preset: "speedrun-1.5b",
    model: { ...RECORD.model, layers: 52, heads: 12, dim: 1536 },
    data: {
      ...FINEWEB,
      sequenceLength: 1024,
      batchSequences: 480,
      deviceBatchSequences: 12,
      valTokens: 10420224,
    },
    schedule: { steps: 20344, warmupSteps: 0, warmdownSteps: 5812 },
  },
};

for (const preset of PRESET_NAMES) {
  Deno.test(`preset ${preset} has the stated values`, () => {
    assertEquals(resolveConfig({ preset }).config, EXPECTED[preset]);
  });
}

Deno.test("the large preset says that its rates are unproven", () => {
  assertStringIncludes(PRESETS["speedrun-1.5b"].about, "unproven");
});

Deno.test("every file in configs/ is a right configuration", () => {
  const folder = join(ROOT, "configs");
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
  assert(names.length > 0, "expected files in configs/");
  for (const name of names) {
    const { config, sources } = resolveConfig({ file: join(folder, name) });
    assertEquals(sources["preset"], join(folder, name), `${name} names its preset`);
    assert(PRESET_NAMES.includes(config.preset));
  }
});

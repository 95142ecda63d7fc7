// Steps of a small model on the emulated GPU, whose work is done as late as a wait allows: a step is begun while the one
// before is under way, and nothing in it waits; the numbers are those of steps one by one; what is not finite is told by
// its own step and leaves the model as it was. The same rules on the reference device, where a step is done when begun.

import { LONE, Ranks } from "../../lib/run/ranks.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Batch } from "../../data/loader.ts";
import type { Device } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { tensorBytes } from "../../lib/plan/plan.ts";
import { targetOf } from "../../lib/run/devices.ts";
import { Executor } from "../../lib/run/executor.ts";
import { initialise } from "../../lib/run/model_state.ts";
import { planRun } from "../../lib/run/programs.ts";
import { beginStep, NonFinite } from "../../lib/run/step.ts";
import { someTokens } from "../cli/small_run.ts";
import { NO_EMULATED, openEmulated } from "../ffi/gpu_devices.ts";

const { model, optim, schedule } = PRESETS.tiny.values;
const MODEL = { ...model, vocab: 256, eos: 0, dim: 16, window: 8 };
const SPECS = parameterSpecs(MODEL);
const [STEPS, MICROBATCHES, T] = [6, 3, 16];
/** A token that only microbatch 1 of step 3 has. */
const RARE = 255;

const BATCHES: readonly Batch[] = Array.from({ length: STEPS }, (_, t) => ({
  microbatches: Array.from({ length: MICROBATCHES }, (_, m) => {
    const tokens = Int32Array.from(someTokens(T + 1, 100 * t + m), (token) => token % RARE);
    if (t === 3 && m === 1) tokens[5] = RARE;
    return { tokens: tokens.subarray(0, T), targets: tokens.subarray(1) };
  }),
}));

/** A model at its start, and its steps. */
class Training {
  readonly executor: Executor;

  constructor(readonly device: Device, precision: "fp32" | "bf16" = "fp32") {
    const training = { optim, microbatches: MICROBATCHES };
    const sizes = { sequenceLength: T, deviceBatchSequences: 1, training };
    const plan = planRun({ ...targetOf(device), model: MODEL, precision, ...sizes });
    this.executor = new Executor(plan, device);
    initialise(this.executor, SPECS, 1337);
  }

  begin(t: number) {
    const batch = BATCHES[t];
    assert(batch);
    const ranks = new Ranks(LONE);
    return beginStep({ executor: this.executor, specs: SPECS, ranks, optim, schedule }, batch, t);
  }

  /** Every bit of parameters and optimiser state. */
  bits(): Uint8Array[] {
    const kept = [...this.executor.plan.lasting.values()]
      .filter(({ kind, name }) => kind === "parameter" || kind === "optimiser" && name !== "flags");
    return kept.map((tensor) => {
      const bytes = new Uint8Array(tensorBytes(tensor));
      this.executor.readBytes(tensor.name, 0, bytes);
      return bytes;
    });
  }

  /** Makes a parameter something else from some row on, in the order of the steps. */
  spoil(name: string, value: number, row = 0): void {
    const spec = SPECS.find((spec) => spec.name === name);
    assert(spec);
    const [, columns = 1] = spec.shape;
    const first = row * columns;
    this.executor.write(name, new Float32Array(elementCount(spec.shape) - first).fill(value), first);
    this.executor.refresh();
  }

  close(): void {
    this.executor.close();
    this.device.close();
  }
}

/** An emulated GPU of the kind of seed that does only what a wait needs. */
const late = () => openEmulated({ seed: 1 });

Deno.test("a step is begun without a wait, settled by one, and its numbers are those of steps one by one", {
  ignore: NO_EMULATED,
}, () => {
  const single = new Training(openEmulated());
  const expected = Array.from({ length: STEPS }, (_, t) => single.begin(t).settle().loss);
  const bits = single.bits();
  single.close();

  const device = late();
  const run = new Training(device);
  const waitsOf = (action: () => void): number => {
    const before = device.waits();
    action();
    return device.waits() - before;
  };
  device.sync();
  const losses: number[] = [], settled: number[] = [];
  let before = run.begin(0);
  const settle = () => settled.push(waitsOf(() => losses.push(before.settle().loss)));
  for (let t = 1; t < STEPS; t++) {
    let next = before;
    assertEquals(waitsOf(() => next = run.begin(t)), 0, `step ${t} waits for nothing`);
    settle();
    before = next;
  }
  settle();
  assertEquals(losses, expected);
  assertEquals(run.bits(), bits);
  assertEquals(settled, new Array(STEPS).fill(1));
  run.close();
});

Deno.test("a loss that is not finite halts its update and those begun since, and is told by its own step", {
  ignore: NO_EMULATED,
}, async (t) => {
  const cases = [
    { name: "a NaN in a row that one microbatch reads", parameter: "embed.weight", value: NaN, row: RARE },
    { name: "a product that overflows", parameter: "blocks.0.attn.v.weight", value: 3e38, row: 0 },
  ];
  for (const { name, parameter, value, row } of cases) {
    await t.step(name, () => {
      const run = new Training(late());
      run.begin(0).settle();
      run.begin(1).settle();
      const second = run.begin(2);
      run.spoil(parameter, value, row);
      const bits = run.bits();
      const bad = run.begin(3), behind = run.begin(4);
      assert(Number.isFinite(second.settle().loss));
      const error = assertThrows(() => bad.settle(), NonFinite);
      assertEquals([error.updated, error.microbatch], [false, row === RARE ? 1 : 0]);
      if (row === RARE) assertEquals(error.tensor, "parameter embed.weight");
      else assert(/^\S+ of \w+\(.*\)$/.test(error.tensor), error.tensor);
      assertEquals(run.bits(), bits, "as before the step");
      if (row === RARE) assert(Number.isFinite(behind.settle().loss), "a step that might have gone on");
      assertEquals(run.bits(), bits);
      run.close();
    });
  }
});

Deno.test("where calls run to their end a step is done when begun, and a bad loss halts it all the same", () => {
  const run = new Training(new ReferenceDevice());
  assertEquals(run.executor.runsAhead, false);
  const first = run.begin(0);
  const bits = run.bits();
  const { loss, phaseMs } = first.settle();
  assert(loss > 0 && Object.keys(phaseMs).join() === "accumulate,update");
  assertEquals(run.bits(), bits);
  run.spoil("embed.weight", NaN, RARE);
  const spoilt = run.bits();
  assert(Number.isFinite(run.begin(1).settle().loss));
  assert(run.bits().some((bytes, i) => bytes.some((byte, at) => byte !== spoilt[i]?.[at])));
  const before = run.bits();
  const error = assertThrows(() => run.begin(3).settle(), NonFinite);
  assertEquals([error.tensor, error.updated, error.microbatch], ["parameter embed.weight", false, 1]);
  assertEquals(run.bits(), before);
  run.close();
});

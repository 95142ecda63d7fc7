// A run against the stored loss curve: what passes, each way of failing, incomplete runs, bad files. Imports lib/run,
// lib/config and lib/base.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { configText, resolveConfig } from "../../lib/config/load.ts";
import {
  checkCurve,
  compareCurve,
  curveLines,
  type LossCurve,
  readCurve,
  type SeriesName,
} from "../../lib/run/curve.ts";
import { MetricsLog, type MetricsRecord } from "../../lib/run/metrics.ts";

const FILE = "tests/golden/sample-curve.json";
const CURVE = readCurve(FILE);

/** The run that a series describes, its training losses changed by `change`. */
function runOf(
  curve: LossCurve,
  series: SeriesName,
  change = (loss: number, _step: number) => loss,
): MetricsRecord[] {
  const validations = new Map(curve[series].valLoss);
  return curve[series].trainLoss.map((loss, i) => {
    const valLoss = validations.get(i + 1);
    const rest = { lrScale: 1, momentum: 0.9, tokensPerSecond: 1, peakShare: null, stepMs: 1, phaseMs: {} };
    return {
      step: i + 1,
      trainLoss: change(loss, i + 1),
      ...rest,
      ...(valLoss !== undefined && { valLoss }),
    };
  });
}

Deno.test("compareCurve() passes the curve's own run", () => {
  for (const series of ["bf16", "fp32"] as const) {
    const result = compareCurve(runOf(CURVE, series), CURVE, series);
    assertEquals([result.verdict, result.windows, result.missing], ["PASS", 181, []]);
    assertEquals(result.validations.map(({ step }) => step), [100, 200]);
    assertEquals(result.worst?.comparison.difference, 0);
  }
});

Deno.test("compareCurve() finds the worst window and averages over it", () => {
  // One step off by 0.18 is 0.009 in the mean of 20: within the mark of 0.01. 0.22 is not.
  const off = (by: number) => runOf(CURVE, "bf16", (loss, step) => step === 50 ? loss + by : loss);
  assertEquals(compareCurve(off(0.18), CURVE, "bf16").verdict, "PASS");
  const { verdict, worst } = compareCurve(off(-0.22), CURVE, "bf16");
  assertEquals(verdict, "FAIL");
  assert(worst !== undefined && worst.first <= 50 && worst.last >= 50 && worst.last - worst.first === 19);
  assert(Math.abs(worst.comparison.difference - 0.011) < 1e-9); // sums of 20 losses: rounding near 1e-15
});

Deno.test("compareCurve() fails a drift of the last window alone, and one validation", () => {
  const late = compareCurve(
    runOf(CURVE, "fp32", (loss, step) => step === 200 ? loss + 1 : loss),
    CURVE,
    "fp32",
  );
  assertEquals([late.verdict, late.worst?.first, late.worst?.last], ["FAIL", 181, 200]);
  const records = runOf(CURVE, "fp32").map((record) => ({
    ...record,
    ...(record.valLoss !== undefined && record.step === 100 && { valLoss: record.valLoss + 0.02 }),
  }));
  const result = compareCurve(records, CURVE, "fp32");
  assertEquals(result.validations.map(({ comparison }) => comparison.pass), [false, true]);
  assertEquals([result.verdict, result.worst?.comparison.pass], ["FAIL", true]);
});

Deno.test("compareCurve() fails a NaN in training or validation loss", () => {
  const training = compareCurve(runOf(CURVE, "bf16", (loss, step) => step === 7 ? NaN : loss), CURVE, "bf16");
  assertEquals([training.verdict, training.worst?.first], ["FAIL", 1]);
  const records = runOf(CURVE, "bf16").map((record) => ({
    ...record,
    ...(record.step === 200 && { valLoss: NaN }),
  }));
  assertEquals(compareCurve(records, CURVE, "bf16").verdict, "FAIL");
});

Deno.test("compareCurve() calls a run incomplete that is short, has gaps, repeats or goes on too long", () => {
  const whole = runOf(CURVE, "bf16");
  const [first] = whole;
  assert(first !== undefined);
  const cases: [MetricsRecord[], number, string][] = [
    [[], 0, "200 of 200 steps, the first is 1"],
    [whole.slice(0, 19), 0, "181 of 200 steps, the first is 20"],
    [whole.slice(0, 20), 1, "180 of 200 steps"],
    [whole.slice(0, 199), 180, "no validation loss at step 200"],
    [whole.filter(({ step }) => step !== 90), 161, "1 of 200 steps, the first is 90"],
    [[...whole, first], 181, "1 steps stand there twice"],
    [[...whole, { ...first, step: 201 }], 181, "1 steps that the curve of 200 steps does not have"],
    [whole.map(({ valLoss: _, ...record }) => record), 181, "no validation loss at step 100"],
  ];
  for (const [records, windows, problem] of cases) {
    const result = compareCurve(records, CURVE, "bf16");
    assertEquals([result.verdict, result.windows], ["FAIL", windows], problem);
    assertEquals(result.worst === undefined, windows === 0);
    assertStringIncludes(result.missing.join("; "), problem);
    assertStringIncludes(curveLines(result).join("\n"), "Incomplete: ");
  }
});

Deno.test("curveLines() states worst window, validations and verdict", () => {
  const lines = curveLines(compareCurve(runOf(CURVE, "bf16", (loss) => loss + 0.25), CURVE, "bf16"));
  assertEquals(lines[0], "Against the bf16 series");
  assertStringIncludes(lines[1] ?? "", "Worst of 181 windows of 20 steps: steps ");
  assertStringIncludes(lines[1] ?? "", "difference 0.2500, mark 0.01: fail");
  assertEquals(
    lines[3],
    "Validation at step 200: loss 5.1254, expected 5.1254, difference 0.0000, mark 0.01: pass",
  );
  assertEquals(lines.at(-1), "FAIL");
});

function inFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "curve_" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("checkCurve() takes the series of the run's own precision", () =>
  inFolder((folder) => {
    const log = new MetricsLog(join(folder, "metrics.jsonl"), 0);
    runOf(CURVE, "fp32").forEach((record) => log.append(record));
    log.close();
    const series = (flags: { device: string; precision?: string }) => {
      const resolved = resolveConfig({ preset: "sample", flags });
      Deno.writeTextFileSync(join(folder, "config.json"), configText(resolved));
      return checkCurve(FILE, folder).series;
    };
    assertEquals(series({ device: "cpu", precision: "fp32" }), "fp32");
    assertEquals(series({ device: "cpu", precision: "bf16" }), "bf16");
    assertEquals(series({ device: "reference" }), "fp32");
    assertEquals(checkCurve(FILE, folder).worst?.comparison.difference, 0);
  }));

Deno.test("checkCurve() and readCurve() refuse what is no run and no curve", () =>
  inFolder((folder) => {
    const path = join(folder, "curve.json");
    assertThrows(() => readCurve(path), UserError, "there is no such file");
    assertThrows(() => checkCurve(FILE, folder), UserError, "Cannot read the run's configuration");
    const good = JSON.parse(Deno.readTextFileSync(FILE));
    const cases: [unknown, string][] = [
      [[], "it is no object"],
      [{ ...good, marks: undefined }, "it has no marks"],
      [{ ...good, marks: { window20: 0, val: 1 } }, "must be positive"],
      [{ ...good, marks: { window20: null, val: 1 } }, "must be positive"],
      [{ ...good, fp32: undefined }, "fp32.trainLoss is no list"],
      [{ ...good, bf16: { ...good.bf16, trainLoss: [1, 2] } }, "at least 20"],
      [{ ...good, bf16: { ...good.bf16, trainLoss: good.bf16.trainLoss.map(String) } }, "bf16.trainLoss"],
      [{ ...good, bf16: { ...good.bf16, valLoss: [] } }, "bf16.valLoss is no list"],
      [{ ...good, bf16: { ...good.bf16, valLoss: [[1]] } }, "expected [step, loss]"],
    ];
    for (const [value, message] of cases) {
      Deno.writeTextFileSync(path, JSON.stringify(value));
      assertThrows(() => readCurve(path), UserError, message);
    }
    Deno.writeTextFileSync(path, "no JSON");
    assertThrows(() => readCurve(path), UserError, "Cannot read the loss curve");
  }));

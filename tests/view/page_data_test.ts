// What a page is given of a run: few enough rows that keep every column's extremes, means that smooth as all records do,
// text of the configuration, memory by use; and the ticks and figures made from it.

import { assert, assertEquals, assertLess, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { resolveConfig } from "../../lib/config/load.ts";
import { momentumAt, rateAt } from "../../lib/optim/schedule.ts";
import { reportPlan } from "../../lib/plan/report.ts";
import { planTraining } from "../../lib/run/trainer.ts";
import { columnCurve, scheduleCurves, smoothedLoss } from "../../lib/view/page_curves.ts";
import { viewRun } from "../../lib/view/page_data.ts";
import type { Numbers, RunView } from "../../lib/view/page_model.ts";
import { readRun } from "../../lib/view/run_data.ts";
import { smooth } from "../../lib/view/smooth.ts";
import { lossFigure } from "../../lib/view/svg.ts";
import { formatTick, formatTimeTick, linearTicks, logTicks, timeTicks } from "../../lib/view/ticks.ts";
import { madeRecords, type MadeRun, makeRun } from "./made_run.ts";

function viewOf(run: MadeRun, change: (folder: string) => void = () => {}): RunView {
  const folder = Deno.makeTempDirSync();
  try {
    makeRun(join(folder, "made"), run);
    change(join(folder, "made"));
    return viewRun(readRun(join(folder, "made")), false);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function extremes(values: readonly (number | null | undefined)[]): [number, number] {
  const numbers = values.filter((value) => typeof value === "number");
  return [Math.min(...numbers), Math.max(...numbers)];
}

Deno.test("viewRun() gives all records of a run of 2,000 steps, and its configuration with sources", () => {
  const { table, means, config, records, steps, tokensPerStep, memory } = viewOf({
    records: 2000,
    sets: ["optim.muonLr=0.025"],
  });
  assertEquals([table.step.length, records, steps, means, tokensPerStep], [2000, 2000, 2000, null, 256]);
  const value = (key: string) =>
    config.filter((entry) => entry.key === key).map(({ value, source }) => [value, source]);
  assertEquals(value("preset"), [["tiny", "default"]].map(([name]) => [name, value("preset")[0]?.[1]]));
  assertEquals(value("optim.muonLr"), [["0.025", "--set"]]);
  assertEquals(value("model.dim"), [["64", "preset tiny"]]);
  const plan = planTraining(resolveConfig({ preset: "tiny" }).config, { kind: "cpu" });
  assertEquals(memory, reportPlan(plan, 4).bytesByUse.map(({ use, bytes }) => ({ use, bytes })));
});

Deno.test("viewRun() keeps of 30,000 records the extremes of every column, in rows that are records", () => {
  const { table, records } = viewOf({ records: 30_000 });
  const all = madeRecords(30_000);
  assertEquals(records, 30_000);
  assertLess(table.step.length, 8000);
  const columns: [Numbers, (record: (typeof all)[number]) => number | null | undefined][] = [
    [table.trainLoss, (record) => record.trainLoss],
    [table.valLoss, (record) => record.valLoss],
    [table.tokensPerSecond, (record) => record.tokensPerSecond],
    [table.stepMs, (record) => record.stepMs],
    [table.phases[1]?.ms ?? [], (record) => record.phaseMs["accumulate"]],
  ];
  for (const [column, of] of columns) {
    assertEquals(extremes(column), extremes(all.map(of)).map((value) => Number(value.toPrecision(7))));
    column.forEach((value, row) => {
      const record = all[(table.step[row] ?? 0) - 1];
      const expected = record && of(record);
      assertEquals(value, typeof expected === "number" ? Number(expected.toPrecision(7)) : null);
    });
  }
});

Deno.test("smoothedLoss() of a run that is not sent whole follows the smoothing of all its records", () => {
  const view = viewOf({ records: 30_000 });
  const curve = smoothedLoss(view, "step", 500);
  const exact = smooth(madeRecords(30_000).map(({ trainLoss }) => trainLoss), 500);
  const worst = Math.max(
    ...curve.x.map((step, i) => Math.abs((curve.y[i] ?? NaN) - (exact[step - 1] ?? NaN))),
  );
  // Within a stretch of 30 records all weigh the same: as if each were up to 15 steps elsewhere, where the loss of the
  // first steps falls by 7.8 / 3750 a step.
  assertLess(worst, 15 * 7.8 / 3750);
  assertEquals(curve.x.at(-1), 30_000);
});

Deno.test("Curves: over steps, tokens or time; a record without the number is no point", () => {
  const view = viewOf({ records: 300, steps: 400 });
  const over = (axis: "step" | "tokens" | "time") => columnCurve(view, axis, view.table.valLoss);
  assertEquals(over("step").x, [100, 200, 300]);
  assertEquals(over("tokens").x, [100 * 256, 200 * 256, 300 * 256]);
  const seconds = madeRecords(300, 400).slice(0, 100).reduce((sum, { stepMs }) => sum + stepMs / 1000, 0);
  assertEquals(over("time").x[0]?.toFixed(3), seconds.toFixed(3));
  const { optim, schedule } = resolveConfig({ preset: "tiny", sets: ["schedule.steps=400"] }).config;
  const curves = scheduleCurves(view, "step");
  assertEquals(curves?.rate.x, Array.from({ length: 400 }, (_, i) => i + 1));
  assertEquals(curves?.rate.y, Array.from({ length: 400 }, (_, t) => rateAt(schedule, t)));
  assertEquals(curves?.momentum.y, Array.from({ length: 400 }, (_, t) => momentumAt(optim, t)));
});

Deno.test("A loss that is not finite and a damaged configuration: a gap and a note, no failure", () => {
  const view = viewOf({ records: 3 }, (folder) => {
    Deno.writeTextFileSync(join(folder, "config.json"), "{");
    const record = { ...madeRecords(4, 4)[3], trainLoss: null };
    Deno.writeTextFileSync(join(folder, "metrics.jsonl"), JSON.stringify(record) + "\n", { append: true });
  });
  assertEquals(view.table.trainLoss[3], null);
  assertEquals([view.config, view.schedule, view.memory], [[], null, []]);
  assertMatch(view.notes.join(), /not valid JSON/);
  assertEquals(scheduleCurves(view, "step"), undefined);
});

Deno.test("The figure has a curve for each run, and text as text", () => {
  const view = viewOf({ records: 250 });
  const hostile = { ...view, name: "<script>&\u0000\u202e\ud800" };
  const svg = lossFigure([view, hostile]);
  assertEquals(svg.match(/<polyline /g)?.length, 4, "training and validation of both");
  assertEquals(svg.match(/<circle /g)?.length, 4 + 2, "two validations each, and in the legend");
  assert(svg.includes("&lt;script&gt;&amp;\ufffd\u202e\ufffd: training loss"), svg.slice(-900));
  assertNotMatch(svg, /<script|<style|href=|url\((?!#box)|\0/);
  const [from, to] = extremes(
    [...svg.matchAll(/ points="([^"]*)"/g)].flatMap(([, points = ""]) => points.split(/[ ,]/).map(Number)),
  );
  assert(from >= -1 && to <= 760, "the curves are in the picture");
  assertMatch(lossFigure([{ ...view, table: viewOf({ records: 1 }).table, means: null }]), /<\/svg>\n$/);
});

Deno.test("Ticks are round numbers within the axis, few enough", () => {
  assertEquals(linearTicks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assertEquals(linearTicks(3.1, 3.4, 4), [3.1, 3.2, 3.3, 3.4]);
  assertEquals(linearTicks(5, 5, 4), [5]);
  assertEquals(timeTicks(0, 7200, 6), [0, 1800, 3600, 5400, 7200]);
  assertEquals(logTicks(3, 11, 8), [3, 5, 7, 10]);
  assertEquals(logTicks(0.9, 1200, 5), [1, 10, 100, 1000]);
  assertEquals(logTicks(1e-12, 1e12, 6).length <= 6, true);
  assertEquals([0, 2.5, 1250, 20_000, 1.5e6, -20_000].map(formatTick), [
    "0",
    "2.5",
    "1250",
    "20k",
    "1.5M",
    "-20k",
  ]);
  assertEquals([0.5, 5, 65, 3700].map(formatTimeTick), ["0.5 s", "0:05", "1:05", "1:01:40"]);
});

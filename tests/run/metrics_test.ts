// metrics.jsonl and log.txt: round trip, NaN, truncation on resuming, half-written lines, the speedrun's line.
// Imports lib/run and lib/base.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { RunError, UserError } from "../../lib/base/errors.ts";
import {
  MetricsLog,
  type MetricsRecord,
  parseSample,
  readMetrics,
  SampleLog,
  TextLog,
  trainingLine,
  validationLine,
} from "../../lib/run/metrics.ts";

function record(step: number, trainLoss = 10 / step): MetricsRecord {
  return {
    step,
    trainLoss,
    lrScale: 1,
    momentum: 0.85 + step / 1000,
    tokensPerSecond: 1234.5,
    peakShare: null,
    stepMs: 3.25,
    phaseMs: { data: 0.25, accumulate: 2, update: 1 },
  };
}

function inFolder(test: (path: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "metrics_" });
  try {
    test(join(folder, "metrics.jsonl"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function append(path: string, lastStep: number, ...records: MetricsRecord[]): void {
  const log = new MetricsLog(path, lastStep);
  records.forEach((each) => log.append(each));
  log.close();
}

Deno.test("MetricsLog and readMetrics() give records back, one line each", () =>
  inFolder((path) => {
    const records = [record(1), { ...record(2), valLoss: 4.5, peakShare: 0.5 }];
    append(path, 0, ...records);
    assertEquals(readMetrics(path), { records, malformed: 0 });
    assertEquals(Deno.readTextFileSync(path).split("\n").map((line) => line.length > 0), [true, true, false]);
  }));

Deno.test("MetricsLog writes what is not finite as null, which reads as NaN", () =>
  inFolder((path) => {
    append(path, 0, record(1, NaN), { ...record(2, Infinity), valLoss: NaN });
    assertStringIncludes(Deno.readTextFileSync(path), '"trainLoss":null');
    const { records, malformed } = readMetrics(path);
    assertEquals(malformed, 0);
    assertEquals(records.map(({ trainLoss }) => trainLoss), [NaN, NaN]);
    assertEquals(records.map((each) => "valLoss" in each), [false, true]);
  }));

Deno.test("MetricsLog drops what lies beyond the step it goes on from, byte for byte the rest", () =>
  inFolder((path) => {
    append(path, 0, record(1), record(2), record(3), record(4));
    const lines = Deno.readTextFileSync(path).split("\n");
    append(path, 2, record(3, 7));
    assertEquals(readMetrics(path).records.map(({ trainLoss }) => trainLoss), [10, 5, 7]);
    assertEquals(Deno.readTextFileSync(path).split("\n").slice(0, 2), lines.slice(0, 2));
    append(path, 0);
    assertEquals(Deno.readTextFileSync(path), "");
  }));

Deno.test("MetricsLog goes on after a half-written last line, wherever it was cut", () =>
  inFolder((path) => {
    append(path, 0, record(1), record(2));
    const whole = Deno.readTextFileSync(path);
    const first = whole.indexOf("\n") + 1;
    for (let length = first; length < whole.length; length++) {
      Deno.writeTextFileSync(path, whole.slice(0, length));
      // Without its line feed the last record is still whole.
      const expected = length === whole.length - 1 ? [1, 2, 3] : [1, 3];
      append(path, 2, record(3));
      assertEquals(readMetrics(path), { records: expected.map((step) => record(step)), malformed: 0 });
    }
  }));

Deno.test("readMetrics() skips and counts lines that are no records", () =>
  inFolder((path) => {
    const good = JSON.stringify(record(1));
    const bad = [
      good.slice(0, -5),
      "[]",
      "3",
      "null",
      '{"step":1}',
      good.replace('"step":1', '"step":1.5'),
      good.replace('"step":1', '"step":-1'),
      good.replace('"trainLoss":10', '"trainLoss":"10"'),
      good.replace('"peakShare":null', '"peakShare":"x"'),
      good.replace('"update":1', '"update":{}'),
      good.replace('"stepMs"', '"valLoss":"x","stepMs"'),
    ];
    Deno.writeTextFileSync(path, [good, ...bad, JSON.stringify({ later: 1, ...record(1) })].join("\n"));
    assertEquals(readMetrics(path), { records: [record(1), record(1)], malformed: bad.length });
  }));

Deno.test("SampleLog gives samples back, and drops those beyond the step it goes on from", () =>
  inFolder((path) => {
    const samples = [{ step: 2, text: "a\n\u0000\ud800" }, { step: 4, text: "b" }];
    const log = new SampleLog(path, 0);
    samples.forEach((sample) => log.append(sample));
    log.close();
    const lines = () => Deno.readTextFileSync(path).trimEnd().split("\n");
    assertEquals(lines().map(parseSample), samples);
    new SampleLog(path, 3).close();
    assertEquals(lines().map(parseSample), samples.slice(0, 1));
    for (
      const bad of ["", "[]", '{"step":1}', '{"step":1.5,"text":""}', '{"step":1,"text":2}', '{"step":1,"te']
    ) {
      assertEquals(parseSample(bad), undefined, bad);
    }
  }));

Deno.test("readMetrics() and the logs say what they could not open", () =>
  inFolder((path) => {
    assertThrows(() => readMetrics(path), UserError, "there is no such file");
    assertThrows(() => new MetricsLog(join(path, "deep"), 0), RunError, "Cannot write");
    assertThrows(() => new TextLog(join(path, "deep")), RunError, "Cannot write");
  }));

Deno.test("TextLog, and so MetricsLog, says with a RunError that the disk is full", () => {
  const log = new TextLog("/dev/full");
  assertThrows(() => log.line("step"), RunError, "No space left on device");
  log.close();
});

Deno.test("TextLog goes on where it ended, in the speedrun's lines", () =>
  inFolder((path) => {
    const position = { step: 125, steps: 1875, trainMs: 20_069.4, timedSteps: 125 };
    for (const line of [validationLine(position, 3.9), trainingLine({ ...position, timedSteps: 0 }, 4.25)]) {
      const log = new TextLog(path);
      log.line(line);
      log.close();
    }
    assertEquals(
      Deno.readTextFileSync(path),
      "step:125/1875 val_loss:3.9000 train_time:20069ms step_avg:160.56ms\n" +
        "step:125/1875 train_loss:4.2500 train_time:20069ms step_avg:0.00ms\n",
    );
  }));

// A comparison of runs as text for a terminal: tables that keep within 80 columns where the names and numbers allow it.
// Words and layout only; what is compared, and how, is compare.ts's. Plain ASCII but for the names of runs. May import
// lib/base and its neighbours.

import { printableLine } from "../base/printable.ts";
import { formatCount, formatDuration, formatTable } from "../base/units.ts";
import type { AxisTable, ComparedGroup, ComparedRun, Pair, RunComparison } from "./compare.ts";
import type { Axis, Measure } from "./curves.ts";
import { type Summary, TARGET_P, type TargetResult, type Tested } from "./statistics.ts";

const WIDTH = 80;
/** Names up to this length head columns themselves; longer ones are shown as letters. */
const LONGEST_LABEL = 10;

const MEASURE_NAMES: Readonly<Record<Measure, string>> = {
  validation: "Validation loss",
  training: "Training loss (smoothed)",
};

/** The comparison as lines. */
export function comparisonLines(comparison: RunComparison): string[] {
  const labels = labelsOf(comparison.groups.map((group) => group.name));
  return [
    ...runLines(comparison.groups, labels),
    ...noteLines(comparison.groups),
    ...differenceLines(comparison, labels),
    ...comparison.tables.flatMap((table) => axisLines(table, comparison, labels)),
    ...groupLines(comparison.groups, labels),
    ...pairLines(comparison, labels),
    ...targetLines(comparison),
  ];
}

/** What heads a group's columns: its name, or a letter where the names are long. */
function labelsOf(names: readonly string[]): string[] {
  const shown = names.map(printableLine);
  if (shown.every((name) => name.length <= LONGEST_LABEL)) return shown;
  return names.map((_, i) => i < 26 ? String.fromCharCode(65 + i) : `R${i + 1}`);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

/** A loss, to the speedrun's four decimals. */
function lossText(loss: number | undefined): string {
  return loss === undefined || Number.isNaN(loss) ? "-" : loss.toFixed(4);
}

function signed(value: number): string {
  return Number.isNaN(value) ? "-" : `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
}

function countText(value: number): string {
  return Number.isNaN(value) ? "-" : formatCount(value);
}

function timeText(seconds: number): string {
  if (Number.isNaN(seconds)) return "-";
  return seconds < 60 ? `${seconds.toFixed(2)}s` : formatDuration(seconds);
}

const AXIS_TEXT: Readonly<Record<Axis, (at: number) => string>> = {
  steps: (at) => String(at),
  tokens: countText,
  seconds: timeText,
};

function runLines(groups: readonly ComparedGroup[], labels: readonly string[]): string[] {
  const head = ["run", "step", "tokens", "time", "val loss", "train loss"];
  const rowOf = (name: string, run: ComparedRun) => [
    name,
    String(run.step),
    countText(run.tokens),
    timeText(run.seconds),
    lossText(run.finalValLoss),
    lossText(run.trainLoss),
  ];
  const rows = groups.flatMap(({ name, runs }, i) => {
    const label = labels[i] === printableLine(name) ? name : `${labels[i]}  ${name}`;
    const [only] = runs;
    if (runs.length === 1 && only?.name === name) return [rowOf(nameCell(label), only)];
    return [[nameCell(label)], ...runs.map((run) => rowOf(`  ${nameCell(run.name)}`, run))];
  });
  return formatTable([head, ...rows]);
}

/** A name cut so that the table of runs keeps its width. */
function nameCell(name: string): string {
  const shown = printableLine(name);
  return shown.length <= 34 ? shown : `${shown.slice(0, 31)}...`;
}

function noteLines(groups: readonly ComparedGroup[]): string[] {
  return section(
    "Notes",
    groups.flatMap(({ runs }) =>
      runs.flatMap(({ name, notes }) => notes.map((note) => `${printableLine(name)}: ${printableLine(note)}`))
    ),
  );
}

function differenceLines({ groups, differences }: RunComparison, labels: readonly string[]): string[] {
  if (groups.length === 1 && differences.length === 0) return [];
  const rows = differences.map(({ key, values }) => [
    key,
    ...values.map((own) => own.length === 0 ? "unknown" : printableLine(own.join(", "))),
  ]);
  const all = labels.map((_, i) => i);
  if (rows.length === 0) return section("Settings", ["no difference is known"]);
  const table = formatTable([["", ...labels], ...rows], all.map((i) => i + 1).concat(0));
  if (table.every((line) => line.length <= WIDTH - 2)) return section("Settings that differ", table);
  const listed = rows.flatMap(([key = "", ...values]) => [
    key,
    ...values.map((value, i) => `  ${labels[i]}: ${value}`),
  ]);
  return section("Settings that differ", listed);
}

function axisLines(table: AxisTable, comparison: RunComparison, labels: readonly string[]): string[] {
  const title = `${MEASURE_NAMES[comparison.measure]} at equal ${table.axis}` +
    (table.interpolated ? " (on straight lines between its points)" : "");
  if (table.emptyBecause !== undefined) return section(title, [`none: ${table.emptyBecause}`]);
  if (table.axis === "tokens" && comparison.sameTokensPerStep) {
    return section(title, ["as at equal steps, for every run takes as many tokens a step"]);
  }
  const place = (at: number) => AXIS_TEXT[table.axis](at);
  const hasSd = table.rows.some(({ losses }) => losses.some(({ n }) => n > 1));
  const wide = formatTable([
    [table.axis, ...labels.flatMap((label, i) => headCells(label, labels[0] ?? "", i, hasSd))],
    ...table.rows.map(({ at, losses }) => [
      place(at),
      ...losses.flatMap((loss, i) => lossCells(loss, losses[0], i, hasSd)),
    ]),
  ], []);
  if (wide.every((line) => line.length <= WIDTH - 2)) return section(title, wide);
  const narrow = [
    [table.axis, ...labels],
    ...table.rows.map(({ at, losses }) => [place(at), ...losses.map(({ mean }) => lossText(mean))]),
  ];
  return section(title, formatTable(narrow, []));
}

function headCells(label: string, first: string, i: number, hasSd: boolean): string[] {
  return [label, ...(hasSd ? ["sd"] : []), ...(i > 0 ? [`vs ${first}`] : [])];
}

function lossCells({ mean, sd }: Summary, first: Summary | undefined, i: number, hasSd: boolean): string[] {
  const change = i > 0 ? [signed(mean - (first?.mean ?? NaN))] : [];
  return [lossText(mean), ...(hasSd ? [lossText(sd)] : []), ...change];
}

function groupLines(groups: readonly ComparedGroup[], labels: readonly string[]): string[] {
  if (groups.every(({ runs }) => runs.length === 1)) return [];
  const rows = groups.map(({ final, runs }, i) => [
    labels[i] ?? "",
    `${final.n} of ${runs.length}`,
    lossText(final.mean),
    lossText(final.sd),
  ]);
  return section("Final validation loss", formatTable([["", "runs", "mean", "sd"], ...rows]));
}

function pairLines({ tested, pairs, groups }: RunComparison, labels: readonly string[]): string[] {
  if (groups.every(({ runs }) => runs.length === 1)) return [];
  const lines = pairs.flatMap(({ test }, i) => {
    const names = `${labels[i + 1]} - ${labels[0]}`;
    return "undefinedBecause" in test
      ? [`${names}: no test, ${test.undefinedBecause}`]
      : welchLines(names, test.result);
  });
  return section(`Welch's t test, ${tested}`, lines);
}

function welchLines(
  names: string,
  { difference, interval, t, df, p }: Extract<Pair["test"], { result: unknown }>["result"],
): string[] {
  const [low, high] = interval;
  return [
    `${names}: ${signed(difference)}, 95% interval ${signed(low)} to ${signed(high)}`,
    `  t ${t.toFixed(3)}, ${df.toFixed(2)} degrees of freedom, two-sided p ${pText(p)}`,
  ];
}

function pText(p: number): string {
  return p < 1e-4 ? p.toExponential(1) : p.toFixed(4);
}

function targetLines({ target, groups, measure }: RunComparison): string[] {
  if (target === undefined) return [];
  const rows = groups.flatMap(({ runs }) =>
    runs.map(({ name, reached }) =>
      reached === undefined
        ? [nameCell(name), "never", "-", "-"]
        : [nameCell(name), String(reached.step), countText(reached.tokens), timeText(reached.seconds)]
    )
  );
  const rule = groups.flatMap(({ name, final, target: test }) =>
    test === undefined ? [] : ruleLines(printableLine(name), final, target, test)
  );
  return [
    ...section(
      `${MEASURE_NAMES[measure]} first below ${target}`,
      formatTable([["run", "step", "tokens", "time"], ...rows]),
    ),
    ...section(
      `Mean final loss below ${target}: one-sided t test, p < ${TARGET_P} (the speedrun's rule)`,
      rule,
    ),
  ];
}

function ruleLines(name: string, final: Summary, target: number, test: Tested<TargetResult>): string[] {
  if ("undefinedBecause" in test) return [`${name}: no test, ${test.undefinedBecause}`];
  const { p, shown, moreRuns } = test.result;
  const head =
    `${name}: mean ${lossText(final.mean)}, sd ${lossText(final.sd)}, ${final.n} runs, p ${pText(p)}: ` +
    (shown ? "shown" : "not shown");
  if (shown) return [head];
  if (moreRuns === undefined) {
    const near = final.mean < target
      ? "so near the target that thousands would be needed"
      : "not below the target";
    return [head, `  no number of runs with this mean would show it: it is ${near}`];
  }
  return [
    head,
    `  ${moreRuns} more ${
      moreRuns === 1 ? "run" : "runs"
    } would show it, if mean and deviation stay what they are`,
    "  (and runs are independent, their losses normally distributed)",
  ];
}

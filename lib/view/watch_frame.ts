// What `nanogpt watch` shows of a run at one moment: where it stands, its numbers, a chart of its losses, in as many
// lines and columns as there are. Pure: the same run, size and time give the same lines. Draws nothing itself, and lets
// no character of a run's own reach the terminal unseen to. May import lib/base and its neighbours.

import { printableLine } from "../base/printable.ts";
import { formatBar, formatCount, formatDuration } from "../base/units.ts";
import { smoothedTraining } from "./curves.ts";
import { downsample, pick } from "./downsample.ts";
import type { RunData } from "./run_data.ts";
import { textChart } from "./text_chart.ts";

/** What the terminal can show, and how much of it. */
export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly unicode: boolean;
  readonly color: boolean;
  /** Seconds since the run last wrote anything; undefined: not known. */
  readonly idleSeconds: number | undefined;
  /** What stands at the end of the last line. */
  readonly hint: string;
}

/** Steps whose mean duration tells the time left. */
const RECENT_STEPS = 50;
/** A run is called silent when it wrote nothing for this long, and for so many of its steps. */
const SILENT_SECONDS = 60;
const SILENT_STEPS = 10;
/** Lines above the chart, its own included: below that many rows there is no chart. */
const HEAD_LINES = 4;
const LEAST_CHART_LINES = 5;
/** Points of a curve for each column: two dots across, the lowest and the highest of each. */
const POINTS_A_COLUMN = 4;
/** Colours of the training and the validation loss: cyan and yellow. */
const COLORS = ["\x1b[36m", "\x1b[33m"] as const;
const PLAIN = "\x1b[0m";

/** Whether a run has come to its last step. */
export function hasEnded({ columns, steps }: RunData): boolean {
  return steps !== undefined && (columns.step.at(-1) ?? 0) >= steps;
}

/** The lines for a run; undefined: there is none yet at `path`. */
export function watchFrame(run: RunData | undefined, path: string, options: FrameOptions): string[] {
  const { rows, columns } = options;
  if (run === undefined || run.columns.step.length === 0) {
    const name = printableLine(run?.name ?? path);
    const head = [`${name}: waiting for its first step`, ...run?.notes.map(printableLine) ?? []];
    return fit([...head, options.hint], options);
  }
  const head = headLines(run, options);
  const foot = footLine(options);
  const chartLines = rows - head.length - 2;
  const chart = chartLines < LEAST_CHART_LINES || columns < 24 ? [] : chartOf(run, chartLines, options);
  return [...fit(head, options), ...(chart.length > 0 ? ["", ...chart] : []), foot].slice(0, rows);
}

/** Lines without colour, cut to the width. */
function fit(lines: readonly string[], { columns, rows }: FrameOptions): string[] {
  return lines.slice(0, rows).map((line) => [...line].slice(0, columns).join(""));
}

function headLines(run: RunData, options: FrameOptions): string[] {
  const { columns, steps } = run;
  const last = (name: keyof typeof columns) => columns[name].at(-1) ?? NaN;
  const step = last("step");
  const smoothed = smoothedTraining(run).findLast(Number.isFinite);
  const validation = columns.valLoss.findLastIndex(Number.isFinite);
  const loss = [
    `loss ${figure(last("trainLoss"), 4)}`,
    ...(smoothed === undefined ? [] : [`smoothed ${figure(smoothed, 4)}`]),
    ...(validation < 0
      ? []
      : [`validation ${figure(columns.valLoss[validation] ?? NaN, 4)} at step ${columns.step[validation]}`]),
  ];
  const speed = [
    known(last("tokensPerSecond"), (value) => `${formatCount(value)} tok/s`),
    known(last("peakShare"), (value) => `${(100 * value).toFixed(0)}% of peak`),
    known(last("stepMs"), (value) => `${value.toFixed(0)} ms a step`),
    known(last("lrScale"), (value) => `lr scale ${value.toFixed(3)}`),
    known(last("momentum"), (value) => `momentum ${value.toFixed(3)}`),
  ].filter((text) => text !== undefined);
  const notes = run.notes.map((note) => `Note: ${printableLine(note)}`);
  return [
    `${printableLine(run.name)}: ${stateOf(run, options)}`,
    steps === undefined ? `step ${step}` : progressLine(run, step, steps),
    loss.join("   "),
    speed.join("   "),
    ...notes,
  ].slice(0, HEAD_LINES + 2);
}

function progressLine(run: RunData, step: number, steps: number): string {
  const share = step / steps;
  const left = hasEnded(run)
    ? []
    : known(recentStepSeconds(run), (value) => formatDuration(value * (steps - step)));
  const time = typeof left === "string" ? `   ${left} left` : "";
  return `${formatBar(share, 20)} step ${step}/${steps} ${Math.floor(100 * share)}%${time}`;
}

function stateOf(run: RunData, { idleSeconds }: FrameOptions): string {
  const time =
    known(run.columns.seconds.at(-1) ?? NaN, (value) => `, ${formatDuration(value)} of training`) ?? "";
  if (hasEnded(run)) return `ended${time}`;
  const patience = Math.max(SILENT_SECONDS, SILENT_STEPS * (recentStepSeconds(run) || 0));
  const isSilent = idleSeconds !== undefined && idleSeconds > patience;
  return isSilent ? `nothing new for ${formatDuration(idleSeconds)}${time}` : `training${time}`;
}

/** Mean seconds of the last steps, from their own times or, in a log, from its clock; NaN where neither is known. */
function recentStepSeconds({ columns: { step, seconds } }: RunData): number {
  const last = step.length - 1;
  const first = Math.max(0, last - RECENT_STEPS);
  return ((seconds[last] ?? NaN) - (seconds[first] ?? NaN)) / ((step[last] ?? NaN) - (step[first] ?? NaN));
}

function known(value: number, text: (value: number) => string): string | undefined {
  return Number.isFinite(value) ? text(value) : undefined;
}

function figure(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : "not finite";
}

function chartOf(run: RunData, height: number, { columns, unicode, color }: FrameOptions): string[] {
  const { step, valLoss } = run.columns;
  const smoothed = smoothedTraining(run);
  const kept = downsample(step, smoothed, POINTS_A_COLUMN * columns);
  return textChart([
    { x: pick(step, kept), y: pick(smoothed, kept), mark: undefined },
    { x: step, y: valLoss, mark: "o" },
  ], { width: columns, height, unicode, ...(color && { paint }) });
}

function paint(text: string, series: number): string {
  return `${COLORS[series] ?? ""}${text}${PLAIN}`;
}

function footLine({ columns, unicode, color, hint }: FrameOptions): string {
  const dot = unicode ? "\u2836" : ".";
  const legend = [`${dot} training loss, smoothed`, "o validation loss"];
  const [training = "", validation = ""] = color ? legend.map(paint) : legend;
  const length = legend.join("   ").length;
  if (length > columns) return "";
  const rest = columns - length - hint.length;
  return `${training}   ${validation}${rest > 1 ? " ".repeat(rest) + hint : ""}`;
}

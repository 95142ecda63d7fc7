// A projection as text: a table of kernels each for the plan as it is and for the fused recipe, the fusions worth doing
// and the sums, with the source of every rate. Computes nothing that projection.ts has not; calls nothing a measurement.
// May import lib/base and lib/plan.

import { formatCount, formatQuantity, formatTable } from "../base/units.ts";
import type {
  Fusion,
  ProjectedRow,
  ProjectedStep,
  Projection,
  ProjectionReport,
  Times,
} from "./projection.ts";
import { type Machine, PLANNING_MARGIN, RECORD, SOURCES, type Target } from "./targets.ts";
import { shapesOf } from "./text.ts";

/** What the projection is of. */
export interface ProjectionContext {
  readonly preset: string;
  readonly target: Target;
  readonly microbatches: number;
  /** Width of the activations. */
  readonly dim: number;
  /** Tokens of a training step, all ranks together. */
  readonly tokensPerStep: number;
  readonly steps: number;
  /** Whether it trains as the record does, step for step. */
  readonly isRecord: boolean;
}

/** What the fused recipe does otherwise, by group. */
const HOW: Readonly<Record<Fusion["group"], string>> = {
  "embedding": "with the first norm in one pass",
  "norms and mixes": "residual mix, skip and norm in one pass each way",
  "q, k, v": "one product; norm, rope and value mix in its epilogue and in one pass back",
  "attention":
    "row sums in the output product's dgrad, dQ's float32 sums read by q, k, v; where sums keep an order, five products, not seven",
  "output product": "takes over attention's row sums",
  "mlp": "relu^2 in the epilogues of up and of down's dgrad; only the square is kept",
  "head and loss": "longer chunks: the weight's gradient is read and written less often",
  "gradient sums": "in the epilogues and passes that make the gradients",
  "recomputation": "kept: there is room",
  "optimisers": "matrices of a shape in one batch, no float32 in between",
  "other": "not there",
  "communication": "gradients and weights in bf16, weights gathered beside the next forward pass",
  "launch gaps": "fewer kernels",
};

/** The whole projection; `steps`, where given, follow one by one. */
export function formatProjection(
  context: ProjectionContext,
  report: ProjectionReport,
  steps: readonly ProjectedStep[] = [],
): string {
  const sources = new Sources();
  const planned = kernelTable(report.planned, sources), recipe = kernelTable(report.recipe, sources);
  return [
    ...heading(context, report),
    "",
    "This plan as it is, a step of one rank: its steps by op and shape",
    ...planned,
    "",
    `The fused recipe, a step of one rank: S is one bf16[${microbatchTokens(context)}x${context.dim}]`,
    ...recipe,
    "",
    "Fusions worth doing: expected ms of this plan less those of the fused recipe",
    ...fusionTable(report),
    "",
    ...sources.lines(context.target.machine),
    "",
    ...summary(context, report),
    ...(steps.length > 0 ? ["", "This plan step by step, microseconds of one run", ...stepTable(steps)] : []),
  ].join("\n") + "\n";
}

function heading(context: ProjectionContext, { attention }: ProjectionReport): string[] {
  const { preset, target: { ranks, machine, name }, tokensPerStep, microbatches } = context;
  const { documents, withoutDocumentsMs: longest } = attention;
  const batches = `${counted(microbatches, "microbatch", "es")} of ${microbatchTokens(context)}`;
  return [
    `projection      ${preset} on ${name}, ${counted(ranks, "rank")}, one a GPU (${machine.name})`,
    "                floors and expected times from a table of rates: nothing here is a measurement of nanogpt",
    `training step   ${tokensPerStep} tokens; a rank: ${batches}, bf16 whatever the device section says, its share of ` +
    "the optimisers",
    `attention       ${
      attention.visitedKeys.toFixed(0)
    } keys visited a token at window ${attention.window}, in tiles ` +
    `of 128x128, if documents are log-normal with mean ${documents.meanTokens} tokens, deviation ` +
    `${documents.logDeviation}`,
    `                without documents ${attention.withoutDocuments.toFixed(0)}, at most ` +
    `${attention.mostVisitedKeys}: then ${ms(longest.planned)} ms expected a step as planned, ` +
    `${ms(longest.recipe)} ms fused`,
    "left out        loading, validation, checkpoints, caches, the latency of small collectives",
  ];
}

function microbatchTokens({ tokensPerStep, target, microbatches }: ProjectionContext): number {
  return tokensPerStep / target.ranks / microbatches;
}

function kernelTable(
  { rows, communication, gaps, step, flops, bytes }: Projection,
  sources: Sources,
): string[] {
  const total = { floorMs: step.floor.ms, expectedMs: step.expected.ms, firstMs: step.first.ms };
  const { totalMs, exposedMs, scatterBytes, gatherBytes } = communication;
  return [
    ...formatTable([
      ["group", "kernel", "shapes", "calls", "FLOP", "bytes", "floor ms", "expected", "first run", "rate"],
      ...rows.map((row) => kernelRow(row, sources)),
      ["communication", "", "", "", "", "", ...timesCells(communication)],
      ["launch gaps", "", "", formatCalls(gaps.launches), "", "", ...timesCells(gaps)],
      ["sum", "", "", "", formatCount(flops), formatQuantity(bytes, "B"), ...timesCells(total)],
    ], [0, 1, 2, 9]),
    `Communication: ${formatQuantity(scatterBytes, "B")} of gradients scattered, ${
      formatQuantity(gatherBytes, "B")
    } of weights gathered: ${ms(totalMs)} ms, of which ${ms(exposedMs)} ms are exposed.`,
  ];
}

function kernelRow(row: ProjectedRow, sources: Sources): string[] {
  const { group, phase, name, shapes, count, flops, bytes, rate } = row;
  return [
    group,
    `${phase} ${name}`,
    shapes,
    formatCalls(count),
    formatCount(flops),
    formatQuantity(bytes, "B"),
    ...timesCells(row),
    `${formatQuantity(rate.value, rate.unit)} [${sources.number(rate)}]`,
  ];
}

function timesCells(times: Times): string[] {
  return [ms(times.floorMs), ms(times.expectedMs), ms(times.firstMs)];
}

function fusionTable({ fusions }: ProjectionReport): string[] {
  const total = (of: (fusion: Fusion) => number) => ms(fusions.reduce((sum, fusion) => sum + of(fusion), 0));
  return formatTable([
    ["group", "this plan", "fused", "to gain", "how"],
    ...fusions.map(({ group, plannedMs, recipeMs, gainMs }) => [
      group,
      ms(plannedMs),
      ms(recipeMs),
      ms(gainMs),
      HOW[group],
    ]),
    ["sum", total((f) => f.plannedMs), total((f) => f.recipeMs), total((f) => f.gainMs)],
  ], [0, 4]);
}

/** Where rates are from: numbered as they first appear. */
class Sources {
  readonly #texts: string[] = [];

  number({ value, unit, source }: ProjectedRow["rate"]): number {
    const text = `${formatQuantity(value, unit)}: ${source}`;
    const known = this.#texts.indexOf(text);
    return known >= 0 ? known + 1 : this.#texts.push(text);
  }

  lines({ flopsPerSecond, bytesPerSecond, source }: Machine): string[] {
    return [
      "Where the rates are from",
      ...this.#texts.map((text, i) => `[${i + 1}] ${text}`),
      `Floors: ${formatQuantity(flopsPerSecond, "FLOP/s")}, ${
        formatQuantity(bytesPerSecond, "B/s")
      }; ${source}.`,
      `Epilogues: ${SOURCES.epilogues}.`,
      `Launch gaps: ${SOURCES.launchGaps}.`,
      `Communication: ${SOURCES.communication}.`,
      `Margin: ${SOURCES.margin}.`,
      `The traces: ${SOURCES.traces}.`,
    ];
  }
}

function summary(context: ProjectionContext, report: ProjectionReport): string[] {
  const { target: { machine, ranks }, isRecord, steps } = context;
  const { planned, recipe } = report;
  const memory = (label: string, { memoryBytes, memory }: Projection) => {
    const most = memory.slice(0, 3).map(({ use, bytes }) => `${use} ${formatQuantity(bytes, "B")}`).join(
      ", ",
    );
    const fits = memoryBytes <= machine.memoryBytes ? "fits" : "does not fit";
    return `${label}${formatQuantity(memoryBytes, "B")} of ${
      formatQuantity(machine.memoryBytes, "B")
    }: ${fits} (${most}, ...)`;
  };
  const margin = `expected + ${Math.round(100 * (PLANNING_MARGIN.factor - 1))} %`;
  const of = `the schedule's ${steps} steps`;
  return [
    ...formatTable([
      ["a training step, projected", "floor", "expected", margin, "first run"],
      ...speedRows("this plan", planned, of),
      ...speedRows("fused recipe", recipe, of),
    ]),
    "",
    ...(isRecord ? recordLines(steps, ranks) : []),
    ...gapLines(planned),
    memory("memory a GPU    this plan ", planned),
    memory("                fused recipe ", recipe),
  ];
}

/** A remark where the rates, which are of long kernels, decide little. */
function gapLines({ gaps, step }: Projection): string[] {
  const share = gaps.expectedMs / step.expected.ms;
  if (share < 0.25) return [];
  return [
    `launch gaps     are ${
      (100 * share).toFixed(0)
    } % of what is expected of this plan: its kernels are short, and the`,
    "                rates, which are of long ones, say little about it",
    "",
  ];
}

function speedRows(label: string, { step }: Projection, schedule: string): string[][] {
  const speeds = [step.floor, step.expected, step.withMargin, step.first];
  return [
    [`${label}, ms`, ...speeds.map((speed) => ms(speed.ms))],
    ["  tokens/s", ...speeds.map((speed) => formatCount(speed.tokensPerSecond))],
    ["  share of the bf16 peak", ...speeds.map((speed) => `${(100 * speed.peakShare).toFixed(1)}%`)],
    [`  minutes for ${schedule}`, ...speeds.map((speed) => speed.minutes.toFixed(2))],
  ];
}

/** What the record's own recipe can be set beside. */
function recordLines(steps: number, ranks: number): string[] {
  const { loss, stepMs, source, handEstimate } = RECORD;
  const minutes = `Those minutes are to validation loss ${loss} if the loss curve is the record's.`;
  if (ranks !== RECORD.ranks) return [minutes, ""];
  const { floorMs, expectedMs, withMarginMs, firstMs } = handEstimate;
  return [
    minutes,
    `the record      ${stepMs} ms a step, ${(stepMs * steps / 60_000).toFixed(2)} minutes (${source})`,
    `hand estimate   of the fused recipe: floor ${floorMs}, expected ${expectedMs}, with the margin ${withMarginMs}, ` +
    `first run ${firstMs} ms`,
    "",
  ];
}

function stepTable(steps: readonly ProjectedStep[]): string[] {
  const us = (value: number) => (1000 * value).toFixed(1);
  return formatTable([
    ["program", "step", "op", "shapes", "floor", "expected", "first run"],
    ...steps.map(({ program, index, step, floorMs, expectedMs, firstMs }) => [
      program,
      String(index),
      `${step.phase} ${step.op}`,
      shapesOf(step),
      us(floorMs),
      us(expectedMs),
      us(firstMs),
    ]),
  ], [0, 2, 3]);
}

function ms(value: number): string {
  return value.toFixed(2);
}

function formatCalls(count: number): string {
  return String(Number(count.toFixed(2)));
}

function counted(count: number, noun: string, plural = "s"): string {
  return `${count} ${noun}${count === 1 ? "" : plural}`;
}

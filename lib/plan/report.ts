// What a plan costs, in numbers: parameters, steps, bytes planned and naive, the largest tensors, forms of kernels, FLOPs and
// bytes of a training step; and whether it fits into a machine. Opens no device and measures nothing: the cost is what the
// op table says. May import lib/base, the graph and lib/plan only.

import { UserError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import { formatBytes, formatCount, formatQuantity, formatTable } from "../base/units.ts";
import { formatType } from "../graph/node.ts";
import { type FormName, FORMS } from "../graph/op.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_NEXT, REFRESH } from "./build.ts";
import { kernelSteps, type Kind, type Place, type Plan, type Step, sumOf, tensorBytes } from "./plan.ts";

/** Cost of a program, or of a whole step. */
export interface Cost {
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes of every tensor read and written, once for each kernel call that does. */
  readonly bytes: number;
}

/** A program's size and cost. */
export interface ProgramReport extends Cost {
  readonly name: string;
  readonly steps: number;
}

/** A tensor of the plan, by size. `where` is its kind, or for a short-lived one program and step that make it. */
export interface TensorReport {
  readonly name: string;
  readonly type: string;
  readonly where: string;
  readonly bytes: number;
}

/** What bytes are for: a lasting tensor's kind, or the space that short-lived tensors share. */
export type Use = Kind | "short-lived";

/** The steps whose kernels have several forms, by the one chosen. */
export interface FormReport {
  readonly form: FormName;
  readonly steps: number;
  readonly flops: number;
}

/** All numbers of a plan. */
export interface PlanReport {
  /** Trained numbers. */
  readonly parameters: number;
  readonly programs: readonly ProgramReport[];
  readonly plannedBytes: number;
  readonly naiveBytes: number;
  /** Planned bytes by use, most first. */
  readonly bytesByUse: readonly { readonly use: Use; readonly bytes: number }[];
  readonly largest: readonly TensorReport[];
  /** Over all programs, fastest first; empty for a device whose kernels have one form each. */
  readonly forms: readonly FormReport[];
  /** Microbatches of a training step, and its cost: accumulate for each of them, update and refresh once. */
  readonly microbatches: number;
  readonly step: Cost;
}

const LARGEST = 10;

/** The numbers of a plan whose training step has so many microbatches. */
export function reportPlan(plan: Plan, microbatches: number): PlanReport {
  const parameters = [...plan.lasting.values()].filter((tensor) => tensor.kind === "parameter");
  return {
    parameters: parameters.reduce((sum, tensor) => sum + elementCount(tensor.shape), 0),
    programs: [...plan.programs.values()].map((program) => ({
      name: program.name,
      steps: program.steps.length,
      ...costOf(plan, program.name),
    })),
    plannedBytes: plan.plannedBytes,
    naiveBytes: plan.naiveBytes,
    bytesByUse: bytesByUse(plan),
    largest: largestTensors(plan),
    forms: formReports(plan),
    microbatches,
    step: stepCost(plan, microbatches),
  };
}

function formReports(plan: Plan): FormReport[] {
  const steps = [...plan.programs.values()].flatMap((program) => kernelSteps(program.steps));
  return FORMS.toReversed().flatMap((form) => {
    const chosen = steps.filter((step) => step.form === form);
    const flops = chosen.reduce((sum, step) => sum + step.flops, 0);
    return chosen.length === 0 ? [] : [{ form, steps: chosen.length, flops }];
  });
}

/** Cost of a whole training step: every microbatch, the update and the refresh; zero for what the plan lacks. */
export function stepCost(plan: Plan, microbatches: number): Cost {
  const next = costOf(plan, ACCUMULATE_NEXT);
  const once = costOf(plan, ACCUMULATE_FIRST, "update", REFRESH);
  const others = microbatches - 1;
  return { flops: once.flops + others * next.flops, bytes: once.bytes + others * next.bytes };
}

/** Cost of one run of each of the programs; zero for one that the plan lacks. */
export function costOf(plan: Plan, ...names: readonly string[]): Cost {
  const programs = names.flatMap((name) => plan.programs.get(name) ?? []);
  const total = (of: (step: Step) => number) =>
    programs.reduce((sum, program) => sum + sumOf(program, of), 0);
  return { flops: total((step) => step.flops), bytes: total((step) => step.bytes) };
}

/**
 * Throws UserError unless the plan's memory fits into `availableBytes`; the message has the bytes by use and names the
 * keys to lower.
 */
export function requireMemory(plan: Plan, availableBytes: number): void {
  if (plan.plannedBytes <= availableBytes) return;
  throw new UserError([
    `The plan needs ${formatBytes(plan.plannedBytes)} of memory, this machine has ${
      formatBytes(availableBytes)
    } available:`,
    ...memoryTable(plan),
    "Lower data.deviceBatchSequences or data.sequenceLength (short-lived, less with fewer tokens in a microbatch), or " +
    "model.layers, model.dim or model.vocab (all the others); nanogpt plan shows the effect",
  ].join("\n"));
}

/** The planned bytes by use as indented lines. */
function memoryTable(plan: Plan): string[] {
  const rows = bytesByUse(plan).map(({ use, bytes }) => [
    use,
    formatBytes(bytes),
    `${(100 * bytes / plan.plannedBytes).toFixed(0)}%`,
  ]);
  return formatTable(rows).map((line) => `  ${line}`);
}

/** Planned bytes by use, most first. */
export function bytesByUse(plan: Plan): { use: Use; bytes: number }[] {
  const sums = new Map<Use, number>();
  for (const tensor of plan.lasting.values()) {
    sums.set(tensor.kind, (sums.get(tensor.kind) ?? 0) + tensorBytes(tensor));
  }
  sums.set("short-lived", plan.plannedBytes - plan.lastingBytes);
  return [...sums].map(([use, bytes]) => ({ use, bytes })).sort((a, b) => b.bytes - a.bytes);
}

/** Both accumulate programs hold the same short-lived tensors at the same places: each is listed once. */
function largestTensors(plan: Plan): TensorReport[] {
  const found = new Map<string, TensorReport>();
  const lasting = new Set<Place>(plan.lasting.values());
  for (const tensor of plan.lasting.values()) {
    const { name, kind } = tensor;
    found.set(name, { name, type: formatType(tensor), where: kind, bytes: tensorBytes(tensor) });
  }
  for (const program of plan.programs.values()) {
    program.steps.forEach((step, i) => {
      if (step.kind === "collective") return;
      for (const place of step.tensors) {
        const type = formatType(place);
        const key = `${place.name} ${type} ${place.offset}`;
        if (lasting.has(place) || found.has(key)) continue;
        const where = `short-lived, ${program.name} step ${i}`;
        found.set(key, { name: `${step.op}.${place.name}`, type, where, bytes: tensorBytes(place) });
      }
    });
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes).slice(0, LARGEST);
}

/** "kernel forms    mma 143 steps, 99.8% of their FLOP; simple 9 steps, 0.2%". */
function formsLine(forms: readonly FormReport[]): string[] {
  if (forms.length === 0) return [];
  const total = forms.reduce((sum, { flops }) => sum + flops, 0);
  const parts = forms.map(({ form, steps, flops }, i) =>
    `${form} ${steps} step${steps === 1 ? "" : "s"}, ${(100 * flops / total).toFixed(1)}%` +
    (i === 0 ? " of their FLOP" : "")
  );
  return [`kernel forms    ${parts.join("; ")}`];
}

/** The report as text. `tokens` is the number of tokens of a training step. */
export function formatReport(report: PlanReport, tokens: number): string {
  const { parameters, programs, plannedBytes, naiveBytes, step, microbatches } = report;
  const share = (bytes: number) => `${(100 * bytes / plannedBytes).toFixed(1)}%`;
  return [
    `parameters      ${parameters} (${formatCount(parameters)})`,
    `training step   ${tokens} tokens in ${microbatches} microbatch${microbatches === 1 ? "" : "es"}: ` +
    `${formatQuantity(step.flops, "FLOP")}, ${formatBytes(step.bytes)} read and written`,
    `memory          ${formatBytes(plannedBytes)} planned, ${formatBytes(naiveBytes)} naive ` +
    "(every tensor in bytes of its own, nothing recomputed)",
    ...formsLine(report.forms),
    "",
    ...formatTable([
      ["program", "steps", "FLOP", "bytes read and written"],
      ...programs.map((program) => [
        program.name,
        String(program.steps),
        formatCount(program.flops),
        formatBytes(program.bytes),
      ]),
    ]),
    "",
    ...formatTable([
      ["memory for", "bytes", "share"],
      ...report.bytesByUse.map(({ use, bytes }) => [use, formatBytes(bytes), share(bytes)]),
    ]),
    "",
    ...formatTable([
      ["largest tensors", "type", "bytes", "kind"],
      ...report.largest.map(({ name, type, bytes, where }) => [name, type, formatBytes(bytes), where]),
    ], [0, 1, 3]),
  ].join("\n") + "\n";
}

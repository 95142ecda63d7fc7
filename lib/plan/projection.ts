// What a training step would take on a target machine, before any device is touched: each kernel's floor and expected
// time from the table in targets.ts, communication, launch gaps, memory; of the plan as it is and of the fused recipe,
// and the difference. Everything here is projected, nothing measured. May import lib/base, the graph and lib/plan.

import { UserError } from "../base/errors.ts";
import type { Phase } from "../graph/node.ts";
import { type Counted, type Exchange, type Group, GROUPS, type Kernel } from "./kernels.ts";
import type { KernelStep, Plan } from "./plan.ts";
import { recipeExchange, recipeKernels, recipeMemory, type RecipeSizes } from "./recipe_kernels.ts";
import { bytesByUse } from "./report.ts";
import { plannedExchange, plannedSteps } from "./step_kernels.ts";
import {
  COLLECTIVES,
  EPILOGUE,
  LAUNCH_GAP,
  type Machine,
  PASS,
  PLANNING_MARGIN,
  rateOf,
  type Target,
} from "./targets.ts";
import { DOCUMENTS, type Documents, mostVisitedKeys, visitedKeys } from "./visited_keys.ts";

/** The same work at three speeds, in milliseconds. */
export interface Times {
  /** The larger of FLOPs at the peak and bytes at the memory's bandwidth. */
  readonly floorMs: number;
  /** With tuned kernels. */
  readonly expectedMs: number;
  /** In a first run, before any tuning. */
  readonly firstMs: number;
}

/** All kernels of one name and shape, together, in a training step of one rank. */
export interface ProjectedRow extends Times {
  readonly group: Group;
  readonly phase: Phase;
  readonly name: string;
  readonly shapes: string;
  /** Calls; a share of one where ranks share the work. */
  readonly count: number;
  readonly launches: number;
  readonly flops: number;
  readonly bytes: number;
  /** What the expected time follows from: FLOP/s or bytes per second, and where the figure is from. */
  readonly rate: { readonly value: number; readonly unit: "FLOP/s" | "B/s"; readonly source: string };
}

/** Collectives of a training step. */
export interface Communication extends Times, Exchange {
  /** All collectives, hidden or not. */
  readonly totalMs: number;
  /** Of it, what nothing hides; `expectedMs` adds what the rest takes from the kernels beside it. */
  readonly exposedMs: number;
}

/** A training step at one speed. */
export interface Speed {
  readonly ms: number;
  /** Of all ranks. */
  readonly tokensPerSecond: number;
  /** FLOPs of a rank over its GPU's peak. */
  readonly peakShare: number;
  /** Of the schedule's steps, validation and all else left out. */
  readonly minutes: number;
}

/** A whole training step. */
export interface Projection {
  /** Longest expected first. */
  readonly rows: readonly ProjectedRow[];
  readonly communication: Communication;
  readonly gaps: Times & { readonly launches: number };
  /** `withMargin` is the expected time and the margin for what is not listed: the number to plan with. */
  readonly step: Readonly<Record<"floor" | "expected" | "withMargin" | "first", Speed>>;
  readonly flops: number;
  readonly bytes: number;
  readonly memory: readonly { readonly use: string; readonly bytes: number }[];
  readonly memoryBytes: number;
}

/** What a group costs as planned and in the fused recipe. */
export interface Fusion {
  readonly group: Group | "communication" | "launch gaps";
  readonly plannedMs: number;
  readonly recipeMs: number;
  readonly gainMs: number;
}

/** One step of the plan with its times; of one run of it, however often a training step runs it. */
export interface ProjectedStep extends Times {
  readonly program: string;
  readonly index: number;
  readonly step: KernelStep;
}

/** What to project: one rank's plan, and what it is a plan of. */
export interface ProjectionRequest {
  readonly plan: Plan;
  readonly target: Target;
  readonly model: Pick<RecipeSizes, "layers" | "heads" | "dim" | "vocab" | "softcap"> & {
    readonly window: number;
  };
  readonly sequenceLength: number;
  readonly deviceBatchSequences: number;
  readonly microbatches: number;
  readonly nsSteps: number;
  /** Of the schedule. */
  readonly steps: number;
}

/** Both projections, what they assume, and the list of fusions worth doing, most gain first. */
export interface ProjectionReport {
  readonly attention: {
    readonly window: number;
    readonly visitedKeys: number;
    readonly documents: Documents;
    /** The same if every sequence were one document, and the most of any token. */
    readonly withoutDocuments: number;
    readonly mostVisitedKeys: number;
    /** Expected times of a step if every sequence were one document. */
    readonly withoutDocumentsMs: { readonly planned: number; readonly recipe: number };
  };
  readonly planned: Projection;
  readonly recipe: Projection;
  readonly fusions: readonly Fusion[];
}

/** The sequences of a step that each rank takes; UserError where they cannot be shared out evenly. */
export function sequencesPerRank(
  { batchSequences, deviceBatchSequences }: {
    readonly batchSequences: number;
    readonly deviceBatchSequences: number;
  },
  { name, ranks }: Target,
): number {
  const unit = ranks * deviceBatchSequences;
  if (batchSequences % unit === 0) return batchSequences / ranks;
  const more = Math.ceil(batchSequences / unit) * unit;
  let smaller = deviceBatchSequences;
  while (batchSequences / ranks % smaller !== 0 && smaller > 1) smaller--;
  const or = batchSequences % ranks === 0 ? `, or data.deviceBatchSequences to ${smaller}` : "";
  throw new UserError(
    `Cannot share the ${batchSequences} sequences of a step out over the ${ranks} ranks of ${name}: expected a ` +
      `multiple of ${unit} (${ranks} times data.deviceBatchSequences, ${deviceBatchSequences}); set ` +
      `data.batchSequences to ${more}${or}, or take a target of fewer ranks`,
  );
}

/** Projects the plan and the fused recipe of the same sizes. */
export function project(request: ProjectionRequest): ProjectionReport {
  const { model: { window }, sequenceLength: T } = request;
  const keys = visitedKeys(window, T, DOCUMENTS);
  const withoutDocuments = visitedKeys(window, T, undefined);
  const planned = projectPlan(request, keys);
  const recipe = projectRecipe(request, keys);
  return {
    attention: {
      window,
      visitedKeys: keys,
      documents: DOCUMENTS,
      withoutDocuments,
      mostVisitedKeys: mostVisitedKeys(window, T),
      withoutDocumentsMs: {
        planned: projectPlan(request, withoutDocuments).step.expected.ms,
        recipe: projectRecipe(request, withoutDocuments).step.expected.ms,
      },
    },
    planned,
    recipe,
    fusions: fusionsOf(planned, recipe),
  };
}

/** The steps of the plan one by one, in order. */
export function projectSteps(request: ProjectionRequest): ProjectedStep[] {
  const { plan, target, microbatches, model: { window }, sequenceLength } = request;
  const shape = { microbatches, keys: visitedKeys(window, sequenceLength, DOCUMENTS) };
  return plannedSteps(plan, shape).map(({ program, index, step, kernels }) => ({
    program,
    index,
    step,
    ...sumTimes(kernels.map(({ kernel }) => timesOf(kernel, target.machine))),
  }));
}

function projectPlan(request: ProjectionRequest, keys: number): Projection {
  const { plan, microbatches } = request;
  const kernels = plannedSteps(plan, { microbatches, keys }).flatMap((step) => step.kernels);
  return projectionOf(request, kernels, plannedExchange(plan), bytesByUse(plan));
}

function projectRecipe(request: ProjectionRequest, keys: number): Projection {
  const { model, target: { ranks }, microbatches, nsSteps } = request;
  const rows = request.sequenceLength * request.deviceBatchSequences;
  const sizes = { ...model, rows, microbatches, ranks, keys, nsSteps };
  return projectionOf(request, recipeKernels(sizes), recipeExchange(sizes), recipeMemory(sizes));
}

function projectionOf(
  request: ProjectionRequest,
  kernels: readonly Counted[],
  exchange: Exchange,
  memory: Projection["memory"],
): Projection {
  const { target, microbatches } = request;
  const rows = rowsOf(kernels, target.machine);
  const phaseMs = (phase: Phase) => sum(rows.filter((row) => row.phase === phase), (row) => row.expectedMs);
  const communication = communicationOf(exchange, target, {
    forwardMs: phaseMs("forward") / microbatches,
    backwardMs: phaseMs("backward") / microbatches,
  });
  const launches = sum(rows, (row) => row.launches);
  const gaps = {
    launches,
    floorMs: 0,
    expectedMs: 1000 * launches * LAUNCH_GAP.expected,
    firstMs: 1000 * launches * LAUNCH_GAP.first,
  };
  const flops = sum(rows, (row) => row.flops);
  const { floorMs, expectedMs, firstMs } = sumTimes([...rows, communication, gaps]);
  const speed = (ms: number) => speedOf(request, flops, ms);
  return {
    rows,
    communication,
    gaps,
    step: {
      floor: speed(floorMs),
      expected: speed(expectedMs),
      withMargin: speed(PLANNING_MARGIN.factor * expectedMs),
      first: speed(firstMs),
    },
    flops,
    bytes: sum(rows, (row) => row.bytes),
    memory: [...memory].sort((a, b) => b.bytes - a.bytes),
    memoryBytes: sum(memory, ({ bytes }) => bytes),
  };
}

function speedOf(request: ProjectionRequest, flops: number, ms: number): Speed {
  const { target, sequenceLength, deviceBatchSequences, microbatches, steps } = request;
  const tokens = target.ranks * microbatches * deviceBatchSequences * sequenceLength;
  return {
    ms,
    tokensPerSecond: 1000 * tokens / ms,
    peakShare: flops / target.machine.flopsPerSecond / (ms / 1000),
    minutes: steps * ms / 60_000,
  };
}

/** One row a name and shape, longest expected first. */
function rowsOf(kernels: readonly Counted[], machine: Machine): ProjectedRow[] {
  const rows = new Map<string, ProjectedRow>();
  for (const { kernel, count } of kernels) {
    const { group, phase, name, shapes } = kernel;
    const key = [group, phase, name, shapes, kernel.work.kind].join("\n");
    const { floorMs, expectedMs, firstMs } = timesOf(kernel, machine);
    const before = rows.get(key) ?? {
      ...{ group, phase, name, shapes, rate: bindingRate(kernel, machine) },
      ...{ count: 0, launches: 0, flops: 0, bytes: 0, floorMs: 0, expectedMs: 0, firstMs: 0 },
    };
    rows.set(key, {
      ...before,
      count: before.count + count,
      launches: before.launches + count * kernel.launches,
      flops: before.flops + count * kernel.flops,
      bytes: before.bytes + count * kernel.bytes,
      floorMs: before.floorMs + count * floorMs,
      expectedMs: before.expectedMs + count * expectedMs,
      firstMs: before.firstMs + count * firstMs,
    });
  }
  return [...rows.values()].filter(({ count }) => count > 0).sort((a, b) => b.expectedMs - a.expectedMs);
}

/**
 * Times of one call: FLOPs at the work's rate and what of the epilogue's traffic is not hidden, but never less than
 * all bytes take in a pass.
 */
export function timesOf(kernel: Kernel, machine: Machine): Times {
  const rate = rateOf(kernel.work, machine);
  const at = (speed: "expected" | "first") => {
    const compute = rate ? kernel.flops / rate[speed] : 0;
    const epilogue = EPILOGUE[speed] * kernel.epilogueBytes / PASS.expected;
    return 1000 * Math.max(compute + epilogue, kernel.bytes / PASS[speed]);
  };
  const floor = Math.max(kernel.flops / machine.flopsPerSecond, kernel.bytes / machine.bytesPerSecond);
  return { floorMs: 1000 * floor, expectedMs: at("expected"), firstMs: at("first") };
}

/** The rate that decides a kernel's expected time: of its FLOPs, or of its bytes. */
function bindingRate(kernel: Kernel, machine: Machine): ProjectedRow["rate"] {
  const rate = rateOf(kernel.work, machine);
  return rate && kernel.flops / rate.expected >= kernel.bytes / PASS.expected
    ? { value: rate.expected, unit: "FLOP/s", source: rate.source }
    : { value: PASS.expected, unit: "B/s", source: PASS.source };
}

/**
 * Collectives on a stream of their own: the last gradients and the first weights have nothing beside them, nor has what
 * is longer than the backward or forward pass of a microbatch; the rest takes multiprocessors from the kernels.
 */
function communicationOf(
  exchange: Exchange,
  { ranks, machine }: Target,
  hiding: { readonly forwardMs: number; readonly backwardMs: number },
): Communication {
  const ms = (bytes: number) => 1000 * bytes * (ranks - 1) / ranks / COLLECTIVES.bytesPerSecond;
  const { scatterBytes, lastScatterBytes, gatherBytes, firstGatherBytes } = exchange;
  const totalMs = ms(scatterBytes + gatherBytes);
  const hiddenMs = Math.min(ms(scatterBytes - lastScatterBytes), hiding.backwardMs) +
    Math.min(ms(gatherBytes - firstGatherBytes), hiding.forwardMs);
  const exposedMs = totalMs - hiddenMs;
  const taken = COLLECTIVES.multiprocessors / machine.multiprocessors;
  return {
    ...exchange,
    totalMs,
    exposedMs,
    floorMs: 0,
    expectedMs: exposedMs + taken * hiddenMs,
    firstMs: totalMs,
  };
}

function fusionsOf(planned: Projection, recipe: Projection): Fusion[] {
  const groupMs = ({ rows }: Projection, group: Group) =>
    sum(rows.filter((row) => row.group === group), (row) => row.expectedMs);
  const pairs: [Fusion["group"], number, number][] = [
    ...GROUPS.map((
      group,
    ): [Group, number, number] => [group, groupMs(planned, group), groupMs(recipe, group)]),
    ["communication", planned.communication.expectedMs, recipe.communication.expectedMs],
    ["launch gaps", planned.gaps.expectedMs, recipe.gaps.expectedMs],
  ];
  return pairs.filter(([, plannedMs, recipeMs]) => plannedMs + recipeMs > 0)
    .map(([group, plannedMs, recipeMs]) => ({ group, plannedMs, recipeMs, gainMs: plannedMs - recipeMs }))
    .sort((a, b) => b.gainMs - a.gainMs);
}

function sumTimes(times: readonly Times[]): Times {
  return {
    floorMs: sum(times, (time) => time.floorMs),
    expectedMs: sum(times, (time) => time.expectedMs),
    firstMs: sum(times, (time) => time.firstMs),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

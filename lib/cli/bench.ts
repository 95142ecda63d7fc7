// nanogpt bench: prints the machine, its measured peak and each workload's figures as they come, or one JSON object a
// workload (context: one a length; products: one a product). Measures nothing itself: the timing is lib/run/bench.ts.
// Refuses workloads that it does not know. May import lib/base, lib/run, types of ffi/, options and output.

import type { DevicePeak } from "../../ffi/device.ts";
import { UserError } from "../base/errors.ts";
import { didYouMean } from "../base/nearest.ts";
import { formatBytes, formatCount, formatQuantity, formatTable, formatWorkers } from "../base/units.ts";
import {
  type BenchMachine,
  type BenchResult,
  type PeerResult,
  runBench,
  type Workload,
  WORKLOADS,
} from "../run/bench.ts";
import type { StepGroup } from "../run/step_times.ts";
import type { Timing } from "../run/timing.ts";
import type { Context } from "./context.ts";
import { chosenDevice } from "./device_options.ts";
import type { BenchOptions } from "./options.ts";
import { err, out } from "./output.ts";

/** A workload's runs begin within 12 seconds and are at most 9: with its warm-up that is under a minute. */
const BUDGET = { ms: 12_000, mostRuns: 9 };

/** Runs the workloads; returns the exit code. */
export async function bench(options: BenchOptions, context: Context): Promise<number> {
  const { json, byStep, peer } = options;
  const { kind = "cpu", precision = "bf16" } = chosenDevice(options);
  if (kind === "reference") {
    throw new UserError("The reference device is for checking, not for speed; leave out --device");
  }
  const workloads = chosenWorkloads(options.workload);
  if (peer !== undefined && !workloads.includes("train-124m")) {
    throw new UserError(`The peer knows the workload train-124m only, not ${options.workload}`);
  }
  await runBench({
    workloads,
    kind,
    precision,
    threads: options.threads ?? 0,
    environment: context.environment,
    libraries: context.assets.libraries,
    corpus: context.assets.corpus,
    startWorker: context.startWorker,
    byStep,
    peer: peer === undefined ? undefined : { python: peer, script: context.assets.peerScript },
    budget: BUDGET,
  }, {
    machine: (machine) => (json ? err : out).write(formatMachine(machine)),
    result: (result) => json ? out.line(JSON.stringify(result)) : out.write(formatResult(result)),
  });
  return 0;
}

function chosenWorkloads(name: string | undefined): readonly Workload[] {
  if (name === undefined) return WORKLOADS;
  const found = WORKLOADS.find((workload) => workload === name);
  if (found) return [found];
  throw new UserError(
    `There is no workload ${name}${didYouMean(name, WORKLOADS)}; expected one of ${WORKLOADS.join(", ")}`,
  );
}

function formatMachine({ description, peak }: BenchMachine): string {
  const { machine, isa, available, simulated } = description;
  return [
    `machine      ${machine}`,
    `isa          ${isa}${simulated ? ", simulated" : ""} (available: ${available.join(", ")}), ${
      formatWorkers(description)
    }`,
    `peak         ${formatPeak(peak)}`,
    "",
  ].join("\n");
}

/** The measured limits of a machine. */
export function formatPeak(peak: DevicePeak | undefined): string {
  if (!peak) return "this device measures none";
  const flops = (value: number) => formatQuantity(value, "FLOP/s");
  return `${flops(peak.bf16FlopsPerSecond)} bf16, ${flops(peak.f32FlopsPerSecond)} fp32 in registers; ${
    formatQuantity(peak.bytesPerSecond, "B/s")
  } of memory; measured just now`;
}

/** A workload in a few lines, the step table below them where there is one. */
export function formatResult(result: BenchResult): string {
  const {
    workload,
    precision,
    timing,
    tokensPerSecond,
    bytesPerSecond,
    gflops,
    peakShare,
    updateMs,
  } = result;
  const rates = [
    tokensPerSecond === null ? [] : [`${formatCount(tokensPerSecond)} tokens/s`],
    bytesPerSecond === null ? [] : [formatQuantity(bytesPerSecond, "B/s")],
    gflops === null ? [] : [`${formatGflops(gflops)} ${precision}`],
    peakShare === null ? [] : [`${(100 * peakShare).toFixed(1)}% of peak`],
  ].flat();
  const lines = [`${workload.padEnd(12)} ${formatTiming(timing)}: ${rates.join(", ")}`];
  if (result.sequenceLength !== undefined) lines.push(formatContext(result, result.sequenceLength));
  if (result.product) lines.push(formatProduct(result));
  if (updateMs !== null && workload !== "muon-124m") {
    lines.push(`${" ".repeat(13)}optimiser step ${formatMs(updateMs)}`);
  }
  for (const { workers, bytesPerSecond, bytesPerCpuSecond } of result.textRates ?? []) {
    const who = workers === 0 ? "one core" : `command with ${workers} worker${workers === 1 ? "" : "s"}`;
    const rate = formatQuantity(bytesPerSecond, "B/s");
    lines.push(
      `${" ".repeat(13)}${who} ${rate}, ${
        formatQuantity(bytesPerCpuSecond, "B")
      } per second of processor time`,
    );
  }
  if (result.peakBytes !== null) {
    const planned = result.plannedBytes === null
      ? ""
      : `, ${formatBytes(result.plannedBytes)} of them planned`;
    lines.push(`${" ".repeat(13)}memory ${formatBytes(result.peakBytes)} at most${planned}`);
  }
  if (result.peer) lines.push(...formatPeer(result.peer, result.peerRatio ?? NaN));
  if (result.steps) lines.push(...formatSteps(result.steps, timing.runs));
  return lines.join("\n") + "\n";
}

function formatGflops(gflops: number): string {
  return `${gflops >= 100 ? gflops.toFixed(0) : gflops.toPrecision(3)} GFLOP/s`;
}

/** "weight gradient [768,3072] = [768,4096] [4096,3072], mma, 205 GFLOP/s a thread": sizes as multiplied. */
function formatProduct({ product, gflops }: BenchResult): string {
  if (!product) return "";
  const { use, m, n, k, form, threads } = product;
  const words = [`${use} [${m},${n}] = [${m},${k}] [${k},${n}]`, ...(form ? [form] : [])];
  return `${" ".repeat(13)}${words.join(", ")}, ${formatGflops((gflops ?? NaN) / threads)} a thread`;
}

/** "65,536 tokens in the sequence: 152 us a token, attention 31.0 us of them". */
function formatContext({ timing, attentionMs }: BenchResult, tokens: number): string {
  const each = (ms: number) => `${formatCount(1000 * ms / tokens)} us`;
  return `${" ".repeat(13)}${tokens.toLocaleString("en")} tokens in the sequence: ${
    each(timing.medianMs)
  } a token, attention ${each(attentionMs ?? NaN)} of them`;
}

/** "1.23 s (1.20 to 1.30, median of 7)", or "25.1 s (one run)". */
function formatTiming({ runs, medianMs, minMs, maxMs }: Timing): string {
  if (runs === 1) return `${formatMs(medianMs)} (one run)`;
  return `${formatMs(medianMs)} (${formatMs(minMs)} to ${formatMs(maxMs)}, median of ${runs})`;
}

function formatMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toPrecision(3)} s` : `${ms.toPrecision(3)} ms`;
}

function formatPeer({ description, timings }: PeerResult, ratio: number): string[] {
  const { name, precision, tokens } = description;
  const lines = Object.entries(timings).map(([what, timing]) => {
    const rate = what === "update" ? "" : `: ${formatCount(tokens / timing.medianMs * 1000)} tokens/s`;
    const label = what === "update" ? "optimiser step" : `${precision} ${what}`;
    return `${" ".repeat(13)}${name} ${label} ${formatTiming(timing)}${rate}`;
  });
  return [...lines, `${" ".repeat(13)}ratio ${ratio.toFixed(2)} to its fastest`];
}

function formatSteps(steps: readonly StepGroup[], runs: number): string[] {
  const total = steps.reduce((sum, step) => sum + step.ms, 0);
  const lost = steps.reduce((sum, step) => sum + step.lostMs, 0);
  const rows = steps.map((step) => [
    step.lostMs.toFixed(1),
    step.ms.toFixed(1),
    `${(100 * step.ms / total).toFixed(1)}%`,
    String(step.count),
    step.gflops.toFixed(0),
    step.gigabytesPerSecond.toFixed(1),
    step.floorMs.toFixed(1),
    `${(100 * step.floorShare).toFixed(0)}%`,
    `${step.phase} ${step.op}`,
    step.shapes,
  ]);
  const head = ["lost ms", "ms", "time", "steps", "GFLOP/s", "GB/s", "floor ms", "of floor", "op", "shapes"];
  const title = `by step, mean of ${runs} run${runs === 1 ? "" : "s"}, optimiser step included: ` +
    `${formatMs(total)}, of which ${formatMs(lost)} above the floor`;
  return [title, ...formatTable([head, ...rows], [8, 9])].map((line) => `  ${line}`);
}

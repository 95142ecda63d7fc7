// The bench: each workload timed on a device beside its own measured peak, and on request beside a
// peer's program. Decides which work a workload name means; the timing is in bench_train, bench_context,
// bench_data and peer. Prints nothing. Imports lib/run, lib/config's presets and what lies below.

import type { DeviceEnvironment, KernelLibraries } from "../base/assets.ts";
import type { Device, DeviceDescription, DeviceKind, DevicePeak } from "../../ffi/device.ts";
import { PRESETS } from "../config/presets.ts";
import { benchContext, CONTEXT_LENGTHS } from "./bench_context.ts";
import {
  benchLoader,
  benchTokenizer,
  type DataFigures,
  type LoaderWork,
  type TextRate,
} from "./bench_data.ts";
import { benchProduct, type ProductFigures, type ProductWork, productWorks } from "./bench_products.ts";
import { benchTraining, type Part, type TrainingFigures, type TrainingWork } from "./bench_train.ts";
import type { FormName } from "../graph/op.ts";
import { type DeviceRequest, openDevice, type Precision } from "./devices.ts";
import { Peer, type PeerDescription, type PeerRequest } from "./peer.ts";
import { peakFlops, type StepGroup } from "./step_times.ts";
import { type Budget, peakResidentBytes, resetPeakResident, type Timing, timingOf } from "./timing.ts";

/** Names of the workloads, in the order in which they run. */
export const WORKLOADS = [
  "train-124m",
  "sample",
  "muon-124m",
  "products",
  "context",
  "loader",
  "tokenize",
] as const;
export type Workload = typeof WORKLOADS[number];

/** What to time, on what. */
export interface BenchRequest {
  readonly workloads: readonly Workload[];
  readonly kind: DeviceRequest["kind"];
  readonly precision: Precision;
  /** Threads of the device; 0: all cores. */
  readonly threads: number;
  readonly environment: DeviceEnvironment;
  readonly libraries: KernelLibraries;
  /** Folder with the built-in corpus. */
  readonly corpus: string;
  /** Starts worker.ts. */
  readonly startWorker: () => Worker;
  readonly byStep: boolean;
  /** A Python with torch and the script to run with it, for workloads that the script knows. */
  readonly peer: Pick<PeerRequest, "python" | "script"> | undefined;
  readonly budget: Budget;
}

/** How to time a training workload. */
export type RecordRequest = Pick<BenchRequest, "precision" | "budget" | "byStep">;

/** The peer's side of a workload. */
export interface PeerResult {
  readonly description: PeerDescription;
  /** Times of each of its variants and of its optimiser step. */
  readonly timings: Readonly<Record<string, Timing>>;
}

/** One workload's figures (context: one of its lengths'; products: one product's); the first eleven are the fields of bench --json. */
export interface BenchResult {
  readonly workload: Workload;
  readonly device: string;
  readonly isa: string;
  readonly precision: Precision;
  /** At the median time; null for an optimiser step alone. train-124m: forward and backward alone. */
  readonly tokensPerSecond: number | null;
  /** Null where nothing is computed. */
  readonly gflops: number | null;
  /** `gflops` over the measured peak of the precision; null also where the device measures none. */
  readonly peakShare: number | null;
  /** Median time of an optimiser step of the same model. */
  readonly updateMs: number | null;
  /** Most memory that the process held during the workload. */
  readonly peakBytes: number | null;
  /** With a peer only: its fastest variant, and ours over it. */
  readonly peerTokensPerSecond?: number;
  readonly peerRatio?: number;
  readonly plannedBytes: number | null;
  /** Bytes of text or shard; null where the work is on tokens in memory. */
  readonly bytesPerSecond: number | null;
  /** tokenize only, whose other figures are of the first of them. */
  readonly textRates?: readonly TextRate[];
  readonly timing: Timing;
  /** context only: tokens of the sequence, and the mean time of attention's steps in a run. */
  readonly sequenceLength?: number;
  readonly attentionMs?: number;
  /** products only: which product, in which form where the device has several, on how many threads. */
  readonly product?: ProductWork & { readonly form?: FormName; readonly threads: number };
  readonly peer?: PeerResult;
  readonly steps?: readonly StepGroup[];
}

/** The machine, told before the first workload. */
export interface BenchMachine {
  readonly description: DeviceDescription;
  readonly peak: DevicePeak | undefined;
}

/** Runs the workloads one after the other; `say` hears of each when it is done. */
export async function runBench(
  request: BenchRequest,
  say: { machine(machine: BenchMachine): void; result(result: BenchResult): void },
): Promise<void> {
  const device = openDevice({
    kind: request.kind,
    threads: request.threads,
    pin: false,
    libraries: request.libraries,
    environment: request.environment,
  });
  try {
    const machine = { description: device.describe(), peak: device.measurePeak() };
    say.machine(machine);
    for (const workload of request.workloads) {
      await benchWorkload(workload, request, device, machine, say.result);
    }
  } finally {
    device.close();
  }
}

/** train-124m on an open device, for a report of more than speed. */
export async function benchRecord(
  device: Device,
  peak: DevicePeak | undefined,
  request: RecordRequest,
): Promise<BenchResult> {
  const { kind, isa } = device.describe();
  const figures = await trainingResult("train-124m", { ...request, peer: undefined }, device, peak);
  return { workload: "train-124m", device: kind, isa, precision: request.precision, ...figures };
}

async function benchWorkload(
  workload: Workload,
  request: BenchRequest,
  device: Device,
  machine: BenchMachine,
  say: (result: BenchResult) => void,
): Promise<void> {
  const { description: { kind, isa }, peak } = machine;
  const tell = (figures: Figures) =>
    say({ workload, device: kind, isa, precision: request.precision, ...figures });
  switch (workload) {
    case "train-124m":
    case "sample":
    case "muon-124m":
      return tell(await trainingResult(workload, request, device, peak));
    case "products":
      for (const work of productWorks(device.kind)) {
        const found = await benchProduct(work, device, request.precision, PRODUCT_BUDGET);
        for (const product of found) tell(productResult(product, machine, request.precision));
      }
      return;
    case "context":
      for (const length of CONTEXT_LENGTHS) tell(await contextResult(length, request, device, peak));
      return;
    case "loader":
      resetPeakResident();
      return tell(dataResult(await benchLoader(RECORD_STEPS, request.budget)));
    case "tokenize":
      resetPeakResident();
      return tell(await tokenizeResult(request));
    default:
      return workload satisfies never;
  }
}

type Figures = Omit<BenchResult, "workload" | "device" | "isa" | "precision">;
type TrainingWorkload = "train-124m" | "sample" | "muon-124m";

/** 64 MB of tokens: 64 of the record's steps. */
const RECORD_STEPS: LoaderWork = { sequenceLength: 65536, batchSequences: 8, steps: 64 };

/** The record's tokens a GPU, as sequences of 1,024: 65,536. */
const GPU_SEQUENCES = 64;

/** The work that a name stands for on a kind of device. */
export function trainingWork(workload: TrainingWorkload, kind: DeviceKind): TrainingWork {
  const record = PRESETS["speedrun-2024-11-19"].values, sample = PRESETS.sample.values;
  switch (workload) {
    case "train-124m":
      return workOf(record, 1024, kind === "cuda" ? GPU_SEQUENCES : 4, "accumulate");
    case "muon-124m":
      // The batch does not matter to the optimiser: a small one needs less memory.
      return workOf(record, 64, 1, "update");
    case "sample":
      return workOf(sample, sample.data.sequenceLength, sample.data.batchSequences, "step");
    default:
      return workload satisfies never;
  }
}

function workOf(
  values: Pick<TrainingWork, "model" | "optim" | "schedule">,
  sequenceLength: number,
  sequences: number,
  part: Part,
): TrainingWork {
  const { model, optim, schedule } = values;
  return { model, optim, schedule, sequenceLength, sequences, part };
}

async function trainingResult(
  workload: TrainingWorkload,
  request: RecordRequest & Pick<BenchRequest, "peer">,
  device: Device,
  peak: DevicePeak | undefined,
): Promise<Figures> {
  const { precision, budget, byStep } = request;
  const work = trainingWork(workload, device.kind);
  const options = { device, peak, precision, budget, byStep };
  if (!request.peer || workload !== "train-124m") {
    return trainingFigures(await benchTraining(work, options), peak, precision);
  }
  const { threads } = device.describe();
  const peer = await Peer.start({ ...request.peer, precision, threads });
  try {
    const seconds = new Map<string, number[]>();
    const between = async () => {
      for (const what of [...peer.description.variants, "update"]) {
        seconds.set(what, [...seconds.get(what) ?? [], await peer.run(what)]);
      }
    };
    // A peer's runs take time too: with less there would be a single round where its runs are slow.
    const rounds = { ...budget, ms: 5 * budget.ms };
    const figures = await benchTraining(work, { ...options, budget: rounds, between });
    const found = trainingFigures(figures, peak, precision);
    return { ...found, ...peerFigures(peer.description, seconds, found.tokensPerSecond) };
  } finally {
    await peer.close();
  }
}

async function contextResult(
  sequenceLength: number,
  { corpus, precision, budget, byStep }: BenchRequest,
  device: Device,
  peak: DevicePeak | undefined,
): Promise<Figures> {
  const found = await benchContext(corpus, sequenceLength, { device, peak, precision, budget, byStep });
  const { attentionMs } = found;
  return { ...trainingFigures(found, peak, precision), sequenceLength, attentionMs };
}

/** There are up to three forms of nine products. */
const PRODUCT_BUDGET: Budget = { ms: 1000, mostRuns: 21 };

function productResult(
  { use, m, n, k, form, flops, plannedBytes, timing }: ProductFigures,
  { description: { threads }, peak }: BenchMachine,
  precision: Precision,
): Figures {
  const flopsPerSecond = flops / timing.medianMs * 1000;
  return {
    tokensPerSecond: null,
    gflops: flopsPerSecond / 1e9,
    peakShare: peak ? flopsPerSecond / peakFlops(peak, precision) : null,
    updateMs: null,
    peakBytes: null,
    plannedBytes,
    bytesPerSecond: null,
    timing,
    product: { use, m, n, k, ...(form && { form }), threads },
  };
}

/** A training workload's fields. */
export function trainingFigures(
  found: TrainingFigures,
  peak: DevicePeak | undefined,
  precision: Precision,
): Figures {
  const { timing, tokens, flops, updateMs, peakBytes, plannedBytes, steps } = found;
  const flopsPerSecond = flops / timing.medianMs * 1000;
  return {
    tokensPerSecond: tokens === undefined ? null : tokens / timing.medianMs * 1000,
    gflops: flopsPerSecond / 1e9,
    peakShare: peak ? flopsPerSecond / peakFlops(peak, precision) : null,
    updateMs,
    peakBytes: peakBytes ?? null,
    plannedBytes,
    bytesPerSecond: null,
    timing,
    ...(steps && { steps }),
  };
}

function dataResult({ timing, tokens, bytes }: DataFigures): Figures {
  return {
    tokensPerSecond: tokens / timing.medianMs * 1000,
    gflops: null,
    peakShare: null,
    updateMs: null,
    peakBytes: peakResidentBytes() ?? null,
    plannedBytes: null,
    bytesPerSecond: bytes / timing.medianMs * 1000,
    timing,
  };
}

async function tokenizeResult({ corpus, threads, startWorker, budget }: BenchRequest): Promise<Figures> {
  const workers = threads === 0 ? navigator.hardwareConcurrency : threads;
  const found = await benchTokenizer(corpus, workers, startWorker, budget);
  return { ...dataResult(found), textRates: found.rates };
}

/** The peer's fastest variant counts. */
function peerFigures(
  description: PeerDescription,
  seconds: ReadonlyMap<string, readonly number[]>,
  tokensPerSecond: number | null,
): Pick<BenchResult, "peerTokensPerSecond" | "peerRatio" | "peer"> {
  const timings = Object.fromEntries(
    [...seconds].map(([what, times]) => [what, timingOf(times.map((time) => 1000 * time))]),
  );
  const fastest = Math.min(...description.variants.map((name) => timings[name]?.medianMs ?? Infinity));
  const peerTokensPerSecond = description.tokens / fastest * 1000;
  return {
    peerTokensPerSecond,
    peerRatio: (tokensPerSecond ?? NaN) / peerTokensPerSecond,
    peer: { description, timings },
  };
}

// Whether a machine can train: what was found of it, judged point by point, each with what to do about it. The measure is
// `nanogpt train` as it stands, the sample preset on the built-in corpus: what stops that is "blocked", what only makes
// training slow or fragile a "warning". Reads and measures nothing itself. May import lib/base and its neighbours.

import { formatBytes, formatQuantity } from "../base/units.ts";
import type { DiskFacts } from "./disk.ts";
import type { SystemFacts } from "./system.ts";

/** What the kernel library says of itself, or why it could not be asked. */
export type KernelFacts =
  | {
    readonly isa: string;
    readonly available: readonly string[];
    readonly threads: number;
    readonly simulated: boolean;
  }
  | { readonly why: string };

/** What is judged. */
export interface Findings {
  readonly system: SystemFacts;
  readonly kernels: KernelFacts;
  /** The instruction set that NANOGPT_ISA forces. */
  readonly forcedIsa: string | undefined;
  /** Whether the built-in corpus has been made. */
  readonly corpus: boolean;
  /** The disk for runs. */
  readonly runs: DiskFacts;
  /** Bytes that the plan of the sample preset takes. */
  readonly sampleBytes: number;
}

/** One point: what was found, and what to do unless it is ok. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "warning" | "blocked";
  readonly found: string;
  readonly fix: string | null;
}

/** A run of the sample preset keeps two checkpoints of 335 MB and writes the next one before it drops the oldest. */
const LEAST_RUN_BYTES = 1e9;
/** Deno, the kernels, shards, log and checkpoint of a run hold some tens of files open. */
const LEAST_OPEN_FILES = 256;

/** All points, in the order in which they matter. */
export function diagnose(findings: Findings): Check[] {
  const checks = [kernels, corpus, memory, runFolder, hugePages, threads, openFiles];
  return checks.map((check) => check(findings));
}

/** Whether `nanogpt train` can do its work here. */
export function canTrain(checks: readonly Check[]): boolean {
  return checks.every(({ state }) => state !== "blocked");
}

const ok = (name: string, found: string): Check => ({ name, state: "ok", found, fix: null });

function kernels({ kernels, forcedIsa }: Findings): Check {
  if (!("why" in kernels)) return ok("kernels", `${kernels.isa} runs`);
  const fix = forcedIsa === undefined
    ? "make kernels"
    : "unset NANOGPT_ISA; if it says the same then: make kernels";
  return { name: "kernels", state: "blocked", found: kernels.why, fix };
}

function corpus({ corpus }: Findings): Check {
  if (corpus) return ok("corpus", "made");
  return { name: "corpus", state: "blocked", found: "not made yet", fix: "nanogpt data sample" };
}

function memory({ system, sampleBytes }: Findings): Check {
  const { usable, cgroup, available } = system.memory;
  if (usable === null) return ok("memory", "not known, nothing is refused");
  const found = `${formatBytes(usable)} usable, the sample preset takes ${formatBytes(sampleBytes)}`;
  if (usable >= sampleBytes) return ok("memory", found);
  const fix = cgroup !== null && (available ?? Infinity) > usable
    ? "raise the container's memory limit, or nanogpt train --preset tiny"
    : "end other programs, or nanogpt train --preset tiny";
  return { name: "memory", state: "blocked", found, fix };
}

function runFolder({ runs }: Findings): Check {
  const { folder, freeBytes, writable, why } = runs;
  const blocked = (found: string, fix: string): Check => ({
    name: "run folder",
    state: "blocked",
    found,
    fix,
  });
  if (freeBytes !== null && freeBytes < LEAST_RUN_BYTES) {
    return blocked(
      `${formatQuantity(freeBytes, "B")} free at ${folder}, a run of the sample preset takes 1 GB`,
      "make room there, or nanogpt train --out a folder on another disk",
    );
  }
  if (!writable) {
    return blocked(
      `${folder}: ${why}`,
      "make the folder writable, or nanogpt train --out a folder that is",
    );
  }
  const free = freeBytes === null ? "free space not known" : `${formatQuantity(freeBytes, "B")} free`;
  return ok("run folder", `${folder} can be written, ${free}`);
}

function hugePages({ system }: Findings): Check {
  const { transparent } = system.hugePages;
  if (transparent !== "never") return ok("huge pages", transparent ?? "not known");
  return {
    name: "huge pages",
    state: "warning",
    found: "never: the kernels' memory lies in small pages, which slows them down",
    fix: "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
  };
}

function threads({ system, kernels }: Findings): Check {
  if ("why" in kernels) return ok("threads", "not known without kernels");
  const { cgroup } = system.cores;
  const most = Math.max(1, Math.ceil(cgroup ?? Infinity));
  if (kernels.threads <= most) return ok("threads", String(kernels.threads));
  return {
    name: "threads",
    state: "warning",
    found: `${kernels.threads}, the container grants the time of ${cgroup?.toFixed(1)} cores`,
    fix: `nanogpt train --set device.threads=${most}`,
  };
}

function openFiles({ system }: Findings): Check {
  const { openFiles } = system;
  if (openFiles === null) return ok("open files", "limit not known");
  if (openFiles >= LEAST_OPEN_FILES) return ok("open files", `at most ${openFiles}`);
  return {
    name: "open files",
    state: "warning",
    found: `at most ${openFiles}: a run may fail to open its shards and checkpoints`,
    fix: "ulimit -n 1024",
  };
}

// The judgement of a machine: nothing amiss, and each thing that may be, with its fix; what blocks and what only warns.

import { assertEquals } from "@std/assert";
import { canTrain, type Check, diagnose, type Findings } from "../../lib/run/doctor.ts";
import { systemFacts } from "../../lib/run/system.ts";

const nothing = () => {
  throw new Deno.errors.NotFound();
};
const unknown = systemFacts({ read: nothing, list: nothing, library: () => ({ why: "no" }) });

const GOOD: Findings = {
  system: {
    ...unknown,
    cores: { machine: 64, allowed: "0-63", cgroup: null },
    memory: { total: 9e9, available: 8e9, cgroup: null, usable: 8e9 },
    hugePages: { transparent: "always", reserved: 0 },
    openFiles: 1024,
  },
  kernels: { isa: "avx2", available: ["portable", "avx2"], threads: 64, simulated: false },
  forcedIsa: undefined,
  corpus: true,
  runs: { folder: "/x", freeBytes: 5e9, speed: null, why: null, writable: true },
  sampleBytes: 7e8,
};

const withSystem = (change: Partial<Findings["system"]>): Findings => ({
  ...GOOD,
  system: { ...GOOD.system, ...change },
});

/** What is not ok. */
function amiss(findings: Findings): Check[] {
  return diagnose(findings).filter(({ state }) => state !== "ok");
}

Deno.test("nothing amiss: every point ok, without a fix", () => {
  const checks = diagnose(GOOD);
  assertEquals(checks.map(({ name, state, fix }) => `${name} ${state} ${fix}`), [
    "kernels ok null",
    "corpus ok null",
    "memory ok null",
    "run folder ok null",
    "huge pages ok null",
    "threads ok null",
    "open files ok null",
  ]);
  assertEquals(canTrain(checks), true);
});

Deno.test("what is unknown is not held against a machine", () => {
  const findings = { ...GOOD, system: unknown, runs: { ...GOOD.runs, freeBytes: null } };
  assertEquals(amiss(findings), []);
});

/** Findings, and the one point amiss: its name, state and fix. */
const AMISS: Readonly<Record<string, [Findings, string, Check["state"], string]>> = {
  "no kernel library": [
    { ...GOOD, kernels: { why: "Could not open it" } },
    "kernels",
    "blocked",
    "make kernels",
  ],
  "a forced instruction set": [
    { ...GOOD, kernels: { why: "no amx" }, forcedIsa: "amx" },
    "kernels",
    "blocked",
    "unset NANOGPT_ISA; if it says the same then: make kernels",
  ],
  "no corpus": [{ ...GOOD, corpus: false }, "corpus", "blocked", "nanogpt data sample"],
  "little memory": [
    withSystem({ memory: { total: 9e9, available: 6e8, cgroup: null, usable: 6e8 } }),
    "memory",
    "blocked",
    "end other programs, or nanogpt train --preset tiny",
  ],
  "a container's memory": [
    withSystem({ memory: { total: 9e9, available: 8e9, cgroup: 6e8, usable: 5e8 } }),
    "memory",
    "blocked",
    "raise the container's memory limit, or nanogpt train --preset tiny",
  ],
  "a full disk": [
    { ...GOOD, runs: { ...GOOD.runs, freeBytes: 9.9e8 } },
    "run folder",
    "blocked",
    "make room there, or nanogpt train --out a folder on another disk",
  ],
  "a read-only folder": [
    { ...GOOD, runs: { ...GOOD.runs, why: "cannot write there: no", writable: false } },
    "run folder",
    "blocked",
    "make the folder writable, or nanogpt train --out a folder that is",
  ],
  "no huge pages": [
    withSystem({ hugePages: { transparent: "never", reserved: 0 } }),
    "huge pages",
    "warning",
    "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
  ],
  "more threads than a container grants": [
    withSystem({ cores: { machine: 64, allowed: "0-63", cgroup: 1.5 } }),
    "threads",
    "warning",
    "nanogpt train --set device.threads=2",
  ],
  "few open files": [withSystem({ openFiles: 64 }), "open files", "warning", "ulimit -n 1024"],
};

for (const [what, [findings, name, state, fix]] of Object.entries(AMISS)) {
  Deno.test(`${what}: ${state}, with its fix`, () => {
    assertEquals(amiss(findings).map((check) => [check.name, check.state, check.fix]), [[name, state, fix]]);
    assertEquals(canTrain(diagnose(findings)), state === "warning");
  });
}

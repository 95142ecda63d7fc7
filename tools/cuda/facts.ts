// The compile-time facts of the CUDA kernels as a gate: what ptxas says of each kernel (registers, shared memory, stack,
// spills, warnings) against the table in the repository. Run from the root of the project:
//   deno run --allow-read --allow-write tools/cuda/facts.ts COMPILER TABLE LOG... [--update]
// Fails when a kernel spills, has a stack frame or a warning, and, for the compiler that the table is of, when a fact has
// changed, is new or gone; --update writes the table instead, never with a spill. Runs no compiler. May import lib/base
// and the launcher's tool.ts.

import { UserError } from "../../lib/base/errors.ts";
import { formatTable } from "../../lib/base/units.ts";
import { runTool } from "../launcher/tool.ts";

/** What ptxas says of one kernel for one chip. Bytes, but for registers and barriers. */
export interface Facts {
  readonly kernel: string;
  readonly chip: string;
  /** Registers of a thread. */
  readonly registers: number;
  readonly barriers: number;
  /** Shared memory that the kernel declares itself; what a launch asks for is not in it. */
  readonly shared: number;
  readonly stack: number;
  /** Bytes stored and loaded because registers did not suffice. */
  readonly spills: number;
}

/** A log of ptxas: its kernels, and every line that warns. */
export interface Log {
  readonly facts: readonly Facts[];
  readonly warnings: readonly string[];
}

/** Reads a log of `ptxas -v`. UserError where a kernel's lines are not as ptxas writes them. */
export function parseLog(text: string): Log {
  const facts: Facts[] = [];
  const warnings: string[] = [];
  let current: { kernel: string; chip: string; stack: number; spills: number } | undefined;
  for (const line of text.split("\n")) {
    const entry = /Compiling entry function '(\w+)' for '(\w+)'/.exec(line);
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    const used = /Used (\d+) registers(?:, used (\d+) barriers)?/.exec(line);
    if (entry) {
      current = { kernel: entry[1] ?? "", chip: entry[2] ?? "", stack: NaN, spills: NaN };
    } else if (frame && current) {
      current.stack = Number(frame[1]);
      current.spills = Number(frame[2]) + Number(frame[3]);
    } else if (used) {
      if (!current || Number.isNaN(current.stack)) {
        throw new UserError(`Cannot read the log of ptxas at: ${line}`);
      }
      const shared = /(\d+) bytes smem/.exec(line)?.[1] ?? "0";
      const [registers, barriers] = [Number(used[1]), Number(used[2] ?? 0)];
      facts.push({ ...current, registers, barriers, shared: Number(shared) });
      current = undefined;
    } else if (/warning|C75\d\d|error/i.test(line)) {
      warnings.push(line.trim());
    }
  }
  if (current) throw new UserError(`The log of ptxas ends within kernel ${current.kernel}`);
  return { facts, warnings };
}

const COLUMNS = ["kernel", "chip", "registers", "barriers", "shared", "stack", "spills"] as const;

/** The table as text: its compiler, then one kernel a line, by name and chip. */
export function formatFacts(compiler: string, facts: readonly Facts[]): string {
  const rows = facts.toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1)
    .map((row) => COLUMNS.map((column) => String(row[column])));
  return `nvcc ${compiler}\n${formatTable([[...COLUMNS], ...rows], [0, 1]).join("\n")}\n`;
}

/** A table's compiler and facts. UserError for a line that is none. */
export function parseFacts(text: string): { compiler: string; facts: Facts[] } {
  const [first = "", , ...lines] = text.split("\n");
  const facts = lines.filter((line) => line.trim() !== "").map((line) => {
    const [kernel, chip, ...numbers] = line.trim().split(/\s+/);
    const [registers, barriers, shared, stack, spills] = numbers.map(Number);
    if (
      !kernel || !chip || registers === undefined || barriers === undefined || shared === undefined ||
      stack === undefined || spills === undefined || numbers.length !== 5 || numbers.some((n) =>
        !/^\d+$/.test(n)
      )
    ) {
      throw new UserError(`The table of facts has a line that is none: ${line}`);
    }
    return { kernel, chip, registers, barriers, shared, stack, spills };
  });
  return { compiler: first.replace(/^nvcc /, ""), facts };
}

function keyOf({ kernel, chip }: Facts): string {
  return `${kernel} for ${chip}`;
}

/** What no table may hold: spills, stack frames, warnings. */
export function forbidden({ facts, warnings }: Log): string[] {
  return [
    ...facts.filter(({ spills }) => spills > 0).map((f) => `${keyOf(f)} spills ${f.spills} bytes`),
    ...facts.filter(({ stack }) => stack > 0).map((f) => `${keyOf(f)} has a stack frame of ${f.stack} bytes`),
    ...warnings.map((line) => `ptxas warns: ${line}`),
  ];
}

/** Where the facts found differ from the table's. */
export function differences(found: readonly Facts[], table: readonly Facts[]): string[] {
  const known = new Map(table.map((facts) => [keyOf(facts), facts]));
  const seen = new Set(found.map(keyOf));
  return [
    ...found.flatMap((facts) => {
      const before = known.get(keyOf(facts));
      if (!before) return [`${keyOf(facts)} is not in the table`];
      return COLUMNS.filter((column) => facts[column] !== before[column])
        .map((column) => `${keyOf(facts)}: ${column} ${facts[column]}, the table says ${before[column]}`);
    }),
    ...table.filter((facts) => !seen.has(keyOf(facts))).map((facts) =>
      `${keyOf(facts)} is in the table and no more`
    ),
  ];
}

function main(args: readonly string[]): void {
  const update = args.includes("--update");
  const [compiler, table, ...logs] = args.filter((arg) => arg !== "--update");
  if (compiler === undefined || table === undefined || logs.length === 0) {
    throw new UserError("Usage: facts.ts COMPILER TABLE LOG... [--update]");
  }
  const read = logs.map((path) => parseLog(Deno.readTextFileSync(path)));
  const found = {
    facts: read.flatMap(({ facts }) => facts),
    warnings: read.flatMap(({ warnings }) => warnings),
  };
  const problems = forbidden(found);
  let verdict = `written to ${table}`;
  if (problems.length === 0 && update) Deno.writeTextFileSync(table, formatFacts(compiler, found.facts));
  if (!update) {
    const known = parseFacts(Deno.readTextFileSync(table));
    const same = known.compiler === compiler;
    if (same) problems.push(...differences(found.facts, known.facts));
    verdict = same ? `as in ${table}` : `not compared with ${table}, which is of nvcc ${known.compiler}`;
  }
  if (problems.length > 0) {
    const advice = "explain a wanted change in its commit and run `make cuda-facts UPDATE=--update`";
    throw new UserError(
      [`The CUDA kernels do not keep to the facts of ${table} (${advice}):`, ...problems].join("\n  "),
    );
  }
  console.log(`${found.facts.length} kernels: no spills, no stack, no warnings; registers ${verdict}`);
}

if (import.meta.main) await runTool(() => Promise.resolve(main(Deno.args)));

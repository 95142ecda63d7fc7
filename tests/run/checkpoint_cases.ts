// A small run's checkpoint contents for the tests of checkpoints, and, started as a program, one that dies or runs out
// of disk while it writes: `checkpoint_cases.ts stall|fill RUN`. Not a test itself. Imports lib/run, lib/config.

import { resolveConfig } from "../../lib/config/load.ts";
import { type CheckpointContents, type CheckpointTensor, writeCheckpoint } from "../../lib/run/checkpoint.ts";
import { trainedConfigOf } from "../../lib/run/checkpoint_state.ts";

export const SHARDS = [{ tokens: 1_886_119, sha256: "ab".repeat(32) }];
export const TRAINED = trainedConfigOf(resolveConfig({ preset: "tiny" }).config);

/** A tensor whose values say which tensor, element and step they are of. */
export function tensor(name: string, shape: number[], step: number, number: number): CheckpointTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, (_, i) => number * 1000 + i + step / 1024);
  const bytes = new Uint8Array(values.buffer);
  const read = (offset: number, target: Uint8Array) =>
    target.set(bytes.subarray(offset, offset + target.length));
  return { name, dtype: "F32", shape, read };
}

/** The state after `step` updates; the embedding has `rows` rows of 64. */
export function contents(step: number, rows = 8): CheckpointContents {
  const parameters = [tensor("embed.weight", [rows, 64], step, 1), tensor("skip_weights", [1], step, 2)];
  const optimiser = parameters.flatMap(({ name, shape }, i) => [
    tensor(`${name}.m`, [...shape], step, 3 + 2 * i),
    tensor(`${name}.v`, [...shape], step, 4 + 2 * i),
  ]);
  const loader = { shard: 0, position: step * 256 };
  return { step, loader, config: TRAINED, shards: SHARDS, parameters, optimiser };
}

/** Writes step 1, then step 2 up to the middle of the optimiser's state, says so and waits to be killed. */
function stall(run: string): void {
  writeCheckpoint(run, contents(1), 2);
  const second = contents(2);
  const [first, ...rest] = second.optimiser;
  if (first === undefined) throw new RangeError("no optimiser state");
  const read = () => {
    Deno.stdout.writeSync(new TextEncoder().encode("stalled\n"));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  };
  writeCheckpoint(run, { ...second, optimiser: [...rest, { ...first, read }] }, 2);
}

/** Writes a small step 1 and a step 2 of 3 MB, on a disk of 1 MB; prints what was thrown. */
function fill(run: string): void {
  writeCheckpoint(run, contents(1), 2);
  let thrown: unknown;
  try {
    writeCheckpoint(run, contents(2, 4096), 2);
  } catch (error) {
    thrown = error;
  }
  const { name, message } = thrown instanceof Error ? thrown : { name: "nothing", message: "" };
  const left = [...Deno.readDirSync(`${run}/checkpoints`)].map((entry) => entry.name);
  // The disk is usable again: a checkpoint that fits can be written.
  const { path } = writeCheckpoint(run, contents(3), 3);
  console.log(JSON.stringify({ name, message, left, path }));
}

if (import.meta.main) {
  const [mode, run = ""] = Deno.args;
  if (mode === "stall") stall(run);
  else fill(run);
}

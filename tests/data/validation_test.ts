// The validation reader against written-out lists, its last microbatch, its repeatability, and what it refuses.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type ValidationOptions, ValidationReader } from "../../data/validation.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, putShard, range } from "./helpers.ts";

const SIZES = { sequenceLength: 3, valTokens: 9, deviceBatchSequences: 2, vocab: 1000 };

async function readAll(reader: ValidationReader): Promise<[number, number[], number[]][]> {
  const batches: [number, number[], number[]][] = [];
  for await (const { sequences, tokens, targets } of reader.batches()) {
    batches.push([sequences, [...tokens], [...targets]]);
  }
  return batches;
}

Deno.test("ValidationReader serves the first valTokens of the first shard, each time the same", () =>
  inFolder(async (folder) => {
    const shards = [
      await putShard(folder, "0.bin", range(0, 12)),
      await putShard(folder, "1.bin", range(50, 12)),
    ];
    const reader = await ValidationReader.open({ ...SIZES, shards });
    const expected = [
      [2, [0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]],
      [1, [6, 7, 8], [7, 8, 9]],
    ];
    assertEquals([reader.sequences, reader.length], [3, 2]);
    assertEquals<unknown>(await readAll(reader), expected);
    for await (const _ of reader.batches()) break; // left early
    assertEquals<unknown>(await readAll(reader), expected);
    reader.close();
  }));

Deno.test("ValidationReader gives the same sequences for any microbatch size", () =>
  inFolder(async (folder) => {
    const shards = [await putShard(folder, "0.bin", range(0, 10))];
    for (const deviceBatchSequences of [1, 2, 3, 5]) {
      const reader = await ValidationReader.open({ ...SIZES, deviceBatchSequences, shards });
      const batches = await readAll(reader);
      assertEquals(batches.flatMap(([, tokens]) => tokens), range(0, 9));
      assertEquals(batches.flatMap(([, , targets]) => targets), range(1, 9));
      assertEquals(batches.length, reader.length);
      reader.close();
    }
  }));

Deno.test("ValidationReader refuses what it cannot serve", () =>
  inFolder(async (folder) => {
    const enough = await putShard(folder, "enough.bin", range(0, 10));
    const short = await putShard(folder, "short.bin", range(0, 9));
    const cases: [Partial<ValidationOptions>, string[]][] = [
      [{ shards: [short] }, [short, "data.val", "data.valTokens 9", "holds 9", "10 are needed", "at most 6"]],
      [{ shards: [short], sequenceLength: 9 }, ["lower data.sequenceLength"]],
      [{ shards: [] }, ["data.val names no shard"]],
      [{ valTokens: 10 }, ["data.valTokens (10)", "data.sequenceLength (3)", "next lower is 9"]],
      [{ valTokens: 0 }, ["data.valTokens", "not 0"]],
      [{ shards: [short], names: { val: "--val", valTokens: "--tokens" } }, [
        "of --val is too short for --tokens 9",
        "lower --tokens to at most 6",
      ]],
      [{ valTokens: 10, names: { valTokens: "--tokens" } }, ["--tokens (10) must be a multiple"]],
      [{ valTokens: 0, names: { valTokens: "--tokens" } }, ["--tokens must be", "not 0"]],
      [{ deviceBatchSequences: 0 }, ["data.deviceBatchSequences"]],
    ];
    for (const [change, parts] of cases) {
      const error = await assertRejects(
        () => ValidationReader.open({ ...SIZES, shards: [enough], ...change }),
        UserError,
      );
      for (const part of parts) assertStringIncludes(error.message, part);
    }
    const reader = await ValidationReader.open({ ...SIZES, shards: [enough], vocab: 8 });
    await assertRejects(() => readAll(reader), UserError, "token 8 at position 8");
    reader.close();
  }));

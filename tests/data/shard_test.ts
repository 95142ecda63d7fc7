// The shard file: what is written reads back, and whatever is wrong with a file is one UserError that names it.

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { checkTokens, openProblem, openShard, ShardWriter } from "../../data/shard.ts";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { inFolder, putShard, randomBelow, range, shardBytes } from "./helpers.ts";

Deno.test("openShard() reads ranges of a shard", () =>
  inFolder(async (folder) => {
    const reader = await openShard(await putShard(folder, "a.bin", [5, 65535, 0, 7, 50256]));
    const into = new Uint16Array(3);
    await reader.read(1, into);
    assertEquals(reader.count, 5);
    assertEquals([...into], [65535, 0, 7]);
    await reader.read(2, into);
    assertEquals([...into], [0, 7, 50256]);
    await assertRejects(() => reader.read(3, into), Error, "internal:");
    reader.close();
  }));

Deno.test("ShardWriter writes the format, under its name only when published", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.bin");
    const writer = await ShardWriter.create(path);
    await writer.write(Uint16Array.of(1, 2, 65535));
    await writer.write(Uint16Array.of(50256));
    await assertRejects(() => openShard(path), UserError, "does not exist");
    await writer.seal();
    await writer.publish();
    await writer.discard();
    assertEquals(await Deno.readFile(path), shardBytes([1, 2, 65535, 50256]));
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a.bin"]);
  }));

Deno.test("ShardWriter leaves nothing behind when discarded, and refuses a folder that is not there", () =>
  inFolder(async (folder) => {
    const writer = await ShardWriter.create(join(folder, "a.bin"));
    await writer.write(Uint16Array.of(1));
    await writer.discard();
    assertEquals([...Deno.readDirSync(folder)], []);
    await assertRejects(
      () => ShardWriter.create(join(folder, "none/a.bin")),
      UserError,
      join(folder, "none"),
    );
  }));

Deno.test("ShardWriter says so when the disk is full", async () => {
  const file = await Deno.open("/dev/full", { write: true }); // every write to it fails with ENOSPC
  const writer = new ShardWriter("full.bin", "/nonexistent/full.tmp", file);
  await assertRejects(() => writer.write(Uint16Array.of(1)), RunError, "Writing the shard full.bin failed");
});

Deno.test("openShard() names each fault of the file", () =>
  inFolder(async (folder) => {
    const five = [1, 2, 3, 4, 5];
    const whole = shardBytes(five);
    const cases: [string, Uint8Array, string[]][] = [
      ["empty.bin", new Uint8Array(0), ["it is empty", "1024"]],
      ["header.bin", whole.subarray(0, 1023), ["1023 bytes", "1024"]],
      ["magic.bin", shardBytes(five, { magic: 20240801 }), ["20240801", "20240520"]],
      ["version.bin", shardBytes(five, { version: 2 }), ["version 2", "expected 1"]],
      ["negative.bin", shardBytes(five, { count: -5 }), ["token count of -5"]],
      ["fewer.bin", shardBytes(five, { count: 9 }), ["fewer tokens", "states 9", "holds 5"]],
      ["more.bin", shardBytes(five, { count: 4 }), ["more tokens", "states 4", "holds 5"]],
      ["huge.bin", shardBytes(five, { count: 2 ** 31 - 1 }), ["fewer tokens", "states 2147483647"]],
      ["middle.bin", whole.subarray(0, 1024 + 7), ["middle of a token", "states 5", "holds 3 and one byte"]],
    ];
    for (const [name, bytes, expected] of cases) {
      const path = join(folder, name);
      await Deno.writeFile(path, bytes);
      const error = await assertRejects(() => openShard(path), UserError, path);
      for (const part of expected) assertStringIncludes(error.message, part);
    }
    await assertRejects(() => openShard(folder), UserError, "it is a folder");
    await assertRejects(() => openShard(join(folder, "none.bin")), UserError, "it does not exist");
    await assertRejects(() => openShard("/dev/null"), UserError, "it is not a regular file");
  }));

Deno.test("openProblem() tells a missing permission", () => {
  const error = openProblem(
    "shard",
    "a.bin",
    new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
  );
  assertEquals(
    error.message,
    "Cannot read the shard a.bin: permission denied; make it readable for this user",
  );
});

Deno.test({
  name: "openShard() tells an unreadable file (not as root, who may read everything)",
  ignore: Deno.uid() === 0,
  fn: () =>
    inFolder(async (folder) => {
      const path = await putShard(folder, "a.bin", [1]);
      await Deno.chmod(path, 0);
      await assertRejects(() => openShard(path), UserError, "permission denied");
    }),
});

Deno.test("openShard() refuses a shard cut or lengthened anywhere", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.bin");
    const whole = shardBytes(range(0, 12));
    for (let length = 0; length < whole.length; length++) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await assertRejects(() => openShard(path), UserError, path);
    }
    for (const extra of [1, 2, 3, 1024]) {
      await Deno.writeFile(path, new Uint8Array([...whole, ...new Uint8Array(extra)]));
      await assertRejects(() => openShard(path), UserError, path);
    }
  }));

Deno.test("openShard() refuses any other header", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.bin");
    const below = randomBelow(1);
    for (let round = 0; round < 300; round++) {
      const bytes = shardBytes(range(0, 12));
      // A third of the rounds each: one bit, one word, the whole header.
      const change = (at: number, by: number) => bytes.set([(bytes[at] ?? 0) ^ by], at);
      if (round % 3 === 0) change(below(1024), 1 << below(8));
      else {
        const from = round % 3 === 1 ? 4 * below(round % 2 ? 3 : 256) : 0;
        const to = round % 3 === 1 ? from + 4 : 1024;
        for (let at = from; at < to; at++) change(at, 1 + below(255));
      }
      await Deno.writeFile(path, bytes);
      await assertRejects(() => openShard(path), UserError, path);
    }
  }));

Deno.test("ShardReader.read() tells that the file was shortened", () =>
  inFolder(async (folder) => {
    const path = await putShard(folder, "a.bin", range(0, 10));
    const reader = await openShard(path);
    await Deno.truncate(path, 1024 + 2 * 4);
    await assertRejects(() => reader.read(2, new Uint16Array(5)), UserError, `${path} ended after 4 tokens`);
    reader.close();
  }));

Deno.test("checkTokens() names shard, position, token and vocabulary", () => {
  checkTokens(Uint16Array.of(1, 2, 99), 0, "a.bin", 100);
  const error = assertThrows(() => checkTokens(Uint16Array.of(1, 100, 200), 40, "a.bin", 100), UserError);
  for (const part of ["a.bin", "token 100", "position 41", "model.vocab is 100"]) {
    assert(error.message.includes(part), error.message);
  }
});

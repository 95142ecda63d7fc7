// Which folder a run lies in: what counts as a run, the newest of a pattern, a checkpoint's run, and folders that cannot
// be written to.

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import {
  createRunFolder,
  holdsRun,
  makeWritable,
  newestRun,
  ownConfig,
  removeEmpty,
  runFolderOf,
} from "../../lib/run/folder.ts";
import { inFolder } from "../data/helpers.ts";

/** Makes files, and the folders above them. */
function put(folder: string, ...paths: string[]): void {
  for (const path of paths) {
    Deno.mkdirSync(join(folder, path, ".."), { recursive: true });
    Deno.writeTextFileSync(join(folder, path), "{}");
  }
}

Deno.test("holdsRun() is true for a folder with any of a run's files, and only then", () =>
  inFolder((folder) => {
    put(
      folder,
      "a/config.json",
      "b/metrics.jsonl",
      "c/checkpoints/step-000001/state.json",
      "d/log.txt",
      "e/notes.txt",
    );
    assertEquals(["a", "b", "c", "d", "e", "f"].map((name) => holdsRun(join(folder, name))), [
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    assertEquals(["a", "b"].map((name) => ownConfig(join(folder, name))), [
      join(folder, "a", "config.json"),
      undefined,
    ]);
    return Promise.resolve();
  }));

Deno.test("runFolderOf() takes a run's folder or one of its checkpoints", () =>
  inFolder((folder) => {
    put(folder, "run/checkpoints/step-000004/state.json");
    const run = join(folder, "run");
    for (
      const path of [
        run,
        `${run}/`,
        join(run, "checkpoints", "step-000004"),
        join(run, "checkpoints", "step-000004", "/"),
      ]
    ) {
      assertEquals(runFolderOf(path), run);
    }
    assertThrows(() => runFolderOf(join(folder, "none")), UserError, "There is no run or checkpoint at");
    return Promise.resolve();
  }));

Deno.test("newestRun() is the last by date that holds a run", () =>
  inFolder((folder) => {
    put(
      folder,
      "tiny-20250101-101010/log.txt",
      "tiny-20260101-101010/log.txt",
      "tiny-20260101-090909/log.txt",
    );
    put(
      folder,
      "tiny-20270101-101010/notes.txt",
      "sample-20280101-101010/log.txt",
      "tiny-best-of-all/log.txt",
    );
    assertEquals(newestRun(join(folder, "tiny-{date}")), join(folder, "tiny-20260101-101010"));
    assertEquals(newestRun(join(folder, "tiny-best-of-all")), join(folder, "tiny-best-of-all"));
    assertEquals(newestRun(join(folder, "other-{date}")), undefined);
    assertEquals(newestRun(join(folder, "nowhere", "tiny-{date}")), undefined);
    return Promise.resolve();
  }));

Deno.test("createRunFolder() refuses a folder with a run, makeWritable() one that cannot be written to", () =>
  inFolder((folder) => {
    put(folder, "run/log.txt", "file");
    assertThrows(
      () => createRunFolder(join(folder, "run")),
      UserError,
      "already holds a run; choose another with --out",
    );
    assertThrows(() => makeWritable(join(folder, "file", "run")), UserError, "choose another with --out");
    const made = () => createRunFolder(join(folder, "new", "run"));
    assertEquals([made(), made()], [true, false], "whether it was not there before");
    assertEquals([...Deno.readDirSync(join(folder, "new", "run"))], [], "nothing is left of the trial");
    for (const name of ["new/run", "run", "nowhere"]) removeEmpty(join(folder, name));
    assertEquals([[...Deno.readDirSync(join(folder, "new"))].length, holdsRun(join(folder, "run"))], [
      0,
      true,
    ]);
    return Promise.resolve();
  }));

// Path patterns: what they name, in which order, and that nothing found is an error.

import { assertEquals, assertRejects } from "@std/assert";
import { join, relative } from "@std/path";
import { expandGlob } from "../../data/glob.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder } from "./helpers.ts";

const FILES = [
  "a/fine_train_000002.bin",
  "a/fine_train_000010.bin",
  "a/fine_train_000001.bin",
  "a/fine_val_000000.bin",
  "a/.fine_train_000003.bin",
  "a/notes.txt",
  "b/fine_train_000001.bin",
  "b/deep/x[1].bin",
  "b/deep/x1.bin",
];

async function inTree(body: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "a"));
    await Deno.mkdir(join(folder, "b/deep"), { recursive: true });
    for (const file of FILES) await Deno.writeTextFile(join(folder, file), "");
    await body(folder);
  });
}

Deno.test("expandGlob() finds files in name order", () =>
  inTree(async (folder) => {
    const cases: [string, string[]][] = [
      ["a/fine_train_*.bin", [
        "a/fine_train_000001.bin",
        "a/fine_train_000002.bin",
        "a/fine_train_000010.bin",
      ]],
      ["a/fine_train_00000?.bin", ["a/fine_train_000001.bin", "a/fine_train_000002.bin"]],
      ["a/fine_train_0000[01]*.bin", [
        "a/fine_train_000001.bin",
        "a/fine_train_000002.bin",
        "a/fine_train_000010.bin",
      ]],
      ["a/fine_train_*[!1].bin", ["a/fine_train_000002.bin", "a/fine_train_000010.bin"]],
      ["a/{fine_val,fine_train}_00000[01].bin", ["a/fine_train_000001.bin", "a/fine_val_000000.bin"]],
      ["*/fine_train_000001.bin", ["a/fine_train_000001.bin", "b/fine_train_000001.bin"]],
      ["{b,a}/*_000001.bin", ["a/fine_train_000001.bin", "b/fine_train_000001.bin"]],
      ["a/*_00000[13].bin", ["a/fine_train_000001.bin"]], // no hidden file
      ["a/.fine*", ["a/.fine_train_000003.bin"]],
      ["b/deep/x[1].bin", ["b/deep/x[1].bin"]], // a path that exists as written names itself
      ["./b//../a/notes.txt", ["a/notes.txt"]],
      ["b/*/x?.bin", ["b/deep/x1.bin"]],
    ];
    for (const [pattern, expected] of cases) {
      const absolute = (await expandGlob(join(folder, pattern), "data.train")).map((path) =>
        relative(folder, path)
      );
      assertEquals(absolute, expected, pattern);
    }
  }));

Deno.test("expandGlob() takes patterns relative to the current folder", () =>
  inTree(async (folder) => {
    const pattern = relative(Deno.cwd(), join(folder, "a/fine_val_*"));
    assertEquals(await expandGlob(pattern, "data.val"), [
      relative(Deno.cwd(), join(folder, "a/fine_val_000000.bin")),
    ]);
    assertEquals(await expandGlob("deno.j*n", "data.val"), ["deno.json"]);
  }));

Deno.test("expandGlob() says what is missing, and for which key", () =>
  inTree(async (folder) => {
    const cases: [string, string][] = [
      [`${folder}/a/nothing_*.bin`, "no name matches nothing_*.bin"],
      [`${folder}/none/*.bin`, "none does not exist"],
      [`${folder}/a/none.bin`, "none.bin does not exist"],
      [`${folder}/*/*/*/*.bin`, "no name matches"],
      [`${folder}/a/notes.txt/*.bin`, "no name matches *.bin"],
      [`${folder}/{a/fine,b/fine}*`, "{..} must open and close within one part"],
      ["", "data.train is empty"],
    ];
    for (const [pattern, message] of cases) {
      const error = await assertRejects(() => expandGlob(pattern, "data.train"), UserError, message);
      assertEquals(error.message.includes("data.train"), true, error.message);
    }
  }));

// Text against a stored file beside the test: one changed line fails and is shown. For tests only. After a wanted change:
// deno test -A FILE -- --update-snapshots

import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";

const UPDATE = Deno.args.includes("--update-snapshots");

/** Compares `text` with the file at `path`, line by line. */
export function checkSnapshot(path: string, text: string): void {
  if (UPDATE) {
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, text);
  }
  const [lines, expected] = [text.split("\n"), Deno.readTextFileSync(path).split("\n")];
  const changed = lines.findIndex((line, i) => line !== expected[i]);
  assertEquals(lines[changed], expected[changed], `line ${changed + 1} of ${path}`);
  assertEquals(lines.length, expected.length, `lines of ${path}`);
}

// Every wrong configuration through the real command line: exit code 1, one message with the complaint, no stack.

import { assert, assertEquals } from "@std/assert";
import { BAD_SETS } from "../config/bad_sets.ts";
import { nanogpt } from "./command.ts";

/** Commands run at a time: enough to keep the cores busy, few enough for a small machine. */
const AT_ONCE = 4;

Deno.test("train refuses each wrong configuration with one clear message", async (t) => {
  const cases = Object.entries(BAD_SETS);
  assert(cases.length > 20, "the table is there");
  const next = cases.values();
  const failures: string[] = [];
  const worker = async () => {
    for (const [name, [sets, complaint]] of next) {
      const found = await nanogpt(["train", ...sets.flatMap((set) => ["--set", set])]);
      const right = found.code === 1 && found.stdout === "" && found.stderr.includes(complaint) &&
        !found.stderr.includes("    at ") && !found.stderr.includes("internal:");
      if (!right) failures.push(`${name}: exit ${found.code}\n${found.stderr}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await t.step(`${cases.length} cases`, () => assertEquals(failures, []));
});

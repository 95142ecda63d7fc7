// The emulation's own tests: builds build/emulation_tests from the .cu files of this folder and runs it. Each planted bug
// must be reported with its words, each mended twin must pass; every case is run under 20 schedules.

import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../cli/command.ts";

async function run(command: string, args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("the emulation reports every planted bug and none of the mended twins", async () => {
  const built = await run("make", ["build/emulation_tests"]);
  assertEquals(built.code, 0, built.text);
  const found = await run("timeout", ["120", "build/emulation_tests"]);
  assertEquals(found.code, 0, found.text);
  const cases = found.text.trim().split("\n");
  assert(cases.length > 1 && cases.every((line) => line.endsWith(" ok")), found.text);
});

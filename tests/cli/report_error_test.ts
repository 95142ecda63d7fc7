// What a user sees of each kind of failure, and its exit code; and that what escapes all handlers is reported too.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { ROOT } from "./command.ts";

/** Runs a program of these lines that can use what main.ts uses. */
async function run(lines: string): Promise<{ code: number; stderr: string }> {
  const address = (path: string) => toFileUrl(join(ROOT, path)).href;
  const text = [
    `import { UserError, RunError, InternalError } from "${address("lib/base/errors.ts")}";`,
    `import { reportError, reportStrays } from "${address("lib/cli/report_error.ts")}";`,
    lines,
  ].join("\n");
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      "--no-check",
      "--config",
      join(ROOT, "deno.json"),
      "--ext=ts",
      "-",
    ],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("wrong input: the message alone, code 1", async () => {
  const finished = await run('Deno.exit(reportError(new UserError("No such file x")))');
  assertEquals(finished, { code: 1, stderr: "No such file x\n" });
});

Deno.test("failed while running: the message alone, code 2", async () => {
  const finished = await run('Deno.exit(reportError(new RunError("Disk full")))');
  assertEquals(finished, { code: 2, stderr: "Disk full\n" });
});

Deno.test("a bug: internal:, a stack, what caused it, code 3", async () => {
  const { code, stderr } = await run(
    'Deno.exit(reportError(new InternalError("odd state", { cause: new Error("deeper") })))',
  );
  assertEquals(code, 3);
  assertMatch(stderr, /^internal: odd state\n {4}at /);
  assertStringIncludes(stderr, "caused by Error: deeper\n    at ");
});

Deno.test("any other error is a bug", async () => {
  const { code, stderr } = await run('Deno.exit(reportError(new TypeError("x is not a function")))');
  assertEquals(code, 3);
  assertMatch(stderr, /^internal: x is not a function\n {4}at /);
  assertEquals((await run('Deno.exit(reportError("text"))')).stderr.startsWith("internal: text\n"), true);
});

Deno.test("what escapes every handler ends the program as a bug, or as what it is", async () => {
  const rejection = await run(
    'reportStrays(); Promise.reject(new Error("lost")); await new Promise(() => {})',
  );
  assertEquals(rejection.code, 3);
  assertMatch(rejection.stderr, /^internal: lost\n {4}at /);
  const thrown = await run(
    'reportStrays(); setTimeout(() => { throw new RunError("Disk full"); }); await new Promise((r) => setTimeout(r, 5000))',
  );
  assertEquals(thrown, { code: 2, stderr: "Disk full\n" });
});

// nanogpt check as a user runs it: the tables, the objects of --json, the verdict and the exit code.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { KERNEL_OPS } from "../../lib/graph/ops.ts";
import { cpuSets } from "../ffi/cpu_sets.ts";
import { nanogpt, ROOT } from "./command.ts";

const GOLDEN = join(ROOT, "tests", "golden");
const ODD = join(GOLDEN, "odd.safetensors");
const NEWTON_SCHULZ = join(GOLDEN, "newton-schulz.safetensors");
const NATIVE = cpuSets().some(({ simulated }) => !simulated);

Deno.test("check --golden prints each group's worst error and PASS", { ignore: !NATIVE }, async () => {
  const { code, stdout, stderr } = await nanogpt(["check", "--golden", ODD, "--precision", "fp32"]);
  assertEquals([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assertStringIncludes(lines[0] ?? "", `${ODD} on cpu`);
  assertStringIncludes(lines[0] ?? "", "fp32");
  const groups = ["loss", "logits", "matrices", "scalars", "run"];
  assertEquals(lines.slice(2, 7).map((line) => line.trim().split(/ +/)[0]), groups);
  for (const line of lines.slice(2, 7)) assertMatch(line, /\d {2}pass {2}/);
  assertEquals(lines.at(-1), "PASS");
});

Deno.test("check --json prints one object a file", { ignore: !NATIVE }, async () => {
  const args = ["check", "--golden", NEWTON_SCHULZ, "--golden", join(GOLDEN, "initial-124m.json"), "--json"];
  const { code, stdout } = await nanogpt(args);
  assertEquals(code, 0);
  const [first, second] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([first.file, first.device, first.precision, first.verdict], [
    NEWTON_SCHULZ,
    "cpu",
    "bf16",
    "PASS",
  ]);
  assertEquals(first.groups.map((group: { name: string; count: number }) => [group.name, group.count]), [
    ["newton-schulz", 4],
  ]);
  assertEquals([second.verdict, second.groups[0].name], ["PASS", "start"]);
});

Deno.test("NANOGPT_ISA chooses the set that is checked and reported", { ignore: !NATIVE }, async () => {
  const { code, stdout } = await nanogpt(["check", "--golden", NEWTON_SCHULZ, "--json"], {
    env: { NANOGPT_ISA: "portable" },
  });
  const { isa, verdict } = JSON.parse(stdout);
  assertEquals([code, isa, verdict], [0, "portable", "PASS"]);
});

Deno.test("check fails with exit code 1 and says where", async () => {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  const rows = JSON.parse(await Deno.readTextFile(join(GOLDEN, "initial-124m.json")));
  rows[2].first[4] += 1e-6;
  await Deno.writeTextFile(path, JSON.stringify(rows));
  const { code, stdout } = await nanogpt(["check", "--golden", path, "--device", "reference"]);
  await Deno.remove(path);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "FAIL  blocks.0.attn.k.weight [4]");
  assertEquals(stdout.trimEnd().split("\n").at(-1), "FAIL");
});

Deno.test("the reference device leaves out a run that would take long, and says so", async () => {
  const args = ["check", "--golden", join(GOLDEN, "wide.safetensors"), "--device", "reference"];
  const { code, stdout } = await nanogpt(args);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "on reference, float64");
  assertMatch(stdout, /left out: run: \d+ GFLOP, the reference device does up to 30 GFLOP/);
});

Deno.test("check without files checks every op", { ignore: !NATIVE }, async () => {
  const { code, stdout } = await nanogpt(["check", "--precision", "fp32", "--json"]);
  const { verdict, ops, device } = JSON.parse(stdout);
  assertEquals([code, verdict, device], [0, "PASS", "cpu"]);
  assertEquals(ops.map(({ op }: { op: string }) => op), KERNEL_OPS);
  for (const { op, pass, calls, worst } of ops) assert(pass && calls > 0 && worst <= 1, op);
});

Deno.test("check refuses what makes no sense, with exit code 1", async () => {
  const cases: readonly (readonly [string[], string])[] = [
    [["--golden", "nothing.safetensors"], "does not exist"],
    [["--golden", ODD, "--device", "reference", "--precision", "fp32"], "always float64"],
    [["--device", "reference"], "give --golden"],
    [["--device", "gpu"], 'is "gpu", expected one of auto, cpu'],
    [["--precision", "fp16"], 'is "fp16", expected fp32 or bf16'],
    [["--golden", join(ROOT, "deno.json")], "no list of starting values"],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await nanogpt(["check", ...args]);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assertStringIncludes(stderr, expected);
  }
});

// The command line as a user drives it: help, mistakes in commands, options and configurations, their messages and exit
// codes. What the commands do is tested with them.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { VERSION } from "../../lib/base/version.ts";
import { nanogpt, ROOT } from "./command.ts";

/** Runs `use` in a folder of its own. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nano gpt " });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("--help and --version are answers, on standard output", async () => {
  const help = await nanogpt(["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  const commands = ["train", "eval", "sample", "data", "plan", "bench", "check", "config", "info"];
  for (const command of [...commands, "compare", "watch", "sweep"]) {
    assertMatch(help.stdout, new RegExp(`^  ${command}\\b`, "m"));
  }
  const version = await nanogpt(["--version"]);
  assertEquals([version.code, version.stderr], [0, ""]);
  const facts =
    `nanogpt ${VERSION}\ncommit checkout\nkernel ABI ${NANOGPT_ABI_VERSION}\ninstruction sets portable`;
  assertEquals(version.stdout.slice(0, facts.length), facts);
  const train = await nanogpt(["train", "--help"]);
  assertEquals(train.code, 0);
  for (const option of ["--preset", "--set", "--out", "--resume", "--device", "--precision"]) {
    assertStringIncludes(train.stdout, option);
  }
});

Deno.test("deno task nanogpt runs this checkout in the folder it is called from", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "nanogpt", "data", "inspect", "usage_test.ts"],
    cwd: join(ROOT, "tests", "cli"),
    env: { NO_COLOR: "1" },
  });
  const { code, stderr } = await command.output();
  assertEquals(code, 1);
  assertMatch(new TextDecoder().decode(stderr), /^usage_test\.ts is not a token shard: /);
});

Deno.test("no command at all: help on standard error, exit code 1", async () => {
  const { code, stdout, stderr } = await nanogpt([]);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "Usage: nanogpt");
});

/** Arguments and the one line that they lead to. */
const MISUSES: [string[], string][] = [
  [["trian"], "Unknown command 'trian', did you mean train?; see nanogpt --help"],
  [["train", "--pressed", "tiny"], "Unknown option '--pressed', did you mean --preset?; see nanogpt --help"],
  [["train", "--preset"], "Option '--preset <name>' argument missing; see nanogpt --help"],
  [
    ["train", "a", "b"],
    "Too many arguments for 'train'. Expected 1 argument but got 2: a, b; see nanogpt --help",
  ],
  [["sample"], "Missing required argument 'checkpoint'; see nanogpt --help"],
  [
    ["sample", "x", "--tokens", "0"],
    "Option '--tokens <n>' argument '0' is invalid. Expected a whole number from 1; see nanogpt --help",
  ],
  [
    ["sample", "x", "--temperature", "warm"],
    "Option '--temperature <t>' argument 'warm' is invalid. Expected a number from 0; see nanogpt --help",
  ],
  [["check", "run"], "Cannot check the run run: --curve FILE is missing"],
  [["check", "--curve", "f"], "Cannot check against f: the run is missing, --curve FILE RUN"],
  [
    ["check", "r", "--curve", "f", "--golden", "g"],
    "Cannot check both --golden and --curve at once: give one of them",
  ],
  [["data", "sampel"], "Unknown command 'sampel', did you mean sample?; see nanogpt --help"],
];

for (const [args, expected] of MISUSES) {
  Deno.test(`refused: nanogpt ${args.join(" ")}`, async () => {
    assertEquals(await nanogpt(args), { code: 1, stdout: "", stderr: `${expected}\n` });
  });
}

Deno.test("a wrong configuration: all problems, no stack, exit code 1", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "config.json");
    await Deno.writeTextFile(file, '{"preset": "tiny", "model": {"layer": 4, "heads": "two"}}');
    const expected = [
      "The configuration has 3 problems:",
      '  model.layer (config.json): unknown key, did you mean "model.layers"?',
      '  model.heads (config.json): found "two", expected a whole number from 1 to 1024',
      "  schedule.steps (--set): found 0, expected a whole number from 1 to 1000000000",
      "",
    ].join("\n");
    const finished = await nanogpt(["config", "config.json", "--set", "schedule.steps=0"], { cwd: folder });
    assertEquals(finished, { code: 1, stdout: "", stderr: expected });
    assertEquals([...Deno.readDirSync(folder)].length, 1, "nothing is written");
  });
});

Deno.test("a missing config.json, a folder, broken JSON: one line each, exit code 1", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "broken.json"), '{\n  "model": {,}\n}');
    const cases: [string, RegExp][] = [
      ["missing.json", /^Cannot read missing.json: there is no such file\n$/],
      [".", /^Cannot read \.: it is a folder, expected a config.json file\n$/],
      ["broken.json", /^Cannot read broken.json: not valid JSON at line 2, column 13 \(.*\)\n$/],
    ];
    for (const [file, expected] of cases) {
      const { code, stdout, stderr } = await nanogpt(["config", file], { cwd: folder });
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, expected);
    }
  });
});

Deno.test("nanogpt config prints a configuration that can be given back", async () => {
  await inFolder(async (folder) => {
    const first = await nanogpt(["config", "--preset", "speedrun-1.5b", "--set", "model.layers=6"]);
    assertEquals(first.code, 0);
    assertStringIncludes(first.stderr, "unproven at this size");
    assertEquals(JSON.parse(first.stdout).sources["model.layers"], "--set");
    const file = join(folder, "config.json");
    await Deno.writeTextFile(file, first.stdout);
    const second = JSON.parse((await nanogpt(["config", file])).stdout);
    assertEquals({ ...second, sources: {} }, { ...JSON.parse(first.stdout), sources: {} });
    assertEquals(second.sources["model.layers"], file);
  });
});

Deno.test("nanogpt config --schema prints a JSON Schema", async () => {
  const { code, stdout } = await nanogpt(["config", "--schema"]);
  assertEquals(code, 0);
  assertStringIncludes(JSON.parse(stdout).$schema, "json-schema.org");
});

Deno.test("a reader that is gone does no harm", async () => {
  // `true` ends at once, long before the program writes.
  const script = '("$0" run --quiet --allow-all main.ts config --schema; echo "code $?" >&2) | true';
  const { stderr } = await new Deno.Command("sh", { args: ["-c", script, Deno.execPath()], cwd: ROOT })
    .output();
  assertEquals(new TextDecoder().decode(stderr), "code 0\n");
});

// nanogpt compare as a user calls it: its tables within 80 columns, groups by pattern, --json, --target, what it refuses.
// The figures themselves are tested in tests/view/.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inFolder, putRun, record } from "../view/made_up_runs.ts";
import { nanogpt, ROOT } from "./command.ts";

const LOG = join(ROOT, "tests", "view", "made_up_log.txt");

/** Runs of three seeds at two learning rates in `parent`; the losses are made up. */
function putGroups(parent: string): void {
  for (const [rate, start] of [["0.02", 5], ["0.04", 4.9]] as const) {
    for (const [seed, luck] of [0, 0.01, -0.02].entries()) {
      const records = [1, 2, 3, 4].map((step) => {
        const loss = start - step / 2 + luck;
        return record(step, { trainLoss: loss, valLoss: loss });
      });
      putRun(parent, `lr=${rate} seed=${seed}`, records, [
        `optim.muonLr=${rate}`,
        `run.seed=${seed}`,
        "schedule.steps=4",
      ]);
    }
  }
}

Deno.test("compare shows groups in tables of 80 columns, and says the same as JSON", () =>
  inFolder(async (parent) => {
    putGroups(parent);
    Deno.writeTextFileSync(join(parent, "lr=0.02.txt"), "no run");
    const groups = [
      ...["--group", `slow=${join(parent, "lr=0.02*")}`],
      ...["--group", `fast=${join(parent, "lr=0.04*")}`],
    ];
    const args = ["compare", ...groups, "--target", "3"];
    const text = await nanogpt(args);
    assertEquals(text.code, 0, text.stderr);
    assertEquals(text.stderr, `--group slow leaves out what is no run: ${join(parent, "lr=0.02.txt")}\n`);
    assert(text.stdout.split("\n").every((line) => line.length <= 80), text.stdout);
    assertMatch(text.stdout, /^ {2}optim\.muonLr {2}0\.02 {5}0\.04$/m);
    assertMatch(text.stdout, /^ {2}steps +slow +sd +fast +sd +vs slow$/m);
    assertMatch(text.stdout, /^ +4 {2}2\.9967 {2}0\.0153 {2}2\.8967 {2}0\.0153 {2}-0\.1000$/m);
    assertMatch(text.stdout, /^ {2}fast - slow: -0\.1000, 95% interval -0\.1346 to -0\.0654$/m);
    assertMatch(text.stdout, /^ {2}slow: mean 2\.9967, sd 0\.0153, 3 runs, p 0\.3709: not shown$/m);
    assertMatch(text.stdout, /^ {4}\d+ more runs would show it, if mean and deviation stay what they are$/m);
    assertMatch(text.stdout, /^ {2}fast: .*: shown$/m);
    assertMatch(text.stdout, /^ {2}lr=0\.02 seed=2 +4 +1\.02k +1\.00s$/m);
    assertMatch(text.stdout, /^ {2}lr=0\.02 seed=1 +never +- +-$/m);
    const { stdout } = await nanogpt([...args, "--json"]);
    const found = JSON.parse(stdout);
    assertEquals(found.groups.map((group: { name: string }) => group.name), ["slow", "fast"]);
    assertEquals(found.groups[1].target.result.shown, true);
    assertEquals(found.tables[0].rows[3].losses[0].mean.toFixed(4), "2.9967");
  }));

Deno.test("compare takes single runs and logs, tells long names by letters, and keeps them from the terminal", () =>
  inFolder(async (parent) => {
    const records = [1, 2].map((step) => record(step));
    const tricky = putRun(parent, "run \x1b[31m\u202ered\nname that is longer than a column", records);
    const folder = join(parent, "deep");
    Deno.mkdirSync(folder);
    const others = [putRun(parent, "same", records), putRun(folder, "same", records, ["model.dim=32"])];
    const { code, stdout, stderr } = await nanogpt(["compare", tricky, ...others, LOG]);
    assertEquals([code, stderr], [0, ""]);
    // deno-lint-ignore no-control-regex -- what must not be there
    assert(!/[\x00-\x09\x0b-\x1f\u202e]/.test(stdout), JSON.stringify(stdout));
    assertStringIncludes(stdout, "A  run \u00b7[31m\u00b7red\u00b7name that");
    assertMatch(stdout, /^Training loss \(smoothed\) at equal steps$/m);
    assertMatch(stdout, /^ {2}model\.dim +64 +64 +32 +unknown$/m);
    assertMatch(stdout, /^ {2}same: it stands at step 2 of 12$/m);
    assert(
      stdout.split("\n").filter((line) => !line.includes(": ")).every((line) => line.length <= 80),
      stdout,
    );
  }));

Deno.test("compare refuses what is no run, the same run twice, and groups it cannot read", () =>
  inFolder(async (parent) => {
    const run = putRun(parent, "run", [record(1)]);
    const empty = join(parent, "empty");
    Deno.mkdirSync(empty);
    const refused: [string[], string][] = [
      [[], "There is nothing to compare: give runs, or groups with --group name=glob"],
      [
        [run, empty],
        `${empty} holds no run: expected config.json or metrics.jsonl in it; give the folder of a run`,
      ],
      [[run, run], `The same run is given twice, as ${run}; compare different runs, each once`],
      [["--group", "x"], "Cannot use --group x: expected name=glob, such as --group small='runs/small-*'"],
      [["--group", `x=${empty}`], `--group x matches no run, only ${empty}; give run folders or log files`],
      [
        ["--group", `x=${parent}/none*`],
        `No file matches --group x "${parent}/none*": no name matches none*; give run folders or log files`,
      ],
    ];
    const found = await Promise.all(refused.map(([args]) => nanogpt(["compare", ...args])));
    assertEquals(found, refused.map(([, message]) => ({ code: 1, stdout: "", stderr: `${message}\n` })));
  }));

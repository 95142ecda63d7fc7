// Checkpoints as the trainer uses them: round trip, the same bytes for the same state, keeping the newest, every kind of
// damage, a killed writer, a full disk, and what `--resume auto` picks. Imports lib/run, lib/base.

import { createHash } from "node:crypto";
import { ROOT } from "../cli/command.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { RandomStream } from "../../lib/base/random.ts";
import {
  findResumable,
  listCheckpoints,
  openCheckpoint,
  openNewest,
  restoreTensors,
  writeCheckpoint,
} from "../../lib/run/checkpoint.ts";
import { decodeState, encodeState, requireSameConfig } from "../../lib/run/checkpoint_state.ts";
import { contents, SHARDS, tensor, TRAINED } from "./checkpoint_cases.ts";

const FILES = ["model.safetensors", "optimizer.safetensors", "state.json"];

async function inRun(test: (run: string) => void | Promise<void>): Promise<void> {
  const run = Deno.makeTempDirSync({ prefix: "checkpoint_" });
  try {
    await test(run);
  } finally {
    Deno.removeSync(run, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

function steps(run: string): number[] {
  return listCheckpoints(run).map(({ step }) => step);
}

function flip(path: string, at: number, bit = 0): void {
  const bytes = Deno.readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  Deno.writeFileSync(path, bytes);
}

Deno.test("writeCheckpoint() and openCheckpoint() give the state and every tensor back", () =>
  inRun((run) => {
    const { path, bytes, notes } = writeCheckpoint(run, contents(125), 2);
    assertEquals(path, join(run, "checkpoints", "step-000125"));
    assertEquals([names(join(run, "checkpoints")), notes], [["step-000125"], []]);
    assertEquals(names(path), FILES);
    using checkpoint = openCheckpoint(path);
    const { files, ...state } = checkpoint.state;
    assertEquals(bytes, files["model.safetensors"].bytes + files["optimizer.safetensors"].bytes);
    assertEquals(state, {
      step: 125,
      loader: { shard: 0, position: 32_000 },
      config: TRAINED,
      shards: SHARDS,
    });
    const restored = new Map<string, number[]>();
    const targets = contents(125).optimiser.map(({ name, shape }) => ({
      name,
      shape,
      write: (values: Float32Array | Float64Array, first: number) => {
        restored.set(name, [...(restored.get(name) ?? new Array(first)), ...values]);
      },
    }));
    restoreTensors(checkpoint.optimiser, targets);
    assertEquals([...restored.keys()], [
      "embed.weight.m",
      "embed.weight.v",
      "skip_weights.m",
      "skip_weights.v",
    ]);
    assertEquals(restored.get("embed.weight.v")?.length, 512);
    assertEquals(restored.get("embed.weight.v")?.[511], Math.fround(4000 + 511 + 125 / 1024));
    assertEquals([...Array.from(checkpoint.parameters.numbers("skip_weights"))], [
      Math.fround(2000 + 125 / 1024),
    ]);
  }));

Deno.test("writeCheckpoint() writes the same bytes for the same state, in whatever order the config's keys are", () =>
  inRun((run) => {
    const { model: { layers, heads, ...sizes }, ...others } = TRAINED;
    const shuffled = { ...others, model: { ...sizes, heads, layers } };
    const paths = [TRAINED, shuffled].map((config, i) =>
      writeCheckpoint(join(run, `${i}`), { ...contents(7), config }, 1).path
    );
    const [a = "", b = ""] = paths;
    for (const name of FILES) {
      assertEquals(Deno.readFileSync(join(a, name)), Deno.readFileSync(join(b, name)), name);
    }
    const text = Deno.readTextFileSync(join(a, "state.json"));
    for (const word of ["builtin", run, "thread", "date", 'device"', 'train"']) {
      assert(!text.includes(word), `state.json holds ${word}: ${text}`);
    }
  }));

Deno.test("writeCheckpoint() keeps the newest and never removes later or damaged ones", () =>
  inRun((run) => {
    for (const step of [10, 20, 30, 40]) writeCheckpoint(run, contents(step), 2);
    assertEquals(steps(run), [30, 40]);
    flip(join(run, "checkpoints/step-000040/state.json"), 20);
    Deno.truncateSync(join(run, "checkpoints/step-000030/model.safetensors"), 100);
    writeCheckpoint(run, contents(35), 1); // 40 is later, 30 is damaged: neither counts, neither goes
    assertEquals(steps(run), [30, 35, 40]);
    writeCheckpoint(run, contents(36), 1);
    assertEquals(steps(run), [30, 36, 40]);
    assertEquals(names(join(run, "checkpoints")), ["step-000030", "step-000036", "step-000040"]);
  }));

Deno.test("writeCheckpoint() over one of the same step leaves an intact twin and replaces a damaged one", () =>
  inRun((run) => {
    const { path } = writeCheckpoint(run, contents(5), 2);
    const before = Deno.statSync(join(path, "state.json")).ino;
    assertEquals(writeCheckpoint(run, contents(5), 2).notes, []);
    assertEquals(Deno.statSync(join(path, "state.json")).ino, before);
    flip(join(path, "optimizer.safetensors"), 900);
    const { notes } = writeCheckpoint(run, contents(5), 2);
    assertMatch(notes.join(), /^Removed .*\.old-step-000005/);
    openCheckpoint(path).close();
    assertEquals(names(join(run, "checkpoints")), ["step-000005"]);
  }));

Deno.test("writeCheckpoint() passes on what the device throws and leaves nothing behind", () =>
  inRun((run) => {
    const given = contents(1);
    const read = () => {
      throw new RangeError("the device is gone");
    };
    const optimiser = [...given.optimiser, { ...tensor("late", [4], 1, 9), read }];
    assertThrows(() => writeCheckpoint(run, { ...given, optimiser }, 1), RangeError, "the device is gone");
    assertEquals(names(join(run, "checkpoints")), []);
  }));

Deno.test("writeCheckpoint() says with a RunError that the folder cannot be written", () =>
  inRun((run) => {
    Deno.writeTextFileSync(join(run, "checkpoints"), "a file where the folder should be");
    const error = assertThrows(() => writeCheckpoint(run, contents(1), 1), RunError);
    assertMatch(
      error.message,
      /^Cannot write the checkpoint .*step-000001: .*there is no earlier one; make room/,
    );
  }));

const DAMAGE: Record<string, [(path: string) => void, RegExp]> = {
  "cut short": [
    (path) => Deno.truncateSync(join(path, "model.safetensors"), 1000),
    /model.* has 1000 bytes.*cut short/,
  ],
  "made longer": [
    (path) => Deno.writeFileSync(join(path, "model.safetensors"), new Uint8Array(1), { append: true }),
    /model.safetensors is damaged: it has \d+ bytes, expected \d+;/,
  ],
  "with a flipped bit in a tensor": [
    (path) => flip(join(path, "optimizer.safetensors"), 2000, 6),
    /optimizer.safetensors is damaged: its SHA-256 is/,
  ],
  "with a flipped bit in a header": [
    (path) => flip(join(path, "model.safetensors"), 20),
    /model.* its SHA-256 is/,
  ],
  "without a tensor file": [
    (path) => Deno.removeSync(join(path, "optimizer.safetensors")),
    /is no complete checkpoint: optimizer.safetensors is missing/,
  ],
  "without state.json": [(path) => Deno.removeSync(join(path, "state.json")), /state.json is missing/],
  "with an empty state.json": [
    (path) => Deno.truncateSync(join(path, "state.json")),
    /state.json.*it is empty/,
  ],
  "with state.json cut short": [
    (path) => Deno.truncateSync(join(path, "state.json"), 300),
    /state.json.*cut short/,
  ],
  "with a folder as tensor file": [(path) => {
    Deno.removeSync(join(path, "model.safetensors"));
    Deno.mkdirSync(join(path, "model.safetensors"));
  }, /model.safetensors is damaged/],
};

for (const [what, [damage, message]] of Object.entries(DAMAGE)) {
  Deno.test(`openCheckpoint() refuses a checkpoint ${what}, and --resume auto passes it over`, () =>
    inRun((run) => {
      writeCheckpoint(run, contents(1), 2);
      const { path } = writeCheckpoint(run, contents(2), 2);
      damage(path);
      assertMatch(assertThrows(() => openCheckpoint(path), UserError).message, message);
      const { checkpoint, notes } = findResumable(run);
      checkpoint?.close();
      assertEquals(checkpoint?.state.step, 1);
      assertEquals(notes.length, 1);
      assertStringIncludes(notes[0] ?? "", `Ignored ${path}: `);
    }));
}

Deno.test("openCheckpoint() finds every flipped bit of state.json", () =>
  inRun((run) => {
    const { path } = writeCheckpoint(run, contents(1), 1);
    const file = join(path, "state.json");
    const good = Deno.readFileSync(file);
    const text = new TextDecoder();
    for (let at = 0; at < good.length; at++) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      // Through the file for some, for it must also be found where the text is no UTF-8.
      if (at % 97 > 0 && at % 8 < 7) {
        assertThrows(() => decodeState(file, text.decode(bytes)), UserError, "damaged");
        continue;
      }
      Deno.writeFileSync(file, bytes);
      assertThrows(() => openCheckpoint(path), UserError, "damaged");
    }
  }));

Deno.test("openCheckpoint() answers random damage anywhere with a UserError", () =>
  inRun((run) => {
    const { path } = writeCheckpoint(run, contents(1), 1);
    const random = new RandomStream(7, 3);
    for (let round = 0; round < 150; round++) {
      const file = join(path, FILES[round % 3] ?? "");
      const good = Deno.readFileSync(file);
      const at = Math.floor(random.unit(3 * round) * good.length);
      const bytes = round % 2 === 0 ? good.slice(0, at) : good.slice();
      if (round % 2 === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 + Math.floor(random.unit(3 * round + 1) * 255));
      Deno.writeFileSync(file, bytes);
      assertThrows(() => openCheckpoint(path), UserError);
      Deno.writeFileSync(file, good);
    }
    openCheckpoint(path).close(); // so it was the damage that was refused
  }));

Deno.test("decodeState() refuses an intact state of another version", () => {
  const files = { "model.safetensors": { bytes: 1, sha256: "0".repeat(64) } };
  const { parameters: _p, optimiser: _o, ...rest } = contents(1);
  const text = encodeState({
    ...rest,
    files: { ...files, "optimizer.safetensors": files["model.safetensors"] },
  });
  assertEquals(decodeState("state.json", text).step, 1);
  assertThrows(
    () => decodeState("state.json", text.replace('"version": 1', '"version": 2')),
    UserError,
    "changed",
  );
  const { sha256: _sha256, ...body } = JSON.parse(text);
  const later = { ...body, version: 2 };
  const sha256 = createHash("sha256").update(JSON.stringify(later, null, 1)).digest("hex");
  const laterText = JSON.stringify({ ...later, sha256 }, null, 1) + "\n";
  assertThrows(() => decodeState("state.json", laterText), UserError, "another version of nanogpt wrote it");
  assertThrows(() => decodeState("state.json", "[]"), UserError, "no checksum");
  assertThrows(() => decodeState("state.json", text.slice(0, -1)), UserError, "changed");
});

Deno.test("openCheckpoint() and openNewest() say what is not there", () =>
  inRun((run) => {
    assertThrows(() => openCheckpoint(join(run, "absent")), UserError, "There is no checkpoint");
    assertThrows(() => openNewest(run), UserError, "state.json is missing");
    Deno.mkdirSync(join(run, "checkpoints"));
    assertThrows(() => openNewest(run), UserError, "has no intact checkpoint");
    assertEquals(findResumable(run), { checkpoint: undefined, notes: [] });
    assertEquals(listCheckpoints(join(run, "absent")), []);
    const { path } = writeCheckpoint(run, contents(3), 1);
    for (const given of [run, path]) {
      const { checkpoint } = openNewest(given);
      checkpoint.close();
      assertEquals(checkpoint.path, path);
    }
  }));

Deno.test("findResumable() passes over a folder that was renamed to another step, and foreign entries", () =>
  inRun((run) => {
    const { path } = writeCheckpoint(run, contents(3), 1);
    const folder = join(run, "checkpoints");
    Deno.renameSync(path, join(folder, "step-000004"));
    Deno.mkdirSync(join(folder, "step-9"));
    Deno.writeTextFileSync(join(folder, "step-000099"), "a file");
    const { checkpoint, notes } = findResumable(run);
    assertEquals(checkpoint, undefined);
    assertMatch(notes.join(), /^Ignored .*step-000004: it holds step 3/);
  }));

Deno.test("requireSameConfig() lists every key that differs, with both values", () => {
  const state = { ...contents(1), files: { "model.safetensors": { bytes: 0, sha256: "" } } };
  const files = { ...state.files, "optimizer.safetensors": state.files["model.safetensors"] };
  const checkpoint = { ...state, files };
  requireSameConfig("c", checkpoint, { config: TRAINED, shards: SHARDS });
  const config = {
    ...TRAINED,
    seed: 7,
    model: { ...TRAINED.model, layers: 6 },
    optim: { ...TRAINED.optim, adamEps: 1e-9 },
  };
  const other = { tokens: 5, sha256: "" };
  const error = assertThrows(
    () => requireSameConfig("run/checkpoints/step-000001", checkpoint, { config, shards: [other, other] }),
    UserError,
  );
  assertEquals(error.message.split("\n").slice(0, -1), [
    "Cannot go on from run/checkpoints/step-000001: it belongs to another run",
    "  run.seed: 1337 in the checkpoint, 7 now",
    "  model.layers: 2 in the checkpoint, 6 now",
    "  optim.adamEps: 1e-8 in the checkpoint, 1e-9 now",
    "  data.train: 1 shards in the checkpoint, 2 now",
    "  data.train: shard 0 had 1886119 tokens in the checkpoint, 5 now",
  ]);
  const shards = SHARDS.map(({ tokens }) => ({ tokens, sha256: "cd".repeat(32) }));
  assertThrows(
    () => requireSameConfig("c", checkpoint, { config: TRAINED, shards }),
    UserError,
    "  data.train: shard 0 holds other tokens than in the checkpoint, as many\n",
  );
});

Deno.test("restoreTensors() fills nothing unless the file holds exactly the tensors asked for", () =>
  inRun((run) => {
    using checkpoint = openCheckpoint(writeCheckpoint(run, contents(1), 1).path);
    let filled = 0;
    const write = () => void filled++;
    const embed = { name: "embed.weight", shape: [8, 64], write };
    const skip = { name: "skip_weights", shape: [1], write };
    const wrong = (targets: (typeof embed)[], message: string) =>
      assertThrows(() => restoreTensors(checkpoint.parameters, targets), UserError, message);
    wrong([embed], "it also holds skip_weights");
    wrong([embed, skip, { ...skip, name: "head.weight" }], "head.weight is missing");
    wrong([embed, { ...skip, shape: [2] }], "skip_weights is 1, expected 2");
    assertEquals(filled, 0);
    restoreTensors(checkpoint.parameters, [embed, skip]);
    assertEquals(filled, 2);
  }));

const CASES = join(ROOT, "tests/run/checkpoint_cases.ts");

Deno.test("A checkpoint half-written by a killed process is ignored, told of, and removed by the next", () =>
  inRun(async (run) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--no-check", CASES, "stall", run],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read(); // the child says "stalled" in the middle of the write
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(new TextDecoder().decode(value), "stalled\n");
    assertEquals(names(join(run, "checkpoints")), [".tmp-step-000002", "step-000001"]);
    const { checkpoint, notes } = findResumable(run);
    checkpoint?.close();
    assertEquals(checkpoint?.state.step, 1);
    assertMatch(notes.join("\n"), /^Ignored .*\.tmp-step-000002: it was not finished/);
    const written = writeCheckpoint(run, contents(2), 2);
    assertMatch(written.notes.join("\n"), /^Removed .*\.tmp-step-000002/);
    assertEquals(names(join(run, "checkpoints")), ["step-000001", "step-000002"]);
  }));

/** Runs a shell command line in a mount namespace of its own, so that nothing stays mounted; see unshare(1). */
function mounting(line: string): { success: boolean; stdout: string; stderr: string } {
  try {
    const args = ["--map-root-user", "--mount", "timeout", "60", "sh", "-c", line];
    const { success, stdout, stderr } = new Deno.Command("unshare", { args }).outputSync();
    const text = new TextDecoder();
    return { success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } catch (error) {
    return { success: false, stdout: "", stderr: String(error) };
  }
}

Deno.test("A full disk is a RunError that says what is needed; the checkpoint before still loads", (t) =>
  inRun(async (run) => {
    const mount = `mount -t tmpfs -o size=1m tmpfs '${run}'`;
    const probe = mounting(mount);
    const ignore = !probe.success;
    if (ignore) console.log(`Skipped: no small disk can be mounted here: ${probe.stderr.trim()}`);
    await t.step({
      name: "on a disk of 1 MB",
      ignore,
      fn: () => {
        const program = `'${Deno.execPath()}' run --quiet --allow-all --no-check '${CASES}' fill '${run}'`;
        const { stdout, stderr } = mounting(`${mount} && ${program}`);
        assertEquals(stderr, "");
        const { name, message, left, path } = JSON.parse(stdout);
        assertEquals([name, left], ["RunError", ["step-000001"]]);
        assertMatch(
          message,
          /^Cannot write the checkpoint .*step-000002: No space left on device .*needs 314\d{4} bytes \(3\.1 MB\) of/,
        );
        assertStringIncludes(message, "step-000001, is untouched; make room");
        assert(path.endsWith("step-000003"));
      },
    });
  }));

// The command line: which commands and options there are, and which module runs each. The only file that knows
// commander. Does no work itself: a command's module is loaded when it is asked for, so that each start loads little.
// Refuses options that make no sense by themselves; what depends on a configuration is judged there. May import
// lib/base and its neighbours.

import { Command, CommanderError, InvalidArgumentError } from "@commander-js/extra-typings";
import { UserError } from "../base/errors.ts";
import type { Context } from "./context.ts";
import type { CheckOptions, ConfigOptions, TrainOptions } from "./options.ts";
import { err, out } from "./output.ts";

const CONFIG_ARGUMENT = "configuration file; relative paths, in it too, are from the current folder";

/** What was asked for: run it with the context to get the exit code. */
type Action = (context: Context) => number | Promise<number>;

/** Runs the command of these arguments; returns its exit code. Throws UserError where they make no sense. */
export async function runCommand(args: readonly string[], context: Context): Promise<number> {
  const action = parse(args);
  return await action(context);
}

/** Parses the arguments only. Help and version are printed on the way, their action does nothing. */
function parse(args: readonly string[]): Action {
  let action: Action = () => 0;
  const program = buildProgram((chosen) => action = chosen);
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.help") return () => 1;
    if (error.exitCode !== 0) throw new UserError(readable(error.message));
  }
  return action;
}

/** Commander's complaint in this project's form: "error: unknown option '--x'\n(Did you mean --y?)". */
function readable(message: string): string {
  const text = message.replace(/^error: /, "").replace(/\n\(D(.*)\)$/, ", d$1").replace(/\.$/, "");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}; see nanogpt --help`;
}

function buildProgram(choose: (action: Action) => void) {
  const program = new Command("nanogpt")
    .description("Trains GPT-2-class language models")
    .option("-V, --version", "version, commit, kernel ABI and instruction sets")
    .option("--verify-install", "check the files that the single file has unpacked; repair them")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void out.write(text),
      writeErr: (text) => void err.write(text),
      // Errors are reported by whoever catches the UserError, once.
      outputError: () => {},
    });
  program.on("option:version", () => {
    choose(async (context) => (await import("./version.ts")).version(context));
    throw new CommanderError(0, "nanogpt.version", ""); // looks at nothing that follows, as with --help
  });
  program.on("option:verify-install", () => {
    throw new UserError(
      "Cannot verify an installation: only ./nanogpt made by `make` unpacks one; give --verify-install to it, alone",
    );
  });
  addTraining(program, choose);
  addUse(program, choose);
  addViews(program, choose);
  addProof(program, choose);
  addFacts(program, choose);
  addCompare(program, choose);
  addWatch(program, choose);
  addSweep(program, choose);
  addData(program, choose);
  return program;
}

/** The three parts of a configuration on the command line, as ConfigOptions. */
function configOptions(
  file: string | undefined,
  options: { readonly preset?: string | undefined; readonly set?: readonly string[] | undefined },
): ConfigOptions {
  return { file, preset: options.preset, sets: options.set ?? [] };
}

type Program = Command;

/** A command that takes a configuration. */
function configCommand(program: Program, name: string, about: string) {
  return program.command(name)
    .description(about)
    .argument("[config.json]", CONFIG_ARGUMENT)
    .option("--preset <name>", "built-in configuration to start from")
    .option("--set <key.path=value>", "change one key; may be repeated", collect);
}

function addTraining(program: Program, choose: (action: Action) => void): void {
  configCommand(program, "train", "train a model; alone, the sample preset on the built-in corpus")
    .option("--out <dir>", "folder of the run")
    .option("--resume <auto|dir>", "go on from the newest checkpoint of the run folder, or from this one")
    .option("--device <name>", "auto, cpu, cuda, emulated or reference")
    .option("--precision <name>", "fp32 or bf16")
    .option(
      "--ranks <n>",
      "workers that share each step, one a GPU; without, as many GPUs as can",
      wholeFrom(1),
    )
    .option("--serve [port]", "show the run on a page that follows it, on this machine only", portNumber)
    .option("--host <address>", "with --serve: listen there instead; the page then asks for a token")
    .action((file, options) => {
      const { out, device, precision, resume, ranks } = options;
      const flags = { out, device, precision };
      const request = { ...configOptions(file, options), flags, resume, ranks, serve: serveOf(options) };
      choose(async (context) => (await import("./train.ts")).train(request, context));
    });
  configCommand(program, "plan", "memory, FLOPs and bytes of a configuration, before any device is touched")
    .option("--device <name>", "auto, cpu, cuda, emulated or reference")
    .option("--precision <name>", "fp32 or bf16")
    .option(
      "--target <name>",
      "what a step would take there instead: h100x1 or h100x8; floors and expected times",
    )
    .option("--text", "print the plan itself too, step by step")
    .option("--json", "one object")
    .action((file, options) => {
      const { device, precision, text = false, json = false, target } = options;
      const request = { ...configOptions(file, options), flags: { device, precision }, text, json, target };
      choose(async (context) => (await import("./plan.ts")).plan(request, context));
    });
}

function addUse(program: Program, choose: (action: Action) => void): void {
  program.command("eval")
    .description("validation loss of a checkpoint, or how it answers HellaSwag's questions")
    .argument("<checkpoint>", "folder of a checkpoint, or of a run: its newest")
    .option("--val <glob>", "validation shards instead of the checkpoint's own")
    .option("--tokens <n>", "how many tokens", wholeFrom(1))
    .option("--hellaswag <file>", "answer the questions of this .jsonl file instead")
    .option("--limit <n>", "with --hellaswag: only the first questions", wholeFrom(1))
    .option("--device <name>", "auto, cpu, cuda, emulated or reference; without, the run's own")
    .option("--precision <name>", "fp32 or bf16; without, the run's own")
    .option("--json", "one object")
    .action((checkpoint, { val, tokens, hellaswag, limit, device, precision, json = false }) => {
      const request = { checkpoint, val, tokens, hellaswag, limit, device, precision, json };
      choose(async (context) => (await import("./eval.ts")).evaluate(request, context));
    });
  program.command("sample")
    .description("text from a checkpoint")
    .argument("<checkpoint>", "folder of a checkpoint, or of a run: its newest")
    .option("--prompt <text>", "text to go on from")
    .option("--tokens <n>", "how many tokens to write", wholeFrom(1))
    .option("--temperature <t>", "0 takes the likeliest token", nonNegative)
    .option("--top-k <k>", "choose among the k likeliest tokens", wholeFrom(1))
    .option("--seed <s>", "the same seed, the same text", wholeFrom(0))
    .action((checkpoint, { prompt, tokens, temperature, topK, seed }) => {
      const request = { checkpoint, prompt, tokens, temperature, topK, seed };
      choose(async (context) => (await import("./sample.ts")).sample(request, context));
    });
}

function addViews(program: Program, choose: (action: Action) => void): void {
  program.command("report")
    .description("one HTML file about runs that opens anywhere")
    .argument("<runs...>", "folders of runs, or logs in the speedrun's form")
    .option("-o, --out <file>", "where to, instead of report.html or loss.svg")
    .option("--svg", "a figure of the losses instead, for a paper or a README")
    .action((runs, { out, svg = false }) => {
      choose(async (context) => (await import("./report.ts")).report({ runs, out, svg }, context));
    });
}

function addProof(program: Program, choose: (action: Action) => void): void {
  program.command("bench")
    .description("speed on this machine, beside its own measured peak")
    .argument("[workload]", "one workload; without, all of them")
    .option("--json", "one object a workload")
    .option("--by-step", "time of each step of the plan")
    .option("--peer <python>", "time PyTorch on train-124m too, with a Python that has it")
    .option("--threads <n>", "threads of the device; 0: one for each core", wholeFrom(0))
    .option("--device <name>", "cpu, cuda or emulated; without, cpu")
    .option("--precision <name>", "fp32 or bf16")
    .action((workload, { json = false, byStep = false, peer, threads, device, precision }) => {
      const request = { workload, json, byStep, peer, threads, device, precision };
      choose(async (context) => (await import("./bench.ts")).bench(request, context));
    });
  program.command("check")
    .description(
      "correctness on this machine; without --golden and --curve, every op against the reference device",
    )
    .argument("[run]", "with --curve: the run")
    .option("--golden <file>", "loss, gradients and run of a golden file; may be repeated", collect)
    .option("--curve <file>", "compare a run with this stored loss curve")
    .option("--device <name>", "auto, cpu, cuda, emulated or reference")
    .option("--precision <name>", "fp32 or bf16")
    .option("--json", "the table for programs")
    .action((run, { golden = [], curve, device, precision, json = false }) => {
      const request = { golden, device, precision, json, curve: curveOf(curve, run, golden) };
      choose(async (context) => (await import("./check.ts")).check(request, context));
    });
}

function addCompare(program: Program, choose: (action: Action) => void): void {
  program.command("compare")
    .description("runs and groups of runs beside each other: losses, settings, tests")
    .argument("[runs...]", "folders of runs, or logs in the speedrun's form")
    .option(
      "--group <name=glob>",
      "runs as one group, for mean, deviation and tests; may be repeated",
      collect,
    )
    .option(
      "--target <loss>",
      "when it was passed; whether the mean is below it, by the speedrun's rule",
      nonNegative,
    )
    .option("--json", "one object")
    .action((runs, { group = [], target, json = false }) => {
      const request = { runs, groups: group, target, json };
      choose(async () => (await import("./compare.ts")).compare(request));
    });
}

function addWatch(program: Program, choose: (action: Action) => void): void {
  program.command("watch")
    .description(
      "a run as it goes on: chart, numbers, time left; q or Ctrl-C leaves, the run is not disturbed",
    )
    .argument("<run>", "folder of a run, or a log in the speedrun's form")
    .option("--once", "print how it stands and end; also without a terminal")
    .action((run, { once = false }) => {
      choose(async (context) => (await import("./watch.ts")).watch({ run, once }, context));
    });
}

function addSweep(program: Program, choose: (action: Action) => void): void {
  configCommand(
    program,
    "sweep",
    "train every combination of values, one run after another; the same command goes on",
  )
    .requiredOption(
      "--over <key.path=a,b,c>",
      "values of one key; may be repeated: every combination",
      collect,
    )
    .option("--seeds <n>", "runs of each combination, of run.seed and the seeds after it", wholeFrom(1))
    .option(
      "--stop-behind <nats>",
      "stop a run whose training loss is this far above the best run's",
      nonNegative,
    )
    .option("--out <dir>", "folder of the sweep; runs/sweep-NAME, of the configuration or preset")
    .action((file, options) => {
      const { over, seeds = 1, stopBehind, out } = options;
      const request = { ...configOptions(file, options), over, seeds, stopBehind, out };
      choose(async (context) => (await import("./sweep.ts")).sweep(request, context));
    });
}

function addFacts(program: Program, choose: (action: Action) => void): void {
  configCommand(program, "config", "the configuration with all its values, and where each came from")
    .option("--schema", "JSON Schema of config.json instead, for editors")
    .action((file, options) => {
      const request = { ...configOptions(file, options), schema: options.schema ?? false };
      choose(async () => (await import("./config.ts")).config(request));
    });
  program.command("info")
    .description("this program, this machine, and what keeps it from training; for reports of faults")
    .option("--json", "one object")
    .action(({ json = false }) => {
      choose(async (context) => (await import("./info.ts")).info({ json }, context));
    });
}

function addData(program: Program, choose: (action: Action) => void): void {
  const data = program.command("data").description("corpora and shards");
  data.command("sample")
    .description("tokenise the built-in corpus")
    .action(() => choose(async (context) => (await import("./data.ts")).dataSample(context)));
  data.command("tokenize")
    .description("tokenise text files, .txt (a document each) or .jsonl (a document a line, field text)")
    .argument("<out>", "folder for the shards, NAME_train_000000.bin and so on; NAME is the folder's")
    .argument(
      "<files...>",
      ".txt (one document a file), .jsonl, both also .gz or .zst, .parquet; - is standard input",
    )
    .option("--shard-tokens <n>", "tokens of a whole shard", wholeFrom(1))
    .option("--val-fraction <f>", "share of the documents for validation, chosen by hash", nonNegative)
    .option("--field <name>", "field of .jsonl objects, or column of .parquet, with the text")
    .option("--format <name>", "what standard input holds: txt, jsonl, jsonl.gz and so on")
    .option("--workers <n>", "threads that encode; without, one for each core", wholeFrom(1))
    .action((folder, files, { shardTokens, valFraction, field, format, workers }) => {
      const request = { folder, files, shardTokens, valFraction, field, format, workers };
      choose(async (context) => (await import("./data.ts")).dataTokenize(request, context));
    });
  data.command("inspect")
    .description("what a shard holds")
    .argument("<file>", "shard")
    .option("--json", "one object")
    .action((file, { json = false }) => {
      choose(async () => (await import("./data.ts")).dataInspect({ file, json }));
    });
  fetchCommand(
    data,
    "fineweb10B",
    "download the GPT-2 tokens of FineWeb10B: the validation shard, then training shards",
  )
    .argument("[shards]", "how many training shards, of 100 million tokens; 10 without", wholeFrom(1))
    .action((shards, { out: folder, baseUrl, verify = false }) => {
      const request = { shards, folder, baseUrl, verify };
      choose(async (context) => (await import("./data_fetch.ts")).dataFineweb(request, context));
    });
  fetchCommand(data, "hellaswag", "download HellaSwag's validation questions")
    .action(({ out: folder, baseUrl, verify = false }) => {
      const request = { folder, baseUrl, verify };
      choose(async () => (await import("./data_fetch.ts")).dataHellaswag(request));
    });
}

/** A command that downloads files. */
function fetchCommand(data: Program, name: string, about: string) {
  return data.command(name)
    .description(about)
    .option("--out <dir>", "folder for the files")
    .option("--base-url <url>", "a mirror: the address of a plain folder with the files")
    .option("--verify", "read what is there already, not only its size");
}

/** --curve FILE needs the run to compare, a run needs --curve, and neither goes with --golden. */
function curveOf(
  file: string | undefined,
  run: string | undefined,
  golden: readonly string[],
): CheckOptions["curve"] {
  if (file !== undefined && golden.length > 0) {
    throw new UserError("Cannot check both --golden and --curve at once: give one of them");
  }
  if (file === undefined && run === undefined) return undefined;
  if (file === undefined) throw new UserError(`Cannot check the run ${run}: --curve FILE is missing`);
  if (run === undefined) {
    throw new UserError(`Cannot check against ${file}: the run is missing, --curve FILE RUN`);
  }
  return { file, run };
}

/** --host needs --serve; --serve alone leaves the port open. */
function serveOf(options: { readonly serve?: number | true; readonly host?: string }): TrainOptions["serve"] {
  const { serve, host } = options;
  if (serve === undefined && host !== undefined) {
    throw new UserError(`Cannot use --host ${host}: it is for the page of the run, give --serve too`);
  }
  return serve === undefined ? undefined : { port: serve === true ? undefined : serve, host };
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** A parser of whole numbers of at least `min`. */
function wholeFrom(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min}`);
  };
}

function portNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65535) return value;
  throw new InvalidArgumentError("Expected a port from 0 to 65535; write a configuration before --serve");
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("Expected a number from 0");
}

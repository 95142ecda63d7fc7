// nanogpt data fineweb10B and data hellaswag: say what is wanted and from where, show how it arrives, stop on a signal.
// The download itself is data/'s. Reads no environment variable: the endpoint and token of the hub come in with it, and
// the token goes nowhere else. May import data/, lib/base and its neighbours.

import { join } from "@std/path";
import { fetchFiles, type FetchRequest } from "../../data/fetch_files.ts";
import {
  checkShard,
  FINEWEB_DEFAULT_SHARDS,
  FINEWEB_FOLDER,
  FINEWEB_REPO,
  finewebSources,
} from "../../data/fineweb.ts";
import {
  checkHellaswag,
  HELLASWAG_FILE,
  HELLASWAG_FOLDER,
  hellaswagSource,
} from "../../data/hellaswag_file.ts";
import { Client, type Token } from "../../data/http.ts";
import { hubDataset, plainFolder } from "../../data/hub.ts";
import type { ManifestEntry } from "../../data/manifest.ts";
import { formatBytes } from "../base/units.ts";
import type { Context } from "./context.ts";
import { DownloadView } from "./download_view.ts";
import type { FetchCommandOptions, FinewebOptions } from "./options.ts";
import { out } from "./output.ts";
import { shellWord } from "./train_view.ts";

const INTERRUPTED = 130;

/** nanogpt data fineweb10B [SHARDS]: the validation shard and the first training shards of FineWeb10B. */
export async function dataFineweb(options: FinewebOptions, { environment }: Context): Promise<number> {
  const { shards = FINEWEB_DEFAULT_SHARDS, baseUrl, folder = FINEWEB_FOLDER, verify } = options;
  const { hfEndpoint, hfToken } = environment;
  const origin = baseUrl === undefined
    ? hubDataset(FINEWEB_REPO, hfEndpoint, hfToken)
    : plainFolder(baseUrl, "--base-url");
  const sources = finewebSources(shards, origin);
  const entries = await fetchShown({ folder, sources, check: checkShard, verify }, origin.token);
  if (!entries) return INTERRUPTED;
  const count = shards === 1 ? "1 training shard" : `${shards} training shards`;
  out.line(`${folder} holds the validation shard and ${count} of FineWeb10B, ${describe(entries, verify)}`);
  return 0;
}

/** nanogpt data hellaswag: the validation questions of HellaSwag. */
export async function dataHellaswag(options: FetchCommandOptions): Promise<number> {
  const { baseUrl, folder = HELLASWAG_FOLDER, verify } = options;
  const sources = [hellaswagSource(baseUrl)];
  const entries = await fetchShown({ folder, sources, check: checkHellaswag, verify }, undefined);
  if (!entries) return INTERRUPTED;
  const file = join(folder, HELLASWAG_FILE);
  out.line(`${file} holds HellaSwag's validation questions, ${describe(entries, verify)}`);
  out.line(`Use it with: nanogpt eval CHECKPOINT --hellaswag ${shellWord(file)}`);
  return 0;
}

/** Size of the files and how they were checked. */
function describe(entries: readonly ManifestEntry[], verified: boolean): string {
  const bytes = formatBytes(entries.reduce((sum, { size }) => sum + size, 0));
  const unstated = entries.filter(({ stated }) => !stated).length;
  const checked = unstated === 0
    ? "SHA-256 as stated where they came from"
    : `no SHA-256 was stated for ${unstated} of ${entries.length}`;
  return `${bytes}; ${checked}${verified ? "; all read again and unchanged" : ""}`;
}

type Wanted = Pick<FetchRequest, "folder" | "sources" | "check" | "verify">;

/** Fetches and shows it; undefined where a signal ended it, which has been told. */
async function fetchShown(wanted: Wanted, token: Token | undefined): Promise<ManifestEntry[] | undefined> {
  const view = new DownloadView();
  const client = new Client((text) => view.note(text), token);
  const stop = new AbortController();
  const signals = watchSignals(stop);
  try {
    const report: FetchRequest["report"] = (event) => view.show(event);
    return await fetchFiles({ ...wanted, client, signal: stop.signal, report });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    view.close();
    out.line("Interrupted; the same command goes on where it was");
    return undefined;
  } finally {
    signals.close();
    client.close();
    view.close();
  }
}

/** First SIGINT or SIGTERM: stop, keeping what has arrived. Second: leave at once. */
function watchSignals(stop: AbortController): { close(): void } {
  const end = () => {
    if (stop.signal.aborted) Deno.exit(INTERRUPTED);
    stop.abort();
  };
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, end);
  return {
    close() {
      for (const signal of signals) Deno.removeSignalListener(signal, end);
    },
  };
}

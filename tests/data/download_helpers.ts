// For tests of downloads: no patience, so that they are fast, and one file fetched as the commands fetch it.
// Not a test itself.

import { join } from "@std/path";
import { type ContentCheck, downloadFile } from "../../data/download.ts";
import { Client, type Patience, type Token } from "../../data/http.ts";
import { describeFile } from "../../data/hub.ts";
import { randomBelow } from "./helpers.ts";

export const IMPATIENT: Patience = {
  attempts: 4,
  firstWaitMs: 2,
  longestWaitMs: 10,
  silenceMs: 300,
  longestAskedMs: 2000,
};

/** Bytes without a pattern. */
export function someBytes(count: number, seed = 1): Uint8Array {
  const below = randomBelow(seed);
  return Uint8Array.from({ length: count }, () => below(256));
}

export interface Getting {
  readonly token?: Token;
  readonly check?: ContentCheck;
  readonly signal?: AbortSignal;
  readonly patience?: Partial<Patience>;
  readonly connections?: number;
}

/** Fetches `url` into `folder`; returns what was remarked on the way, and the SHA-256. */
export async function get(
  url: string,
  folder: string,
  { token, check = async () => {}, signal = new AbortController().signal, ...given }: Getting = {},
): Promise<{ readonly notes: string[]; readonly digest: string; readonly stated: boolean }> {
  const notes: string[] = [];
  const client = new Client((text) => notes.push(text), token, { ...IMPATIENT, ...given.patience });
  try {
    const source = { name: "file.bin", url: new URL(url) };
    const remote = await describeFile(client, source, signal);
    const options = { client, connections: given.connections ?? 4, check, signal, progress: () => {} };
    const digest = await downloadFile(remote, join(folder, source.name), options);
    return { notes, digest, stated: remote.sha256 !== undefined };
  } finally {
    client.close();
  }
}

// One file from a server onto the disk: its missing parts over several connections, each tried again where it broke,
// then size, SHA-256 and content checked, then its name. What arrived outlives any end. Publishes nothing that is not
// as its server stated it. Chooses no files and no folder. Imports lib/base and this folder.

import { setTimeout as sleep } from "node:timers/promises";
import { RunError, UserError } from "../lib/base/errors.ts";
import { type Answer, Attempts, type Client, StatusError, TemporaryError } from "./http.ts";
import { explainStatus, type RemoteFile } from "./hub.ts";
import { mapInParallel } from "./parallel.ts";
import { PartialFile } from "./partial.ts";
import type { Span } from "./spans.ts";

/** What one request asks for. */
const PIECE_BYTES = 8 << 20;
/** How often the arrived bytes are made to outlive the process: a kill costs at most what this long brings. */
const SAVE_EVERY_MS = 1000;
/** An attempt that brought as much was not in vain. */
const WORTHWHILE_BYTES = 1 << 20;

/** Throws a UserError where the file at this path is not what it should be. */
export type ContentCheck = (path: string) => Promise<void>;

export interface DownloadOptions {
  readonly client: Client;
  /** Requests under way at a time. */
  readonly connections: number;
  readonly check: ContentCheck;
  /** Stops the download; what has arrived is kept. */
  readonly signal: AbortSignal;
  /** Told how many bytes are there. */
  readonly progress: (held: number) => void;
}

/**
 * Fetches `remote` to `path`, going on with what an earlier attempt left; returns its SHA-256 (hex). Wrong bytes are
 * fetched once more from the start. UserError where the server refuses, RunError where network, disk or content fail.
 */
export async function downloadFile(
  remote: RemoteFile,
  path: string,
  options: DownloadOptions,
): Promise<string> {
  const { client } = options;
  const partial = PartialFile.open(path, remote);
  try {
    for (let isFirst = true;; isFirst = false) {
      try {
        await fetchMissing(partial, remote, options);
        const digest = await judge(partial, remote, options.check);
        partial.publish();
        return digest;
      } catch (error) {
        if (!(error instanceof WrongContent)) throw error;
        if (!isFirst) {
          partial.discard();
          throw new RunError(
            `Cannot use ${remote.name} as ${remote.url.href} gives it: ${error.message}, twice; nothing was kept of it, ` +
              "try again later or use another mirror",
          );
        }
        client.note(`${remote.name}: ${error.message}; fetching it once more from the start`);
        partial.reset();
      }
    }
  } catch (error) {
    throw error instanceof StatusError ? explainStatus(client, remote, error) : error;
  } finally {
    partial.close();
  }
}

/** The content is not what it should be. Does not leave this file. */
class WrongContent extends Error {}

/** The SHA-256 of a complete file; WrongContent where that or the content is wrong. */
async function judge(partial: PartialFile, remote: RemoteFile, check: ContentCheck): Promise<string> {
  const digest = await partial.digest();
  if (remote.sha256 !== undefined && digest !== remote.sha256) {
    throw new WrongContent(`its SHA-256 is ${digest}, expected ${remote.sha256}`);
  }
  try {
    await check(partial.temporary);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new WrongContent(error.message.replaceAll(partial.temporary, remote.name));
  }
  return digest;
}

/** Fetches what is missing, saving now and then and at the end, however it comes. */
async function fetchMissing(
  partial: PartialFile,
  remote: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  const { connections, signal, progress } = options;
  const pieces = partial.missing(remote.ranges ? PIECE_BYTES : Number.MAX_SAFE_INTEGER);
  progress(partial.held);
  const ended = new AbortController();
  const disk = new AbortController();
  const saving = saveRegularly(partial, ended.signal).catch((error) => disk.abort(error));
  const either = AbortSignal.any([signal, disk.signal]);
  try {
    await mapInParallel(
      pieces,
      connections,
      either,
      (piece, signal) => fetchPiece(partial, remote, piece, { ...options, signal }),
    );
  } finally {
    ended.abort();
    await saving;
  }
  disk.signal.throwIfAborted();
}

async function saveRegularly(partial: PartialFile, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await sleep(SAVE_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
    if (!ended.aborted) await partial.save();
  }
  await partial.save();
}

/** Fetches one piece, trying again from where it broke; a server that gives no parts starts over. */
async function fetchPiece(
  partial: PartialFile,
  remote: RemoteFile,
  piece: Span,
  { client, signal, progress }: DownloadOptions,
): Promise<void> {
  const attempts = new Attempts(client, remote.name);
  let at = piece.start;
  while (at < piece.end) {
    const from = at;
    try {
      const rest = { start: at, end: piece.end };
      const answer = await client.open(remote.url, signal, remote.ranges ? rest : undefined);
      requireFit(answer, remote, rest);
      for await (const bytes of answer.chunks()) {
        if (at + bytes.length > piece.end) {
          throw new TemporaryError(`${answer.host} sent more than the ${piece.end - from} bytes asked for`);
        }
        partial.write(at, bytes);
        at += bytes.length;
        progress(partial.held);
      }
      if (at < piece.end) throw new TemporaryError(`${answer.host} ended ${piece.end - at} bytes too early`);
    } catch (error) {
      if (remote.ranges && at - from >= WORTHWHILE_BYTES) attempts.progressed();
      await attempts.failed(error, signal);
      if (remote.ranges) continue;
      partial.reset();
      at = 0;
    }
  }
}

/** Throws unless the answer is the part that was asked for, of the file that was described. */
function requireFit(answer: Answer, remote: RemoteFile, { start, end }: Span): void {
  try {
    requirePart(answer, remote, start, end);
  } catch (error) {
    answer.close();
    throw error;
  }
}

function requirePart(
  { status, headers, host }: Answer,
  remote: RemoteFile,
  start: number,
  end: number,
): void {
  const range = headers.get("content-range") ?? "none";
  const expected = `bytes ${start}-${end - 1}/${remote.size}`;
  if (remote.ranges && (status !== 206 || range !== expected)) {
    throw new TemporaryError(
      `${host} answered ${status} with the range ${range}, expected 206 with ${expected}`,
    );
  }
  const length = headers.get("content-length");
  const lies = !remote.ranges && (status !== 200 || length !== String(remote.size));
  const etag = headers.get("etag");
  const changed = remote.sha256 === undefined && remote.etag !== undefined && etag !== null &&
    etag !== remote.etag;
  if (lies || changed) {
    throw new RunError(
      `${remote.name} changed at ${host} while it was fetched; run the same command again to fetch it anew`,
    );
  }
}

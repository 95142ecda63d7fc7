// A set of files into one folder: what is there already is recognised by the manifest, what is missing is asked about,
// given room, and downloaded in the order given, each usable as soon as it has its name. Replaces no file that is
// there: one that is not as expected is an error. Imports lib/base, @std/path and this folder.

import { statfsSync } from "node:fs";
import { join } from "@std/path";
import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { formatBytes } from "../lib/base/units.ts";
import { type ContentCheck, downloadFile } from "./download.ts";
import type { Client } from "./http.ts";
import { describeFile, type RemoteFile, type Source } from "./hub.ts";
import { lockFolder, Manifest, type ManifestEntry } from "./manifest.ts";
import { mapInParallel } from "./parallel.ts";
import { digestOf, heldBytes } from "./partial.ts";

/** Requests under way at a time: enough for a line that one connection does not fill, few enough to be welcome. */
const CONNECTIONS = 8;

/** What happens, as it happens. */
export type FetchEvent =
  /** `files` are to be downloaded, `bytes` in all, `held` of them from an earlier attempt. */
  | { readonly kind: "plan"; readonly files: number; readonly bytes: number; readonly held: number }
  /** A file that is there is read. */
  | { readonly kind: "verifying"; readonly name: string }
  /** A file is begun or gone on with. */
  | { readonly kind: "begin"; readonly name: string; readonly bytes: number }
  /** `held` bytes of the file are there. */
  | { readonly kind: "progress"; readonly name: string; readonly held: number }
  /** A file has its name. */
  | { readonly kind: "done"; readonly entry: ManifestEntry };

export interface FetchRequest {
  readonly folder: string;
  /** In the order they are fetched. */
  readonly sources: readonly Source[];
  readonly check: ContentCheck;
  /** Whether to read what is there, and not only to look at its size. */
  readonly verify: boolean;
  readonly client: Client;
  readonly signal: AbortSignal;
  readonly report: (event: FetchEvent) => void;
}

/**
 * Makes the folder hold all files; returns their entries in order. UserError where a file that is there is not as
 * expected, where the server refuses, or where the folder is in use; RunError where network, disk or content fail.
 */
export async function fetchFiles(request: FetchRequest): Promise<ManifestEntry[]> {
  const { folder, sources, signal, report } = request;
  try {
    Deno.mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot make the folder ${folder}: ${messageOf(error)}`);
  }
  using _lock = lockFolder(folder);
  const manifest = Manifest.read(folder);
  const unknown: Source[] = [];
  for (const source of sources) {
    signal.throwIfAborted();
    if (!await isThere(source, manifest, request)) unknown.push(source);
  }
  const remotes = await mapInParallel(
    unknown,
    CONNECTIONS,
    signal,
    (source, either) => describeFile(request.client, source, either),
  );
  const missing = remotes.filter(({ name }) => sizeOf(join(folder, name)) === undefined);
  for (const remote of remotes.filter((remote) => !missing.includes(remote))) {
    await adopt(remote, manifest, request);
  }
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  const held = missing.reduce((sum, remote) => sum + heldBytes(join(folder, remote.name), remote), 0);
  requireRoom(folder, bytes - held);
  if (missing.length > 0) report({ kind: "plan", files: missing.length, bytes, held });
  for (const remote of missing) await download(remote, manifest, request);
  return sources.flatMap(({ name }) => manifest.get(name) ?? []);
}

/** Whether the file is there and as the manifest has it; UserError where it is there and differs. */
async function isThere({ name }: Source, manifest: Manifest, request: FetchRequest): Promise<boolean> {
  const path = join(request.folder, name);
  const entry = manifest.get(name);
  const size = sizeOf(path);
  if (!entry || size === undefined) return false;
  const again = "remove it and run the same command again to fetch it anew";
  if (size !== entry.size) {
    throw new UserError(
      `${path} has ${size} bytes, the manifest says ${entry.size}: it was changed; ${again}`,
    );
  }
  if (!request.verify) return true;
  request.report({ kind: "verifying", name });
  const digest = await digestOf(path);
  if (digest === entry.sha256) return true;
  throw new UserError(
    `${path} is damaged: its SHA-256 is ${digest}, the manifest says ${entry.sha256}; ${again}`,
  );
}

/** Takes a file that is there into the manifest, if it is the server's. */
async function adopt(remote: RemoteFile, manifest: Manifest, request: FetchRequest): Promise<void> {
  const path = join(request.folder, remote.name);
  request.report({ kind: "verifying", name: remote.name });
  const [size, sha256] = [sizeOf(path), await digestOf(path)];
  if (size !== remote.size || sha256 !== (remote.sha256 ?? sha256)) {
    throw new UserError(
      `${path} is there already, with ${size} bytes and SHA-256 ${sha256}, and is not the file at ${remote.url.href} ` +
        `(${remote.size} bytes${
          remote.sha256 ? `, SHA-256 ${remote.sha256}` : ""
        }); remove it, or name another ` +
        "folder with --out",
    );
  }
  await request.check(path);
  manifest.add(entryOf(remote, sha256));
}

async function download(remote: RemoteFile, manifest: Manifest, request: FetchRequest): Promise<void> {
  const { folder, client, signal, check, report } = request;
  const { name, size } = remote;
  report({ kind: "begin", name, bytes: size });
  const progress = (held: number) => report({ kind: "progress", name, held });
  const options = { client, connections: CONNECTIONS, check, signal, progress };
  const entry = entryOf(remote, await downloadFile(remote, join(folder, name), options));
  manifest.add(entry);
  report({ kind: "done", entry });
}

function entryOf({ name, size, sha256, url, commit }: RemoteFile, digest: string): ManifestEntry {
  return {
    file: name,
    size,
    sha256: digest,
    stated: sha256 !== undefined,
    url: url.href,
    commit: commit ?? null,
  };
}

/** The size of a file in bytes, undefined where there is none; UserError for anything else of that name. */
function sizeOf(path: string): number | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (isFile) return size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new UserError(`Cannot look at ${path}: ${messageOf(error)}`);
  }
  throw new UserError(`${path} is not a regular file; remove it, or name another folder with --out`);
}

/** Throws where the disk has no room for so many bytes more. */
function requireRoom(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (bytes <= free) return;
  throw new RunError(
    `There is too little room in ${folder}: ${formatBytes(bytes)} are to come, ${
      formatBytes(free)
    } are free; make ` +
      "room, name a folder on another disk with --out, or ask for fewer files",
  );
}

// What a folder of downloaded files holds: manifest.json, one entry a file, and the lock of whoever downloads into it.
// An entry is made once a file has its name and is checked. Refuses a manifest that is damaged and a folder in use;
// touches none of the files. Imports lib/base and @std/path.

import { join } from "@std/path";
import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { replaceFile } from "../lib/base/files.ts";

const VERSION = 1;
const MANIFEST = "manifest.json";
const LOCK = ".lock";

/** A file of the folder, as it was checked. */
export interface ManifestEntry {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** Hex, of the bytes on disk. */
  readonly sha256: string;
  /** Whether the server stated this SHA-256; else it is what arrived. */
  readonly stated: boolean;
  readonly url: string;
  /** The commit of the hub's repository; null elsewhere. */
  readonly commit: string | null;
}

export class Manifest {
  readonly #path: string;
  readonly #entries: Map<string, ManifestEntry>;

  private constructor(path: string, entries: readonly ManifestEntry[]) {
    this.#path = path;
    this.#entries = new Map(entries.map((entry) => [entry.file, entry]));
  }

  /** The manifest of `folder`, empty where there is none. UserError where it cannot be read. */
  static read(folder: string): Manifest {
    const path = join(folder, MANIFEST);
    const again = "remove it and run the same command again: the files that are there are then checked anew";
    let text: string;
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Manifest(path, []);
      throw new UserError(`Cannot read the manifest ${path}: ${messageOf(error)}; ${again}`);
    }
    const entries = parseEntries(text);
    if (!entries) throw new UserError(`The manifest ${path} is damaged; ${again}`);
    return new Manifest(path, entries);
  }

  get(file: string): ManifestEntry | undefined {
    return this.#entries.get(file);
  }

  /** Adds an entry and writes the manifest. RunError when the disk fails. */
  add(entry: ManifestEntry): void {
    this.#entries.set(entry.file, entry);
    const files = [...this.#entries.values()];
    try {
      replaceFile(this.#path, JSON.stringify({ version: VERSION, files }, null, 1) + "\n");
    } catch (error) {
      throw new RunError(
        `Cannot write the manifest ${this.#path}: ${
          messageOf(error)
        }; make room, then run the same command again`,
      );
    }
  }
}

/** The entries of a manifest in the form that `add` writes it. */
function parseEntries(text: string): ManifestEntry[] | undefined {
  let manifest: { readonly version?: unknown; readonly files?: unknown } | null;
  try {
    manifest = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (manifest?.version !== VERSION || !Array.isArray(manifest.files)) return undefined;
  return manifest.files.every(isEntry) ? manifest.files : undefined;
}

function isEntry(value: unknown): value is ManifestEntry {
  if (value === null || typeof value !== "object") return false;
  const { file, size, sha256, stated, url, commit }: Partial<Record<keyof ManifestEntry, unknown>> = value;
  return typeof file === "string" && Number.isSafeInteger(size) && typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256) && typeof stated === "boolean" && typeof url === "string" &&
    (commit === null || typeof commit === "string");
}

/** Takes the folder for one download at a time; the system gives it back when the process ends, however it does. */
export function lockFolder(folder: string): Disposable {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(join(folder, LOCK), { write: true, create: true });
  } catch (error) {
    throw new UserError(`Cannot write into the folder ${folder}: ${messageOf(error)}`);
  }
  if (isTaken(file)) {
    file.close();
    throw new UserError(
      `Another nanogpt downloads into ${folder} already: wait for it, or name another folder with --out`,
    );
  }
  return file;
}

function isTaken(file: Deno.FsFile): boolean {
  try {
    return !file.tryLockSync(true);
  } catch {
    return false; // a disk that knows no locks, as some networks' do: that is no reason not to download
  }
}

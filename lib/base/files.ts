// What writing to files needs beyond Deno's own calls, said once. Turns no failure into a message: whoever asked knows
// what to do about it. Knows no format and no folder of a run.
// Importable by all; imports @std/path.

import { basename, dirname, join } from "@std/path";

/** Whether there is anything at `path` that can be looked at. */
export function isThere(path: string | URL): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Writes all of `bytes`; one call of the system may take only a part. */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** Makes names in a folder last through a power cut; file systems that know no such thing refuse with EINVAL. */
export function syncFolder(folder: string): void {
  const handle = Deno.openSync(folder, { read: true });
  try {
    handle.syncSync();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EINVAL")) throw error;
  } finally {
    handle.close();
  }
}

/** Makes `path` hold `text`, or leaves it as it was, whatever happens meanwhile. */
export function replaceFile(path: string, text: string): void {
  const temporary = join(dirname(path), `.${basename(path)}.${Deno.pid}.tmp`);
  try {
    const file = Deno.openSync(temporary, { write: true, create: true, truncate: true });
    try {
      writeAll(file, new TextEncoder().encode(text));
      file.syncSync();
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not made, or the disk is gone: the first failure tells.
    }
    throw error;
  }
}

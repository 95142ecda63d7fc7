// What writing to files needs beyond Deno's own calls, said once. Opens, syncs and names nothing: whoever opens a file
// does that, and turns a failure into a message with what to do about it. Knows no format and no folder of a run.
// Importable by all; imports nothing.

/** Writes all of `bytes`; one call of the system may take only a part. */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

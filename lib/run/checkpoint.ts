// Checkpoints on disk: RUN/checkpoints/step-000125/ with model.safetensors, optimizer.safetensors and state.json. Each is
// written under a hidden temporary name, synced and renamed, so that a folder of the final name is complete; the same
// state gives the same bytes. Tensors stream through, hashed on the way (SHA-256, about 1 GB/s on one core), and are
// checked against size and checksum when opened. Refuses to repair. Imports lib/base, checkpoint_state.ts, @std/path.

import { createHash } from "node:crypto";
import { basename, join } from "@std/path";
import { InternalError, messageOf, RunError, UserError } from "../base/errors.ts";
import { syncFolder, writeAll } from "../base/files.ts";
import {
  encodeHeader,
  openSafetensors,
  type SafetensorsFile,
  storedBytes,
  type StoredTensor,
  type TensorSource,
  writeSafetensors,
} from "../base/safetensors.ts";
import { elementCount, formatShape, sameShape, type Shape } from "../base/shape.ts";
import {
  type CheckpointState,
  decodeState,
  encodeState,
  type FileRecord,
  TENSOR_FILES,
} from "./checkpoint_state.ts";

const FOLDER = "checkpoints";
const STATE_FILE = "state.json";
/** A checkpoint being written. */
const TEMPORARY = ".tmp-";
/** A checkpoint being removed or replaced. */
const DISCARDED = ".old-";
const STEP_FOLDER = /^step-(\d{6,15})$/;
const READ_BYTES = 4 << 20;

/** A tensor to be stored; `read` copies its bytes out of the device. */
export interface CheckpointTensor extends StoredTensor {
  readonly dtype: "F32" | "F64";
  readonly read: TensorSource;
}

/** Everything a checkpoint holds. */
export interface CheckpointContents extends Omit<CheckpointState, "files"> {
  /** By canonical names, in canonical order. */
  readonly parameters: readonly CheckpointTensor[];
  readonly optimiser: readonly CheckpointTensor[];
}

/** What writing a checkpoint did. */
export interface WrittenCheckpoint {
  readonly path: string;
  readonly bytes: number;
  /** What else the user should know: leftovers removed, or that could not be. */
  readonly notes: readonly string[];
}

/** Where a checkpoint lies. */
export interface CheckpointPlace {
  readonly step: number;
  readonly path: string;
}

/** "step-000125" */
function stepName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/** The folder of a run's checkpoint of a step. */
export function checkpointPath(runFolder: string, step: number): string {
  return join(runFolder, FOLDER, stepName(step));
}

/** A run's checkpoints, oldest step first: folders of the final name, whether intact or not. */
export function listCheckpoints(runFolder: string): CheckpointPlace[] {
  const places: CheckpointPlace[] = [];
  for (const name of entries(join(runFolder, FOLDER))) {
    const step = STEP_FOLDER.exec(name)?.[1];
    if (step !== undefined) places.push({ step: Number(step), path: join(runFolder, FOLDER, name) });
  }
  return places.toSorted((a, b) => a.step - b.step);
}

/** Names of the folders in a folder; none where there is no folder. */
function entries(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw new UserError(`Cannot read the folder ${folder}: ${messageOf(error)}`);
  }
}

// ---- writing ----

/**
 * Writes a checkpoint, then removes all but the `keep` newest complete ones up to its step, and whatever a killed run
 * left half-written. RunError when the disk fails or is full: the checkpoints before are untouched then, and what was
 * written of this one is removed.
 */
export function writeCheckpoint(
  runFolder: string,
  contents: CheckpointContents,
  keep: number,
): WrittenCheckpoint {
  if (!(Number.isSafeInteger(keep) && keep >= 1)) throw new InternalError(`keeping ${keep} checkpoints`);
  const folder = join(runFolder, FOLDER);
  const path = checkpointPath(runFolder, contents.step);
  const temporary = join(folder, TEMPORARY + stepName(contents.step));
  const needed = plannedBytes(contents);
  const notes: string[] = [];
  try {
    onDisk(() => Deno.mkdirSync(folder, { recursive: true }));
    notes.push(...removeLeftovers(folder, TEMPORARY)); // before writing: they may hold the room that is needed
    onDisk(() => Deno.mkdirSync(temporary));
    writeFiles(temporary, contents);
    publish(temporary, path);
  } catch (error) {
    const left = removeQuietly(temporary);
    if (!(error instanceof DiskFailure)) throw error;
    const text = failureText(runFolder, path, error, needed);
    throw new RunError(left === undefined ? text : `${text}; ${left}`);
  }
  notes.push(...removeLeftovers(folder, DISCARDED), ...prune(runFolder, contents.step, keep));
  return { path, bytes: needed, notes };
}

/** Bytes that a checkpoint's tensor files take; state.json's kilobytes are not counted. */
function plannedBytes({ parameters, optimiser }: CheckpointContents): number {
  const size = (tensors: readonly StoredTensor[]) =>
    tensors.reduce((sum, tensor) => sum + storedBytes(tensor), encodeHeader(tensors).length);
  return size(parameters) + size(optimiser);
}

/** A failure of the disk, told apart from one of the device that tensors are read from. */
class DiskFailure extends Error {}

function onDisk<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new DiskFailure(messageOf(error), { cause: error });
  }
}

function failureText(runFolder: string, path: string, error: DiskFailure, needed: number): string {
  const before = listCheckpoints(runFolder).filter((place) => place.path !== path).at(-1);
  const untouched = before === undefined
    ? "there is no earlier one"
    : `the one before it, ${before.path}, is untouched`;
  return `Cannot write the checkpoint ${path}: ${error.message}; it needs ${needed} bytes ` +
    `(${(needed / 1e6).toFixed(1)} MB) of free disk; ${untouched}; make room, then go on with --resume auto`;
}

function writeFiles(folder: string, contents: CheckpointContents): void {
  const { parameters, optimiser, step, loader, config, shards } = contents;
  const files = {
    "model.safetensors": writeTensors(join(folder, "model.safetensors"), parameters),
    "optimizer.safetensors": writeTensors(join(folder, "optimizer.safetensors"), optimiser),
  };
  const text = encodeState({ step, loader, config, shards, files });
  writeSynced(join(folder, STATE_FILE), (sink) => sink(new TextEncoder().encode(text)));
  onDisk(() => syncFolder(folder));
}

function writeTensors(path: string, tensors: readonly CheckpointTensor[]): FileRecord {
  const hash = createHash("sha256");
  let bytes = 0;
  writeSynced(path, (sink) => {
    writeSafetensors(tensors, (part) => {
      sink(part);
      hash.update(part);
      bytes += part.length;
    });
  });
  return { bytes, sha256: hash.digest("hex") };
}

/** Makes a new file of what `write` sends to its sink and syncs it. */
function writeSynced(path: string, write: (sink: (bytes: Uint8Array) => void) => void): void {
  const file = onDisk(() => Deno.openSync(path, { write: true, createNew: true }));
  try {
    write((bytes) => onDisk(() => writeAll(file, bytes)));
    onDisk(() => file.syncSync());
  } finally {
    file.close();
  }
}

/** Gives a complete checkpoint its name. One of that name stays if it is the same and intact, and gives way if not. */
function publish(temporary: string, path: string): void {
  const folder = join(path, "..");
  if (exists(path)) {
    if (isSame(temporary, path)) {
      onDisk(() => Deno.removeSync(temporary, { recursive: true }));
      return;
    }
    onDisk(() =>
      Deno.renameSync(path, join(folder, `${DISCARDED}${basename(path)}-${crypto.randomUUID().slice(0, 8)}`))
    );
  }
  onDisk(() => {
    Deno.renameSync(temporary, path);
    syncFolder(folder);
  });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether the checkpoint at `path` is intact and says of itself what the one at `temporary` does. */
function isSame(temporary: string, path: string): boolean {
  try {
    openCheckpoint(path).close();
    return Deno.readTextFileSync(join(temporary, STATE_FILE)) ===
      Deno.readTextFileSync(join(path, STATE_FILE));
  } catch {
    return false;
  }
}

/** Removes a folder that nobody needs; says so where it cannot. */
function removeQuietly(path: string): string | undefined {
  try {
    Deno.removeSync(path, { recursive: true });
    return undefined;
  } catch (error) {
    return error instanceof Deno.errors.NotFound
      ? undefined
      : `${path} could not be removed: ${messageOf(error)}`;
  }
}

/** Removes hidden folders with this prefix, of runs that were killed or checkpoints replaced; tells of each. */
function removeLeftovers(folder: string, prefix: string): string[] {
  return entries(folder).filter((name) => name.startsWith(prefix)).map((name) => {
    return removeQuietly(join(folder, name)) ??
      `Removed ${join(folder, name)}, an unfinished or replaced checkpoint`;
  });
}

/** Removes the oldest complete checkpoints up to `step` until `keep` are left. Damaged and later ones stay. */
function prune(runFolder: string, step: number, keep: number): string[] {
  const complete = listCheckpoints(runFolder).filter((place) =>
    place.step <= step && looksComplete(place.path)
  );
  return complete.slice(0, -keep).flatMap(({ path }) => {
    // First out of sight, so that being killed half-way leaves no damaged checkpoint behind.
    const hidden = join(path, "..", DISCARDED + basename(path));
    try {
      Deno.renameSync(path, hidden);
      Deno.removeSync(hidden, { recursive: true });
      return [];
    } catch (error) {
      return [`The old checkpoint ${path} could not be removed: ${messageOf(error)}`];
    }
  });
}

/** Whether state.json is intact and the tensor files have its sizes: enough to count one, not to load it. */
function looksComplete(path: string): boolean {
  try {
    const { files } = readState(path);
    return TENSOR_FILES.every((name) => Deno.statSync(join(path, name)).size === files[name].bytes);
  } catch {
    return false;
  }
}

// ---- reading ----

/** An open checkpoint, checked to the last byte. Close it after use. */
export interface Checkpoint extends Disposable {
  readonly path: string;
  readonly state: CheckpointState;
  readonly parameters: SafetensorsFile;
  readonly optimiser: SafetensorsFile;
  close(): void;
}

/** Opens the checkpoint in a folder after checking every byte; UserError for whatever is missing or damaged. */
export function openCheckpoint(path: string): Checkpoint {
  const state = readState(path);
  for (const name of TENSOR_FILES) checkFile(join(path, name), state.files[name]);
  const parameters = openSafetensors(join(path, "model.safetensors"));
  let optimiser: SafetensorsFile;
  try {
    optimiser = openSafetensors(join(path, "optimizer.safetensors"));
  } catch (error) {
    parameters.close();
    throw error;
  }
  const close = () => {
    parameters.close();
    optimiser.close();
  };
  return { path, state, parameters, optimiser, close, [Symbol.dispose]: close };
}

function readState(path: string): CheckpointState {
  const file = join(path, STATE_FILE);
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(file);
  } catch (error) {
    throw missing(path, file, error);
  }
  try {
    return decodeState(file, new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(`Checkpoint file ${file} is damaged: it is no text; use another checkpoint`);
  }
}

function missing(path: string, file: string, error: unknown): UserError {
  if (!exists(path)) return new UserError(`There is no checkpoint ${path}; check the path`);
  if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
    return new UserError(`Cannot read the checkpoint file ${file}: ${messageOf(error)}`);
  }
  return new UserError(
    `${path} is no complete checkpoint: ${basename(file)} is missing; use another checkpoint`,
  );
}

/** Compares size and SHA-256 of a file with what state.json says of it. */
function checkFile(path: string, { bytes, sha256 }: FileRecord): void {
  const damaged = (found: string) =>
    new UserError(`Checkpoint file ${path} is damaged: ${found}; use another checkpoint`);
  let file: Deno.FsFile;
  try {
    const { size } = Deno.statSync(path);
    if (size !== bytes) {
      throw damaged(`it has ${size} bytes, expected ${bytes}${size < bytes ? " (cut short)" : ""}`);
    }
    file = Deno.openSync(path, { read: true });
  } catch (error) {
    throw error instanceof UserError ? error : missing(join(path, ".."), path, error);
  }
  const hash = createHash("sha256");
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let got = file.readSync(buffer); got !== null; got = file.readSync(buffer)) {
      hash.update(buffer.subarray(0, got));
    }
  } catch (error) {
    throw new RunError(`Reading the checkpoint file ${path} failed: ${messageOf(error)}`);
  } finally {
    file.close();
  }
  const found = hash.digest("hex");
  if (found !== sha256) throw damaged(`its SHA-256 is ${found}, expected ${sha256}, so it was changed`);
}

/** The newest intact checkpoint of a run, opened; and what was passed over on the way, to be shown to the user. */
export interface Resumable {
  readonly checkpoint: Checkpoint | undefined;
  readonly notes: readonly string[];
}

/** What `--resume auto` goes on from. */
export function findResumable(runFolder: string): Resumable {
  const folder = join(runFolder, FOLDER);
  const notes = entries(folder).filter((name) => name.startsWith(TEMPORARY)).map((name) =>
    `Ignored ${join(folder, name)}: it was not finished when the run was killed`
  );
  for (const { path, step } of listCheckpoints(runFolder).toReversed()) {
    try {
      const checkpoint = openCheckpoint(path);
      if (checkpoint.state.step === step) return { checkpoint, notes };
      notes.push(`Ignored ${path}: it holds step ${checkpoint.state.step}, its folder was renamed`);
      checkpoint.close();
    } catch (error) {
      if (!(error instanceof UserError || error instanceof RunError)) throw error;
      notes.push(`Ignored ${path}: ${error.message}`);
    }
  }
  return { checkpoint: undefined, notes };
}

/** The newest checkpoint of a run up to `step` that is intact, if there is one. */
export function newestIntact(runFolder: string, step: number): string | undefined {
  return listCheckpoints(runFolder).filter((place) => place.step <= step).map(({ path }) => path).findLast(
    isIntact,
  );
}

function isIntact(path: string): boolean {
  try {
    openCheckpoint(path).close();
    return true;
  } catch {
    return false;
  }
}

/** Opens a checkpoint's folder, or the newest intact checkpoint of a run's folder; UserError where there is none. */
export function openNewest(path: string): { checkpoint: Checkpoint; notes: readonly string[] } {
  if (!exists(join(path, FOLDER)) || exists(join(path, STATE_FILE))) {
    return { checkpoint: openCheckpoint(path), notes: [] };
  }
  const { checkpoint, notes } = findResumable(path);
  if (checkpoint !== undefined) return { checkpoint, notes };
  throw new UserError([`The run ${path} has no intact checkpoint`, ...notes].join("\n  "));
}

/** A tensor to be filled; `write` takes values of row-major elements from number `first` on. */
export interface RestoreTarget {
  readonly name: string;
  readonly shape: Shape;
  readonly write: (values: Float32Array | Float64Array, first: number) => void;
}

/**
 * Fills every target from the file, a few megabytes at a time. UserError, before anything is filled, unless the file
 * holds exactly these tensors. Values may change type: a run can go on on a device that holds numbers differently.
 */
export function restoreTensors(file: SafetensorsFile, targets: readonly RestoreTarget[]): void {
  const wrong = (found: string) => new UserError(`${file.path} does not fit the model: ${found}`);
  const names = new Set(targets.map(({ name }) => name));
  for (const name of file.tensors.keys()) if (!names.has(name)) throw wrong(`it also holds ${name}`);
  for (const { name, shape } of targets) {
    const place = file.tensors.get(name);
    if (place === undefined) throw wrong(`${name} is missing`);
    if (!sameShape(place.shape, shape)) {
      throw wrong(`${name} is ${formatShape(place.shape)}, expected ${formatShape(shape)}`);
    }
    if (place.dtype !== "F32" && place.dtype !== "F64") {
      throw wrong(`${name} is ${place.dtype}, expected F32 or F64`);
    }
  }
  for (const target of targets) restoreTensor(file, target);
}

function restoreTensor(file: SafetensorsFile, { name, shape, write }: RestoreTarget): void {
  const Values = file.place(name).dtype === "F64" ? Float64Array : Float32Array;
  const count = elementCount(shape);
  const part = READ_BYTES / Values.BYTES_PER_ELEMENT;
  for (let first = 0; first < count; first += part) {
    const values = new Values(Math.min(part, count - first));
    file.readInto(name, first * Values.BYTES_PER_ELEMENT, new Uint8Array(values.buffer));
    write(values, first);
  }
}

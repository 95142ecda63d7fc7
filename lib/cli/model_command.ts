// What the commands on a finished model share: opening checkpoint and device, and the configuration of the run that
// made it. Changes nothing in the run's folder, and refuses a path that holds no checkpoint. May import lib/config,
// lib/run, ffi/, context, output and @std/path.

import { dirname, join } from "@std/path";
import type { Device } from "../../ffi/device.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { parseConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type Checkpoint, openNewest } from "../run/checkpoint.ts";
import { openDevice, type Precision } from "../run/devices.ts";
import { RUN_FILES } from "../run/folder.ts";
import type { Context } from "./context.ts";
import { type ChosenDevice, requireOwnPrecision } from "./device_options.ts";
import { err } from "./output.ts";

/** An opened checkpoint and the device to use it on. */
export interface OpenedModel extends Disposable {
  readonly checkpoint: Checkpoint;
  readonly device: Device;
  readonly precision: Precision;
  /** The configuration of its run, where it still lies in a run's folder. */
  readonly config: Config | undefined;
}

const NOTHING_CHOSEN: ChosenDevice = { kind: undefined, precision: undefined };

/**
 * Opens the checkpoint, or a run's newest, and the chosen device: where none is chosen, the one that its run asked for,
 * else the default. The same for the precision.
 */
export function openModel(path: string, context: Context, chosen = NOTHING_CHOSEN): OpenedModel {
  const { checkpoint, notes } = openNewest(path);
  notes.forEach((note) => err.line(note));
  try {
    const config = runConfig(checkpoint.path);
    const kind = chosen.kind ?? config?.device.kind ?? "auto";
    requireOwnPrecision(kind, chosen.precision);
    const device = openDevice({
      kind,
      threads: config?.device.threads ?? 0,
      pin: config?.device.pin ?? false,
      libraries: context.assets.libraries,
      environment: context.environment,
    });
    const close = () => {
      device.close();
      checkpoint.close();
    };
    const precision = chosen.precision ?? config?.device.precision ?? "bf16";
    return { checkpoint, device, precision, config, [Symbol.dispose]: close };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** The config.json two folders above a checkpoint; undefined where there is none. UserError for a damaged one. */
function runConfig(checkpoint: string): Config | undefined {
  const path = join(dirname(dirname(checkpoint)), RUN_FILES.config);
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}; restore it, or move it away`);
  }
  try {
    return parseConfig(JSON.parse(text), path);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(
      `Cannot read ${path}: it is not valid JSON (${error.message}); restore it, or move it away`,
    );
  }
}

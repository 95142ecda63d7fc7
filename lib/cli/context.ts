// What main.ts hands to every command: where the shipped files lie, the environment, how to start the worker. With it
// no command needs to look at its own address or at the environment. Types only: nothing here runs. May import types
// of lib/base and its neighbours.

import type { Assets, Environment } from "../base/assets.ts";
import type { Terminal } from "./terminal.ts";

/** What a command may know of the program it runs in. */
export interface Context {
  readonly assets: Assets;
  readonly environment: Environment;
  /** Holds the commit that the single file was made of; absent in a checkout. */
  readonly commitFile: string;
  readonly terminal: Terminal;
  /** Starts worker.ts; its address is known to main.ts alone. */
  readonly startWorker: () => Worker;
}

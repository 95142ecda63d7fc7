// Where the files lie that nanogpt comes with, and what it may know of its environment. Only main.ts and worker.ts can
// tell (the paths are relative to them); everything else is handed these plain objects, which also cross to workers.
// Importable by all; imports nothing.

/** Paths of the shared objects with the kernels, by the device that opens them. */
export interface KernelLibraries {
  readonly cpu: string;
  readonly cuda: string;
  readonly emulated: string;
  /** The emulation that watches every memory access: for developers of kernels. */
  readonly emulatedChecked: string;
}

/** Paths of the shipped files. They may be missing (nothing built yet): whoever opens one says so. */
export interface Assets {
  readonly libraries: KernelLibraries;
  /** The folder with the built-in corpus as tokenised shards, `builtin:train` and `builtin:val` (data/corpus.ts). */
  readonly corpus: string;
  /** The folder of the package that holds the built-in corpus as text; `data sample` reads it. */
  readonly corpusText: string;
  /** The folder with code and style of the live page and of reports: page.js and page.css. */
  readonly page: string;
  /** The folder with PyTorch's answers in float64, as far as they come with the program. */
  readonly goldens: string;
  /** The script that `bench --peer` runs with the user's Python. */
  readonly peerScript: string;
}

/** The environment variables that nanogpt reads, undefined where not set. */
export interface Environment {
  /** NANOGPT_ISA: forces one instruction set of the cpu device, or the kernels for one chip of a GPU. */
  readonly isa: string | undefined;
  /** NANOGPT_EMULATION: how the emulated device runs kernels (lib/run/emulation.ts). */
  readonly emulation: string | undefined;
  /** HF_ENDPOINT: address of the Hugging Face hub, or of a mirror that answers as it does. */
  readonly hfEndpoint: string | undefined;
  /** HF_TOKEN: opens what the hub does not give to everybody. Secret: it goes to the endpoint and nowhere else. */
  readonly hfToken: string | undefined;
}

/** Of them, those that the opening of a device depends on. */
export type DeviceEnvironment = Pick<Environment, "isa" | "emulation">;

// The version that `nanogpt --version` and `nanogpt info` print. Imports nothing.

export const VERSION = "0.1.0";

// The version that `nanogpt --version` and `nanogpt info` print and that a run writes into its log. The one place in
// the code that states it: it reads no package file, so that it is right wherever the program is started from, and it
// is not the version of the kernels' interface (kernels/abi.h). Imports nothing.

export const VERSION = "0.1.0";

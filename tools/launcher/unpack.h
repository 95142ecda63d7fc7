// One packed file: written out, or compared with what was written out before. Whatever comes out has the hash that the
// index states, or the result says why not. Chooses no place and cleans nothing up.
// Includes only archive.h and the standard library.
#ifndef NANOGPT_LAUNCHER_UNPACK_H
#define NANOGPT_LAUNCHER_UNPACK_H
#include "archive.h"

typedef enum {
  UNPACKED,
  DAMAGED,      // the packed file is not what it was made as
  NOT_WRITTEN,  // the system did not take it
} Outcome;

// Writes the unpacked file to `path`, which must not exist, and to the disk. `reason` is set unless UNPACKED.
Outcome unpack_entry(const Archive* archive, const Entry* entry, const char* path, const char** reason);

// Whether the file at `path` has the bytes of this entry.
bool is_intact(const Entry* entry, const char* path);

#endif

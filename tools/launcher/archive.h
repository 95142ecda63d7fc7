// What is appended to the launcher: the packed files, the index that lists them, and a footer that finds the index.
// tools/launcher/archive.ts writes it. Refuses a file that was cut off, added to or changed where the index is; a packed
// file that was changed is found when it is unpacked. Includes only blake2b.h and the standard library.
//
//   launcher | packed files | index | footer: magic, index offset, index bytes, file bytes (u64 each), hash of the index
//   index, a line a file: MODE FORM OFFSET STORED_BYTES BYTES BLAKE2B PATH; FORM is zstd or stored; the runtime is first
#ifndef NANOGPT_LAUNCHER_ARCHIVE_H
#define NANOGPT_LAUNCHER_ARCHIVE_H
#include "blake2b.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KEY_DIGITS = 32 };

typedef struct {
  const char* path;  // in the folder it is unpacked into
  mode_t mode;
  bool compressed;  // one zstd frame; else as it is
  uint64_t offset;  // in this program's own file
  uint64_t stored_bytes;
  uint64_t bytes;  // unpacked
  char hash[BLAKE2B_HEX + 1];  // of the unpacked file
} Entry;

typedef struct {
  int file;  // this program's own file, open for reading
  const char* own_path;
  char key[KEY_DIGITS + 1];  // names the content: the beginning of the index's hash, and the index holds every file's
  const Entry* entries;
  size_t count;
} Archive;

// Opens this program's own file and reads its index. Ends the program when it is not whole.
Archive open_archive(void);

// Reads exactly `bytes` of a file. False: errno says why, 0 for a file that ends before.
bool read_at(int file, void* to, size_t bytes, uint64_t offset);

#endif

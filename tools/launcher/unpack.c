// Unpacks one packed file, or compares one with its hash: see unpack.h. Streams through small buffers with write(), so
// that a full disk is an error and not a signal. Built with NANOGPT_ZSTD it can decompress; without, it refuses
// compressed files. Includes only its neighbours, zstd.h and the standard library.
#include "unpack.h"
#include "files.h"
#include "report.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#ifdef NANOGPT_ZSTD
#include <zstd.h>
#endif

enum { CHUNK_BYTES = 1 << 17 };

// Where unpacked bytes go.
typedef struct {
  int file;
  Blake2b hash;
  uint64_t bytes;
} Sink;

static bool put(Sink* sink, const void* data, size_t bytes) {
  blake2b_add(&sink->hash, data, bytes);
  sink->bytes += bytes;
  return write_all(sink->file, data, bytes);
}

// Reads the next bytes of the packed file, at most a chunk, and moves `done` on. 0 bytes: it cannot be read.
static size_t next_chunk(const Archive* archive, const Entry* entry, uint64_t* done, char chunk[CHUNK_BYTES]) {
  const uint64_t left = entry->stored_bytes - *done;
  const size_t bytes = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
  if (!read_at(archive->file, chunk, bytes, entry->offset + *done)) return 0;
  *done += bytes;
  return bytes;
}

static Outcome copy_stored(const Archive* archive, const Entry* entry, Sink* sink, const char** reason) {
  static char chunk[CHUNK_BYTES];
  for (uint64_t done = 0; done < entry->stored_bytes;) {
    const size_t bytes = next_chunk(archive, entry, &done, chunk);
    if (bytes == 0) {
      *reason = "it cannot be read";
      return DAMAGED;
    }
    if (!put(sink, chunk, bytes)) {
      *reason = strerror(errno);
      return NOT_WRITTEN;
    }
  }
  return UNPACKED;
}

#ifdef NANOGPT_ZSTD
static Outcome decompress(const Archive* archive, const Entry* entry, Sink* sink, const char** reason) {
  static char chunk[CHUNK_BYTES], made[CHUNK_BYTES];
  ZSTD_DStream* stream = ZSTD_createDStream();
  if (stream == NULL) fail("not enough memory");
  ZSTD_inBuffer in = {chunk, 0, 0};
  uint64_t done = 0;
  size_t expected = 1;  // 0 once the frame has ended
  while (expected != 0) {
    if (in.pos == in.size) {
      in.size = done < entry->stored_bytes ? next_chunk(archive, entry, &done, chunk) : 0;
      in.pos = 0;
    }
    ZSTD_outBuffer out = {made, sizeof made, 0};
    expected = ZSTD_decompressStream(stream, &out, &in);
    if (ZSTD_isError(expected)) {
      *reason = ZSTD_getErrorName(expected);
      return DAMAGED;
    }
    if (expected != 0 && out.pos == 0 && in.size == 0) {
      *reason = "it ends too early";
      return DAMAGED;
    }
    if (!put(sink, made, out.pos)) {
      *reason = strerror(errno);
      return NOT_WRITTEN;
    }
  }
  ZSTD_freeDStream(stream);
  return UNPACKED;
}
#else
static Outcome decompress(const Archive* archive, const Entry* entry, Sink* sink, const char** reason) {
  (void)archive, (void)entry, (void)sink;
  *reason = "it is compressed, and this launcher was built without zstd";
  return DAMAGED;
}
#endif

static bool has_hash(Sink* sink, const Entry* entry) {
  char hex[BLAKE2B_HEX + 1];
  blake2b_end(&sink->hash, hex);
  return sink->bytes == entry->bytes && strcmp(hex, entry->hash) == 0;
}

Outcome unpack_entry(const Archive* archive, const Entry* entry, const char* path, const char** reason) {
  Sink sink = {.file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, entry->mode)};
  if (sink.file < 0) {
    *reason = strerror(errno);
    return NOT_WRITTEN;
  }
  blake2b_begin(&sink.hash);
  Outcome outcome = (entry->compressed ? decompress : copy_stored)(archive, entry, &sink, reason);
  if (outcome == UNPACKED && !has_hash(&sink, entry)) {
    *reason = "its hash is wrong";
    outcome = DAMAGED;
  }
  // On the disk before it is renamed into place, so that a machine that loses power finds it whole or not at all.
  if (outcome == UNPACKED && fsync(sink.file) != 0) {
    *reason = strerror(errno);
    outcome = NOT_WRITTEN;
  }
  close(sink.file);
  return outcome;
}

bool is_intact(const Entry* entry, const char* path) {
  static char chunk[CHUNK_BYTES];
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return false;
  Sink sink = {.file = -1};
  blake2b_begin(&sink.hash);
  ssize_t bytes;
  while ((bytes = read(file, chunk, sizeof chunk)) > 0) {
    blake2b_add(&sink.hash, chunk, (size_t)bytes);
    sink.bytes += (uint64_t)bytes;
  }
  close(file);
  return bytes == 0 && has_hash(&sink, entry);
}

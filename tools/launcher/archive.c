// Reads what is appended to the launcher: see archive.h.
// Reads with pread and never maps its own file: a file cut off under a mapping would kill the process without a word.
// Includes only archive.h, report.h and the standard library.
#include "archive.h"
#include "report.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MAGIC[8] = {'N', 'A', 'N', 'O', 'G', 'P', 'T', '1'};

// As it lies at the end of the file; little-endian, like the machine.
typedef struct {
  char magic[sizeof MAGIC];
  uint64_t index_offset;
  uint64_t index_bytes;
  uint64_t file_bytes;
  char index_hash[BLAKE2B_HEX];
} Footer;

bool read_at(int file, void* to, size_t bytes, uint64_t offset) {
  for (char* next = to; bytes > 0;) {
    const ssize_t got = pread(file, next, bytes, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got == 0) errno = 0;
      return false;
    }
    next += got;
    offset += (uint64_t)got;
    bytes -= (size_t)got;
  }
  return true;
}

static const char* own_path(void) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length < 0 || length == sizeof path) fail("it cannot find its own file: is /proc mounted?");
  return text("%.*s", (int)length, path);
}

// Reads and checks the footer of a file of `file_bytes` bytes.
static Footer read_footer(const Archive* archive, uint64_t file_bytes) {
  Footer footer;
  if (file_bytes < sizeof footer || !read_at(archive->file, &footer, sizeof footer, file_bytes - sizeof footer) ||
      memcmp(footer.magic, MAGIC, sizeof MAGIC) != 0) {
    fail("the file %s was cut off or changed at its end; get it again", archive->own_path);
  }
  if (footer.file_bytes != file_bytes) {
    fail("the file %s has %llu bytes, it was made with %llu; get it again", archive->own_path,
         (unsigned long long)file_bytes, (unsigned long long)footer.file_bytes);
  }
  return footer;
}

// The index as one text, whose hash is that of the footer.
static char* read_index(Archive* archive, const Footer* footer) {
  Blake2b hash;
  char hex[BLAKE2B_HEX + 1];
  const bool fits = footer->index_offset <= footer->file_bytes &&
                    footer->index_bytes <= footer->file_bytes - footer->index_offset;
  char* index = fits ? malloc(footer->index_bytes + 1) : NULL;
  bool right = index != NULL && read_at(archive->file, index, footer->index_bytes, footer->index_offset);
  if (right) {
    blake2b_begin(&hash);
    blake2b_add(&hash, index, footer->index_bytes);
    blake2b_end(&hash, hex);
    right = memcmp(hex, footer->index_hash, BLAKE2B_HEX) == 0;
  }
  if (!right) fail("the index of the file %s is damaged; get it again", archive->own_path);
  index[footer->index_bytes] = 0;
  memcpy(archive->key, hex, KEY_DIGITS);
  archive->key[KEY_DIGITS] = 0;
  return index;
}

// One line of the index, whose hash was right: it is as archive.ts wrote it.
static Entry parse_line(const char* line) {
  Entry entry;
  unsigned long long offset, stored_bytes, bytes;
  char form[8];
  int path_at = 0;
  if (sscanf(line, "%o %7s %llu %llu %llu %128s %n", &entry.mode, form, &offset, &stored_bytes, &bytes, entry.hash,
             &path_at) != 6 ||
      path_at == 0) {
    fail("its index has a line that this launcher does not know: %s", line);
  }
  entry.compressed = strcmp(form, "zstd") == 0;
  entry.offset = offset;
  entry.stored_bytes = stored_bytes;
  entry.bytes = bytes;
  entry.path = line + path_at;
  return entry;
}

static void parse_index(Archive* archive, char* index) {
  size_t lines = 0;
  for (const char* at = index; (at = strchr(at, '\n')) != NULL; at++) lines++;
  Entry* entries = calloc(lines + 1, sizeof *entries);
  if (entries == NULL) fail("not enough memory");
  char* rest = NULL;
  for (char* line = strtok_r(index, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    entries[archive->count++] = parse_line(line);
  }
  archive->entries = entries;
}

Archive open_archive(void) {
  Archive archive = {.own_path = own_path(), .file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  struct stat status;
  if (archive.file < 0 || fstat(archive.file, &status) != 0) {
    fail("it cannot read its own file %s: %s", archive.own_path, strerror(errno));
  }
  const Footer footer = read_footer(&archive, (uint64_t)status.st_size);
  parse_index(&archive, read_index(&archive, &footer));
  return archive;
}

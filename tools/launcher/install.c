// Makes, keeps and prunes unpacked folders: see install.h. Layout of a place:
//   lock, KEY/ (the files, and deno/ with what the runtime keeps for itself), temporary-XXXXXX/ while one is made
// Removes nothing but such folders, and of other versions only those that no running program holds.
// Includes only its neighbours and the standard library.
#include "install.h"
#include "files.h"
#include "report.h"
#include "unpack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char TEMPORARY[] = "temporary-";
// Of unpacked folders: what root unpacks, say into an image, serves all users. A place that is made is its user's alone.
enum { READABLE = 0755 };

bool is_complete(const Archive* archive, const char* folder) {
  struct stat status;
  if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || !is_trusted(&status)) return false;
  for (size_t i = 0; i < archive->count; i++) {
    const Entry* entry = &archive->entries[i];
    if (lstat(text("%s/%s", folder, entry->path), &status) != 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size != entry->bytes || !is_trusted(&status)) {
      return false;
    }
  }
  return true;
}

bool hold(const char* folder) {
  static int held = -1;
  if (held >= 0) close(held);
  held = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);  // stays open, and so locked, through exec
  if (held >= 0) flock(held, LOCK_SH);                       // on a disk without locks nothing is ever pruned
  return held >= 0;
}

// Whether a name in a place is that of another version.
static bool is_other_key(const char* name, const char* key) {
  return strlen(name) == KEY_DIGITS && strspn(name, "0123456789abcdef") == KEY_DIGITS && strcmp(name, key) != 0;
}

// Removes what a killed process left half-made, and other versions that nobody holds. With the place locked.
static void prune(const char* place, const char* key) {
  DIR* names = opendir(place);
  if (names == NULL) return;
  for (struct dirent* entry; (entry = readdir(names)) != NULL;) {
    const char* path = text("%s/%s", place, entry->d_name);
    if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) remove_tree(path);
    if (!is_other_key(entry->d_name, key)) continue;
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) continue;
    if (flock(folder, LOCK_EX | LOCK_NB) == 0) remove_tree(path);
    close(folder);
  }
  closedir(names);
}

// Unpacks all files below `folder`.
static Outcome unpack_all(const Archive* archive, const char* folder, const Entry** at, const char** reason) {
  for (size_t i = 0; i < archive->count; i++) {
    *at = &archive->entries[i];
    const char* path = text("%s/%s", folder, (*at)->path);
    if (!make_parents(path, READABLE)) {
      *reason = strerror(errno);
      return NOT_WRITTEN;
    }
    const Outcome outcome = unpack_entry(archive, *at, path, reason);
    if (outcome != UNPACKED) return outcome;
  }
  return UNPACKED;
}

// Unpacks beside the folder and renames into its place, with the place locked.
static const char* make_folder(const Archive* archive, const char* place, const char* folder) {
  char* temporary = text("%s/%sXXXXXX", place, TEMPORARY);
  if (mkdtemp(temporary) == NULL) return strerror(errno);
  const Entry* at = NULL;
  const char* reason = NULL;
  const Outcome outcome = unpack_all(archive, temporary, &at, &reason);
  if (outcome != UNPACKED) remove_tree(temporary);
  if (outcome == DAMAGED) {
    fail("the file %s is damaged at its %s (%s); get it again", archive->own_path, at->path, reason);
  }
  if (outcome == NOT_WRITTEN) return reason;
  remove_tree(folder);  // not there, or not whole
  if (chmod(temporary, READABLE) == 0 && rename(temporary, folder) == 0) return NULL;
  reason = strerror(errno);
  remove_tree(temporary);
  return is_complete(archive, folder) ? NULL : reason;  // made by another, where locks do nothing
}

// Why a place cannot hold programs of this user; NULL where it can.
static const char* refuse_place(const char* place) {
  if (!make_folders(place, 0700)) return strerror(errno);
  struct stat status;
  struct statvfs disk;
  if (stat(place, &status) != 0 || statvfs(place, &disk) != 0) return strerror(errno);
  if (!is_trusted(&status)) return "it belongs to another user, or others may write to it";
  if (disk.f_flag & ST_NOEXEC) return "no program may be run from there (it is mounted noexec)";
  return NULL;
}

const char* install(const Archive* archive, const char* place, const char* folder, bool anew) {
  const char* refused = refuse_place(place);
  if (refused != NULL) return refused;
  const int lock = open(text("%s/lock", place), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return strerror(errno);
  // Whoever comes second waits here, and then finds it done.
  const bool locked = flock(lock, LOCK_EX) == 0;
  const char* reason = NULL;
  if (anew || !is_complete(archive, folder)) {
    if (locked) prune(place, archive->key);
    reason = make_folder(archive, place, folder);
  }
  close(lock);
  return reason;
}

// What the launcher does with files and folders besides reading its own: see files.h.
// Follows no link when it removes, and tries nothing twice but an interrupted call.
// Includes only files.h, report.h and the standard library.
#include "files.h"
#include "report.h"
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

bool make_folders(const char* path, mode_t mode) {
  return make_parents(path, mode) && (mkdir(path, mode) == 0 || errno == EEXIST);
}

bool make_parents(const char* path, mode_t mode) {
  char* part = text("%s", path);
  for (char* slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(part, mode) != 0 && errno != EEXIST) return false;
    *slash = '/';
  }
  return true;
}

void remove_tree(const char* path) {
  DIR* folder = opendir(path);
  if (folder != NULL) {
    for (struct dirent* entry; (entry = readdir(folder)) != NULL;) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      const char* inside = text("%s/%s", path, entry->d_name);
      if (unlink(inside) != 0 && errno == EISDIR) remove_tree(inside);
    }
    closedir(folder);
  }
  rmdir(path);
}

bool write_all(int file, const void* data, size_t bytes) {
  for (const char* next = data; bytes > 0;) {
    const ssize_t written = write(file, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    next += written;
    bytes -= (size_t)written;
  }
  return true;
}

bool is_trusted(const struct stat* status) {
  const bool owned = status->st_uid == geteuid() || status->st_uid == 0;
  return owned && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

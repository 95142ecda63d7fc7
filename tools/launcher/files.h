// What the launcher does with files and folders besides reading its own: make, remove, write whole. Reports a failure
// by errno and leaves what to do about it to the caller. Knows nothing of what lies in them.
// Includes only the standard library.
#ifndef NANOGPT_LAUNCHER_FILES_H
#define NANOGPT_LAUNCHER_FILES_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

// Makes a folder and those above it, with this mode. False: errno says why; one that is there already is right.
bool make_folders(const char* path, mode_t mode);

// Makes the folders above `path`.
bool make_parents(const char* path, mode_t mode);

// Removes a folder with all that is in it, as far as it can; follows no link.
void remove_tree(const char* path);

// Writes all of `data`. False: errno says why.
bool write_all(int file, const void* data, size_t bytes);

// Whether a file or folder belongs to this user or to root, and nobody else may change it.
bool is_trusted(const struct stat* status);

#endif

// Chooses where this program is unpacked: see cache.h. NANOGPT_CACHE names the place, and then there is no other; else
// it is nanogpt/ in the user's cache folder, or where that cannot be, a folder of this user's for temporary files.
// Refuses a relative NANOGPT_CACHE: it would mean another place in each folder.
// Includes only its neighbours and the standard library.
#include "cache.h"
#include "install.h"
#include "report.h"
#include "unpack.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PLACES = 3 };

// An environment variable that holds a full path; NULL where it is not set, or holds something else.
static const char* path_from(const char* variable) {
  const char* value = getenv(variable);
  return value != NULL && value[0] == '/' ? value : NULL;
}

// The places that may hold unpacked programs, best first.
static size_t list_places(const char* places[MOST_PLACES]) {
  const char* chosen = getenv("NANOGPT_CACHE");
  if (chosen != NULL && chosen[0] != 0) {
    if (chosen[0] != '/') fail("NANOGPT_CACHE is \"%s\", expected a full path", chosen);
    places[0] = chosen;
    return 1;
  }
  size_t count = 0;
  const char* cache = path_from("XDG_CACHE_HOME");
  const char* home = path_from("HOME");
  const char* temporary = path_from("TMPDIR");
  if (cache != NULL) places[count++] = text("%s/nanogpt", cache);
  if (home != NULL) places[count++] = text("%s/.cache/nanogpt", home);
  places[count++] = text("%s/nanogpt-%u", temporary != NULL ? temporary : "/tmp", geteuid());
  return count;
}

static const char* folder_in(const char* place, const Archive* archive) {
  return text("%s/%s", place, archive->key);
}

const char* find_or_install(const Archive* archive) {
  const char* places[MOST_PLACES];
  const size_t count = list_places(places);
  for (size_t i = 0; i < count; i++) {
    const char* folder = folder_in(places[i], archive);
    if (hold(folder) && is_complete(archive, folder)) return folder;
  }
  const char* tried = "";
  for (size_t i = 0; i < count; i++) {
    const char* folder = folder_in(places[i], archive);
    const char* reason = install(archive, places[i], folder, false);
    if (reason == NULL && hold(folder) && is_complete(archive, folder)) return folder;
    if (reason == NULL) reason = "it was removed again at once";
    tried = text("%s%s%s: %s", tried, i == 0 ? "" : "; ", places[i], reason);
  }
  fail("no folder to unpack it into (%s); set NANOGPT_CACHE to one that can hold programs", tried);
}

// The paths of the files that are not what they should be, each after a space; empty when all are.
static const char* list_damaged(const Archive* archive, const char* folder) {
  const char* damaged = "";
  for (size_t i = 0; i < archive->count; i++) {
    const Entry* entry = &archive->entries[i];
    if (!is_intact(entry, text("%s/%s", folder, entry->path))) damaged = text("%s %s", damaged, entry->path);
  }
  return damaged;
}

void verify_install(const Archive* archive) {
  const char* folder = find_or_install(archive);
  const char* damaged = list_damaged(archive, folder);
  if (damaged[0] != 0) {
    printf("Damaged in %s:%s\n", folder, damaged);
    fflush(stdout);
    const char* place = text("%.*s", (int)(strlen(folder) - strlen(archive->key) - 1), folder);
    const char* reason = install(archive, place, folder, true);
    if (reason != NULL) fail("%s cannot be unpacked anew: %s; remove it or set NANOGPT_CACHE", folder, reason);
    damaged = list_damaged(archive, folder);
    if (damaged[0] != 0) fail("%s is still damaged after unpacking anew:%s; is the disk sound?", folder, damaged);
    puts("Unpacked anew");
  }
  printf("All %zu files in %s are right\n", archive->count, folder);
}

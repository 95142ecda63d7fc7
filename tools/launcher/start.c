// Becomes the runtime: see start.h. The one place that knows how Deno is told to run a program that is all there, as a
// program of its own: nothing is fetched, no configuration of the current folder is read, nothing is kept outside.
// Changes no argument of the user's. Includes only its neighbours and the standard library.
#include "start.h"
#include "report.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char PROGRAM[] = "app/main.js";
static const char* const RUN[] = {"run",         "--quiet",  "--no-prompt", "--no-config",
                                  "--no-remote", "--no-npm", "--no-lock",   "--allow-all"};
enum { RUN_COUNT = sizeof RUN / sizeof *RUN };

// Set for other uses of deno, these would make it do something else than run the program.
static const char* const UNSET[] = {"COMPLETE", "DENO_V8_FLAGS", "DENO_COMPAT", "NODE_OPTIONS"};
enum { UNSET_COUNT = sizeof UNSET / sizeof *UNSET };

static void settle_environment(const Archive* archive, const char* folder) {
  for (size_t i = 0; i < UNSET_COUNT; i++) unsetenv(UNSET[i]);
  setenv("DENO_DIR", text("%s/deno", folder), true);
  setenv("DENO_NO_UPDATE_CHECK", "1", true);
  setenv("DENO_NO_PACKAGE_JSON", "1", true);
  // Behind a company's certificate downloads need the system's store; a choice of the user's stays.
  setenv("DENO_TLS_CA_STORE", "system,mozilla", false);
  setenv("NANOGPT_EXE", archive->own_path, true);
}

_Noreturn void start(const Archive* archive, const char* folder, char** user_arguments, size_t count) {
  const char* runtime = text("%s/%s", folder, archive->entries[0].path);
  const char** arguments = calloc(RUN_COUNT + count + 3, sizeof *arguments);
  if (arguments == NULL) fail("not enough memory");
  // Not the name this file was called by: deno called "node" behaves as node.
  arguments[0] = "nanogpt";
  memcpy(arguments + 1, RUN, sizeof RUN);
  arguments[RUN_COUNT + 1] = text("%s/%s", folder, PROGRAM);
  memcpy(arguments + RUN_COUNT + 2, user_arguments, count * sizeof *arguments);
  settle_environment(archive, folder);
  execv(runtime, (char* const*)arguments);
  fail("%s cannot be run: %s", runtime, strerror(errno));
}

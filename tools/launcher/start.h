// Becomes the runtime, running the unpacked program with the user's arguments. The process stays the same one: signals,
// exit code, terminal and standard streams need no passing on. Starts no second process.
// Includes only archive.h.
#ifndef NANOGPT_LAUNCHER_START_H
#define NANOGPT_LAUNCHER_START_H
#include "archive.h"

// Runs the program that lies in `folder`. Does not return.
_Noreturn void start(const Archive* archive, const char* folder, char** user_arguments, size_t count);

#endif

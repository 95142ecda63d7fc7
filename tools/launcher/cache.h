// Where this program lies unpacked: the first place of a few where it is, or can be. Says which places were tried and
// why none would do. Makes and removes nothing itself: install.h does.
// Includes only archive.h.
#ifndef NANOGPT_LAUNCHER_CACHE_H
#define NANOGPT_LAUNCHER_CACHE_H
#include "archive.h"

// The folder with all files, held; made where it is not there yet. Ends the program when there can be none.
const char* find_or_install(const Archive* archive);

// `nanogpt --verify-install`: reads every unpacked file, unpacks all anew when one is not what it should be, and prints
// what it found. Returns when all is right, and ends the program when it cannot be put right.
void verify_install(const Archive* archive);

#endif

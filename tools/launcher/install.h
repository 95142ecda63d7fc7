// One folder with all packed files of this program, in a place that may hold those of other versions too: whether it is
// there, made where it is not, kept while it is used. The place's lock lets one process at a time change it; a folder
// appears under its name only when it is whole. Chooses no place. Includes only archive.h and the standard library.
#ifndef NANOGPT_LAUNCHER_INSTALL_H
#define NANOGPT_LAUNCHER_INSTALL_H
#include "archive.h"

// Whether every file is there with its size, trusted; the bytes are not read, for that would slow down every start.
bool is_complete(const Archive* archive, const char* folder);

// Marks the folder as in use until this process ends, also as the runtime. False: there is no such folder.
bool hold(const char* folder);

// Unpacks everything into `folder`, a child of `place`; `anew` replaces a folder that is complete. NULL when it is done,
// else the reason why it cannot be there. Ends the program when its own file is damaged.
const char* install(const Archive* archive, const char* place, const char* folder, bool anew);

#endif

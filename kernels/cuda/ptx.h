// Every machine instruction that the kernels use beyond plain C++, as inline functions with two bodies: PTX for nvcc, a
// call into the emulation for g++. Kernel files contain no asm, no launch syntax and no raw shared memory; they include
// this. Nothing is decided here.
#pragma once
#include "ptx/copy.h"
#include "ptx/math.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/mma_tiles.h"
#include "ptx/sync.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"
#include "ptx/words.h"

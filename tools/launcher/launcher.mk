# The single file: ./nanogpt with runtime, program, kernels and corpus in it. Included by the Makefile.
#   make nanogpt                 with the launcher: a small static C program that unpacks the rest once per user
#   make nanogpt PACK=compile    with `deno compile`, from the same stage
# deno compile needs Deno's base runtime, which neither the npm registry nor Debian has: with DENORT_BIN, its path, it is the
# default; asked for without that, it fetches it from Deno's release site. Else the launcher is the default.
# Both start from the stage, build/stage/. Either is made anew from its contents each time, in under a second when nothing
# is new; ./nanogpt itself changes only when its bytes do.

PACK ?= $(if $(DENORT_BIN),compile,launcher)
ifeq ($(filter launcher compile,$(PACK)),)
$(error PACK is "$(PACK)", expected launcher or compile)
endif
STAGE := build/stage

# What lies beside the program, under the paths that main.ts names: files, or folders with all that is in them. make builds
# each of them first.
ASSETS := build/libnanogpt_cpu.so build/libnanogpt_emulated.so build/corpus build/page tests/peers/pytorch_peer.py
ASSETS += $(wildcard build/libnanogpt_cuda.so)
# What `nanogpt check` compares a GPU with: a small model and Newton-Schulz.
ASSETS += $(patsubst %,tests/golden/%.safetensors,odd newton-schulz)

LAUNCHER_FLAGS := -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static
LAUNCHER_SOURCES := $(wildcard tools/launcher/*.c)

# The compiler says where zstd's static library is, or its bare name when there is none (Debian: libzstd-dev).
ZSTD_LIBRARY := $(wildcard $(shell $(CC) -print-file-name=libzstd.a 2>/dev/null))
PACK_FORM ?= $(if $(ZSTD_LIBRARY),zstd,stored)

RUN_TOOL = "$(DENO)" run --quiet --allow-all

.PHONY: build/corpus build/page stage pack-launcher pack-compile

nanogpt: pack-$(PACK)

build/corpus: corpus
build/page: page

stage: bootstrap kernels $(ASSETS)
	@$(RUN_TOOL) tools/launcher/stage.ts $(STAGE) $(ASSETS)

pack-launcher: stage build/launcher/$(PACK_FORM)
ifeq ($(ZSTD_LIBRARY),)
	@echo "No static zstd library found (Debian: apt install libzstd-dev): ./nanogpt will be stored uncompressed"
endif
	@$(RUN_TOOL) tools/launcher/pack.ts build/launcher/$(PACK_FORM) $(PACK_FORM) $(STAGE) build/launcher/results nanogpt

pack-compile: stage
	@$(RUN_TOOL) tools/launcher/compile.ts $(STAGE) nanogpt

build/launcher/zstd: $(LAUNCHER_SOURCES) $(wildcard tools/launcher/*.h) tools/launcher/launcher.mk
	@mkdir -p $(@D)
	$(CC) $(LAUNCHER_FLAGS) -DNANOGPT_ZSTD -o $@ $(LAUNCHER_SOURCES) $(ZSTD_LIBRARY)

build/launcher/stored: $(LAUNCHER_SOURCES) $(wildcard tools/launcher/*.h) tools/launcher/launcher.mk
	@mkdir -p $(@D)
	$(CC) $(LAUNCHER_FLAGS) -o $@ $(LAUNCHER_SOURCES)

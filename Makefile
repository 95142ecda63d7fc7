# Builds and tests nanogpt on a machine with node, npm, g++ and make. Only `bootstrap` (which everything asks for) uses
# the network, only for what the two lock files pin; afterwards everything works offline.
#
#   make            ./nanogpt, the single file            make test     the whole gate; ends with "N passed, N failed"
#   make demo       trains on real text and samples    make kernels  the shared object of the CPU kernels alone
#   make emulated   the GPU kernels on this processor, for checking them: device `emulated`, and its watching twin
#   make cuda       the GPU kernels for NVIDIA's chips, where nvcc is; make cuda-facts holds what ptxas says against the table
#   make soak       the GPU kernels' ops under 200 random schedules each, attention at 65,536 tokens, the larger golden
#   make page       the browser code of live page and reports alone
#   make sanitize   the ops under AddressSanitizer, UBSan and ThreadSanitizer: slow, and not part of the gate
#   make clean      removes what was built (not what was downloaded, nor runs/)

.DEFAULT_GOAL := nanogpt
.DELETE_ON_ERROR:
MAKEFLAGS += --jobs=$(shell nproc) --no-print-directory

# A deno on the PATH serves if it is exactly this version; else npm fetches it.
DENO_VERSION := 2.9.6
LOCAL_DENO := tools/deno/node_modules/@deno/linux-x64-glibc/deno
PATH_DENO_VERSION := $(shell env -u COMPLETE -u DENO_V8_FLAGS deno --version 2>/dev/null | sed -n 's/^deno \([^ ]*\).*/\1/p')
ifeq ($(PATH_DENO_VERSION),$(DENO_VERSION))
DENO := deno
FETCHED_DENO :=
else
DENO := $(CURDIR)/$(LOCAL_DENO)
FETCHED_DENO := $(LOCAL_DENO)
endif
# `deno bundle` would fetch its esbuild on first use; laid where it looks for it, it works offline from the start.
FETCHED_ESBUILD := tools/deno/node_modules/@esbuild/linux-x64/bin/esbuild
ESBUILD := .deno_dir/dl/esbuild-0.25.5-1/esbuild-linux-x64

export DENO_DIR := $(CURDIR)/.deno_dir
export DENO_NO_UPDATE_CHECK := 1
# Deno ignores npm's cafile: behind a company's certificate its downloads need the system's store.
export DENO_TLS_CA_STORE ?= system,mozilla
# Meant for other uses of deno, these would make it do something else than asked.
unexport COMPLETE DENO_V8_FLAGS DENO_COMPAT NODE_OPTIONS

include kernels/kernels.mk
include kernels/cuda.mk
include tools/launcher/launcher.mk

.PHONY: bootstrap kernels emulated compiler corpus page nanogpt demo test sanitize soak clean

bootstrap: $(FETCHED_DENO) $(ESBUILD)
	@"$(DENO)" install --frozen --quiet

# Not `npm ci --prefix`: that would also look for npm's global settings (a company's certificate) below that folder.
$(LOCAL_DENO) $(FETCHED_ESBUILD) &: tools/deno/package-lock.json
	@command -v npm >/dev/null || { echo "Cannot fetch the toolchain: no npm found; install it (Debian: apt install npm)" >&2; \
	  exit 1; }
	cd tools/deno && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $(LOCAL_DENO) $(FETCHED_ESBUILD)

$(ESBUILD): $(FETCHED_ESBUILD)
	@install -D -m 755 $< $@

kernels: compiler build/libnanogpt_cpu.so

emulated: compiler build/libnanogpt_emulated.so build/libnanogpt_emulated_checked.so

compiler:
	@command -v $(CXX) >/dev/null || { echo "Cannot build the kernels: no C++ compiler $(CXX) found;" \
	  "install one (Debian: apt install g++)" >&2; exit 1; }

corpus: build/corpus/builtin_val.bin

# Both shards are written by one command, the validation shard last.
build/corpus/builtin_val.bin: data/corpus.ts | bootstrap
	"$(DENO)" run --quiet -A main.ts data sample
	@touch $@

# Code and style of the live page and of reports, each bundled into one file.
PAGE_SOURCES := $(wildcard lib/view/*.ts lib/view/page/*) lib/base/printable.ts lib/base/units.ts lib/optim/schedule.ts deno.lock
page: build/page/page.js build/page/page.css

build/page/page.js: $(PAGE_SOURCES) | bootstrap
	@mkdir -p $(@D)
	"$(DENO)" bundle --quiet --platform browser --minify --output $@ lib/view/page/main.ts

build/page/page.css: $(PAGE_SOURCES) | bootstrap
	@mkdir -p $(@D)
	"$(ESBUILD)" --bundle --minify --log-level=warning --outfile=$@ lib/view/page/page.css

demo: nanogpt
	@scripts/demo.sh

test: nanogpt emulated cuda-facts build/libnanogpt_cpu_simulated.so build/launcher/stored
	@scripts/gate.sh "$(DENO)"

sanitize: bootstrap compiler build/libnanogpt_cpu_asan.so build/libnanogpt_cpu_tsan.so
	@CXX="$(CXX)" scripts/sanitize.sh "$(DENO)"

soak: bootstrap kernels emulated
	@scripts/soak.sh "$(DENO)"

clean:
	rm -rf build coverage nanogpt

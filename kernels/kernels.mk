# The CPU kernels: build/libnanogpt_cpu.so, and its checked forms. Included by the Makefile; also runs alone from the root.
#   build/libnanogpt_cpu.so              every instruction set of this architecture; needs only what deno needs: glibc and libgcc_s
#   build/libnanogpt_cpu_simulated.so    the same where sets that this machine lacks are emulated, AMX always: all sets run
#   build/libnanogpt_cpu_{asan,tsan}.so  all sets emulated under AddressSanitizer + UBSan, or under ThreadSanitizer
# An op file is compiled once per instruction set, in a namespace of its own. The objects of a set are then joined into one
# whose only global symbols are that namespace's: inline functions of the standard library stay inside, since the linker
# must never pick an AVX-512 copy of one for an older processor.

CXX ?= g++
KERNEL_FLAGS := -std=c++17 -O3 -fPIC -fno-math-errno -fvisibility=hidden -fno-gnu-unique -Wall -Wextra -Werror -Wno-psabi -MMD -MP
# So that a library built on Debian 12 runs with glibc 2.34 (Ubuntu 22.04, RHEL 9): --gc-sections leaves out the parts of the
# standard library that ask for 2.36 and are never used here; gcc's unwinder, which would ask for 2.35, stays shared.
KERNEL_LINK := -shared -pthread -static-libstdc++ -Wl,--no-undefined -Wl,--gc-sections -Wl,--version-script=kernels/cpu/exports.map

KERNEL_ONCE := context dispatch group machine pool
KERNEL_OPS := $(filter-out $(KERNEL_ONCE),$(basename $(notdir $(sort $(wildcard kernels/cpu/*.cpp)))))

ISA_portable := -DNANOGPT_VECTOR_FLOATS=4
ISA_avx2 := -DNANOGPT_VECTOR_FLOATS=8 -mavx2 -mfma
AVX512 := -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512
ISA_avx512 := -DNANOGPT_VECTOR_FLOATS=16 $(AVX512)
ISA_avx512bf16 := -DNANOGPT_VECTOR_FLOATS=16 -DNANOGPT_BF16_DOTS $(AVX512) -mavx512bf16
ISA_amx := -DNANOGPT_VECTOR_FLOATS=16 -DNANOGPT_TILES $(AVX512) -mavx512bf16 -mamx-tile -mamx-bf16

# Emulated, the wide sets are ordinary C++ that the compiler lowers to AVX2.
SIMULATED_portable := $(ISA_portable)
SIMULATED_avx2 := $(ISA_avx2)
SIMULATED_avx512 := -DNANOGPT_VECTOR_FLOATS=16 -mavx2 -mfma
SIMULATED_avx512bf16 := $(SIMULATED_avx512) -DNANOGPT_BF16_DOTS
SIMULATED_amx := $(SIMULATED_avx512) -DNANOGPT_TILES

ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
KERNEL_SETS := portable avx2 avx512 avx512bf16 amx
else
KERNEL_SETS := portable
endif

# Sets whose native objects serve the simulated library too. Never AMX, for which the system must give leave besides.
OWN_FEATURES := $(shell grep -m 1 '^flags' /proc/cpuinfo)
AVX512_FEATURES := avx512f avx512bw avx512vl avx512dq
own_set = $(if $(filter-out $(OWN_FEATURES),$(2)),,$(1))
OWN_SETS := portable $(call own_set,avx2,avx2 fma) $(call own_set,avx512,$(AVX512_FEATURES)) \
  $(call own_set,avx512bf16,$(AVX512_FEATURES) avx512_bf16)

# $(1) variant, $(2) prefix of its flags per set, $(3) flags of all its objects, $(4) sets taken from the native library
define kernel_variant
build/kernels/$(1)/once/%.o: kernels/cpu/%.cpp kernels/kernels.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(KERNEL_FLAGS) $(3) -c $$< -o $$@
$(foreach set,$(KERNEL_SETS),$(call kernel_set,$(1),$(2),$(3),$(set)))
OBJECTS_$(1) := $$(KERNEL_ONCE:%=build/kernels/$(1)/once/%.o) \
  $$(patsubst %,build/kernels/native/%.o,$$(filter $(4),$$(KERNEL_SETS))) \
  $$(patsubst %,build/kernels/$(1)/%.o,$$(filter-out $(4),$$(KERNEL_SETS)))
-include $$(wildcard build/kernels/$(1)/*/*.d)
endef

# The same and $(4) set
define kernel_set
build/kernels/$(1)/$(4)/%.o: kernels/cpu/%.cpp kernels/kernels.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(KERNEL_FLAGS) -DNANOGPT_ISA_NAMESPACE=$(4) $($(2)_$(4)) $(3) -c $$< -o $$@
build/kernels/$(1)/$(4).o: $$(KERNEL_OPS:%=build/kernels/$(1)/$(4)/%.o)
	$$(CXX) -r -nostdlib -Wl,--force-group-allocation -o $$@ $$^
	objcopy --wildcard --keep-global-symbol='_ZN7nanogpt$(call length_of,$(4))$(4)*' $$@

endef
# Mangled names carry the length of each part.
length_of = $(strip $(shell printf %s '$(1)' | wc -c))

$(eval $(call kernel_variant,native,ISA,,))
# Only tests run what is simulated, at small sizes: less optimised it is there sooner than it is slower.
$(eval $(call kernel_variant,simulated,SIMULATED,-DNANOGPT_SIMULATE_ISA -O2,$(OWN_SETS)))
# Under its sanitizers GCC warns falsely of uninitialised values.
ASAN := -g -O1 -Wno-maybe-uninitialized -fsanitize=address,undefined -fno-sanitize-recover=all
$(eval $(call kernel_variant,asan,SIMULATED,-DNANOGPT_SIMULATE_ISA $(ASAN),))
TSAN := -g -O1 -Wno-maybe-uninitialized -fsanitize=thread
$(eval $(call kernel_variant,tsan,SIMULATED,-DNANOGPT_SIMULATE_ISA $(TSAN),))

build/libnanogpt_cpu.so: $(OBJECTS_native)
	$(CXX) $(KERNEL_LINK) -o $@ $^
build/libnanogpt_cpu_simulated.so: $(OBJECTS_simulated)
	$(CXX) $(KERNEL_LINK) -o $@ $^
build/libnanogpt_cpu_asan.so: $(OBJECTS_asan)
	$(CXX) -shared -pthread $(ASAN) -o $@ $^
build/libnanogpt_cpu_tsan.so: $(OBJECTS_tsan)
	$(CXX) -shared -pthread $(TSAN) -o $@ $^

.DELETE_ON_ERROR:

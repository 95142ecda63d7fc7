# The GPU kernels: emulated on the CPU, always; compiled for NVIDIA's chips where nvcc is. Included by the Makefile.
#   build/libnanogpt_emulated.so          the kernels on the emulation's fast mode
#   build/libnanogpt_emulated_checked.so  the same with every memory access watched (races, unwritten memory)
#   build/emulation_tests                 planted bugs that the emulation must report
#   build/libnanogpt_cuda.so              the kernels for sm_90a and sm_80; needs only NVIDIA's driver, opened at run time
# A name's .cu holds kernels, its .cpp the launchers (the functions of abi.h), its .h what both know.

# Kernels read words where others wrote elements, as nvcc lets them: hence no strict aliasing.
GPU_FLAGS := -std=c++17 -O2 -fno-strict-aliasing -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
# Where the emulation has a part of its own instead.
CUDA_ONLY := driver_library images schedule nccl_library cublaslt_library shared_library
GPU_HOST := $(filter-out $(CUDA_ONLY),$(basename $(notdir $(sort $(wildcard kernels/cuda/*.cpp)))))
GPU_KERNELS := $(basename $(notdir $(sort $(wildcard kernels/cuda/*.cu))))
EMULATION := $(basename $(notdir $(sort $(wildcard kernels/emulation/*.cpp))))

# GCC's thread sanitizer calls a function at each memory access; the emulation has those functions, not the sanitizer's
# library. Only kernels are watched, never the emulation itself.
WATCHED := -g1 -fsanitize=thread -DNANOGPT_EMULATION_CHECKS
# The copies of the C library that the compiler calls for larger types are watched too.
WATCHED_COPIES := $(foreach name,memcpy memmove memset,--redefine-sym $(name)=nanogpt_watched_$(name))

# $(1) variant, $(2) flags of the emulation, $(3) flags of kernels, $(4) symbols of kernels to rename. The emulation comes
# before the kernels: of an inline function that both have, the unwatched body is linked.
define emulated_variant
build/kernels/$(1)/kernel/%.o: kernels/cuda/%.cu kernels/cuda.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(GPU_FLAGS) $(3) -x c++ -c $$< -o $$@
	$(if $(4),objcopy $(4) $$@)
build/kernels/$(1)/emulation/%.o: kernels/emulation/%.cpp kernels/cuda.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(GPU_FLAGS) $(2) -c $$< -o $$@
OBJECTS_$(1) := $$(GPU_HOST:%=build/kernels/gpu/%.o) $$(EMULATION:%=build/kernels/$(1)/emulation/%.o) \
  $$(GPU_KERNELS:%=build/kernels/$(1)/kernel/%.o)
-include $$(wildcard build/kernels/$(1)/*/*.d)
build/libnanogpt_$(1).so: $$(OBJECTS_$(1))
	$$(CXX) $$(KERNEL_LINK) -o $$@ $$^
endef

build/kernels/gpu/%.o: kernels/cuda/%.cpp kernels/cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(GPU_FLAGS) -c $< -o $@
-include $(wildcard build/kernels/gpu/*.d)

$(eval $(call emulated_variant,emulated,,,))
$(eval $(call emulated_variant,emulated_checked,-DNANOGPT_EMULATION_CHECKS,$(WATCHED),$(WATCHED_COPIES)))

# The emulation's own tests (tests/emulation): small kernels, watched as all are, and the host code of their cases.
EMULATION_TESTS := $(basename $(notdir $(sort $(wildcard tests/emulation/*.cu))))
build/kernels/emulated_checked/test/%.o: tests/emulation/%.cu kernels/cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(GPU_FLAGS) $(WATCHED) -x c++ -c $< -o $@
	objcopy $(WATCHED_COPIES) $@
build/kernels/emulated_checked/test/main.o: tests/emulation/main.cpp kernels/cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(GPU_FLAGS) -DNANOGPT_EMULATION_CHECKS -c $< -o $@
build/emulation_tests: build/kernels/emulated_checked/test/main.o \
  $(EMULATION:%=build/kernels/emulated_checked/emulation/%.o) $(EMULATION_TESTS:%=build/kernels/emulated_checked/test/%.o)
	$(CXX) -pthread -o $@ $^

# Compiled for NVIDIA's chips; they run only on a GPU. nvcc makes PTX, which is told to need no more than PTX 8.0 (driver 525
# and later can compile it themselves), and ptxas makes the machine code for sm_90a from that same text. Kernels that use
# wgmma or tensor copies exist for sm_90a only; all others also as PTX for sm_80, which every later chip takes.
NVCC ?= nvcc
NVCC_FLAGS := -std=c++17 -O3 -Werror all-warnings
CUDA_SM90A_ONLY := $(filter %wgmma selftest%,$(GPU_KERNELS))
CUDA_SM80 := $(filter-out $(CUDA_SM90A_ONLY),$(GPU_KERNELS))
CUDA_IMAGES := $(GPU_KERNELS:%=build/kernels/sm_90a/%.cubin) $(GPU_KERNELS:%=build/kernels/compute_90a/%.ptx) \
  $(CUDA_SM80:%=build/kernels/compute_80/%.ptx)
CUDA_LOGS := $(GPU_KERNELS:%=build/kernels/sm_90a/%.log) $(CUDA_SM80:%=build/kernels/sm_80/%.log)

# $(1) architecture number with its letter
define cuda_target
build/kernels/compute_$(1)/%.ptx: kernels/cuda/%.cu kernels/cuda.mk
	@mkdir -p $$(@D)
	$$(NVCC) $$(NVCC_FLAGS) -MD -MF $$(@:.ptx=.d) -MT $$@ -arch=compute_$(1) -ptx -o $$@ $$<
	@sed -i -e '0,/^\.version .*/s//.version 8.0/' -e '/\.pragma "used_bytes_mask/d' $$@
# Version 8.0 so that older drivers can compile it too; the pragma is newer and only for sanitizers. What ptxas says of each
# kernel (registers, spills) stands in the log beside the code.
build/kernels/sm_$(1)/%.cubin build/kernels/sm_$(1)/%.log &: build/kernels/compute_$(1)/%.ptx
	@mkdir -p $$(@D)
	$$(NVCC) -gencode=arch=compute_$(1),code=sm_$(1) -Xptxas -v,-warn-spills -cubin -o $$(@D)/$$*.cubin $$< \
	  2>$$(@D)/$$*.log || { cat $$(@D)/$$*.log >&2; exit 1; }
-include $$(wildcard build/kernels/compute_$(1)/*.d)
endef
$(eval $(call cuda_target,90a))
$(eval $(call cuda_target,80))
.SECONDARY: $(GPU_KERNELS:%=build/kernels/compute_90a/%.ptx) $(CUDA_SM80:%=build/kernels/compute_80/%.ptx)

# A line for each image, in the order in which they are tried.
build/kernels/cuda/images.inc: $(CUDA_IMAGES)
	@mkdir -p $(@D)
	@for image in $^; do target=$$(basename $$(dirname $$image)); name=$$(basename $${image%.*}); \
	  echo "IMAGE($${name}_$$target, \"$$name\", \"$$target\", \"$$image\")"; done >$@
build/kernels/cuda/%.o: kernels/cuda/%.cpp build/kernels/cuda/images.inc kernels/cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(GPU_FLAGS) -Ibuild/kernels/cuda -c $< -o $@
build/libnanogpt_cuda.so: $(GPU_HOST:%=build/kernels/gpu/%.o) $(CUDA_ONLY:%=build/kernels/cuda/%.o)
	$(CXX) $(KERNEL_LINK) -o $@ $^ -ldl

.PHONY: cuda cuda-facts
ifneq ($(shell command -v $(NVCC)),)
NVCC_VERSION = $(shell $(NVCC) --version | sed -n 's/.*, V\(.*\)/\1/p')
cuda: compiler build/libnanogpt_cuda.so
cuda-facts: bootstrap $(CUDA_LOGS)
	@"$(DENO)" run --quiet -A tools/cuda/facts.ts "$(NVCC_VERSION)" kernels/cuda/facts.txt $(CUDA_LOGS) $(UPDATE)
else
cuda cuda-facts:
	@echo "No nvcc found: the CUDA kernels are not built (the emulation runs them all); install the CUDA toolkit 12.3 or later"
endif

# The GPU kernels: emulated on the CPU, always; compiled for NVIDIA's chips where nvcc is. Included by the Makefile.
#   build/libnanogpt_emulated.so          the kernels on the emulation's fast mode
#   build/libnanogpt_emulated_checked.so  the same with every memory access watched (races, unwritten memory)
#   build/libnanogpt_cuda.so              the kernels for sm_90a and sm_80; needs only NVIDIA's driver, opened at run time
# A name's .cu holds kernels, its .cpp the launchers (the functions of abi.h), its .h what both know.

GPU_FLAGS := -std=c++17 -O2 -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
GPU_HOST := $(filter-out driver_library,$(basename $(notdir $(sort $(wildcard kernels/cuda/*.cpp)))))
GPU_KERNELS := $(basename $(notdir $(sort $(wildcard kernels/cuda/*.cu))))
EMULATION := $(basename $(notdir $(sort $(wildcard kernels/emulation/*.cpp))))

# GCC's thread sanitizer calls a function at each memory access; the emulation has those functions, not the sanitizer's
# library. Only kernels are watched, never the emulation itself.
WATCHED := -fsanitize=thread -DNANOGPT_EMULATION_CHECKS

# $(1) variant, $(2) flags of the emulation and the host side, $(3) flags of kernels
define emulated_variant
build/kernels/$(1)/kernel/%.o: kernels/cuda/%.cu kernels/cuda.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(GPU_FLAGS) $(3) -x c++ -c $$< -o $$@
build/kernels/$(1)/emulation/%.o: kernels/emulation/%.cpp kernels/cuda.mk
	@mkdir -p $$(@D)
	$$(CXX) $$(GPU_FLAGS) $(2) -c $$< -o $$@
OBJECTS_$(1) := $$(GPU_HOST:%=build/kernels/gpu/%.o) $$(GPU_KERNELS:%=build/kernels/$(1)/kernel/%.o) \
  $$(EMULATION:%=build/kernels/$(1)/emulation/%.o)
-include $$(wildcard build/kernels/$(1)/*/*.d)
build/libnanogpt_$(1).so: $$(OBJECTS_$(1))
	$$(CXX) $$(KERNEL_LINK) -o $$@ $$^
endef

build/kernels/gpu/%.o: kernels/cuda/%.cpp kernels/cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(GPU_FLAGS) -c $< -o $@
-include $(wildcard build/kernels/gpu/*.d)

$(eval $(call emulated_variant,emulated,,))
$(eval $(call emulated_variant,emulated_checked,-DNANOGPT_EMULATION_CHECKS,$(WATCHED)))

# Kernels of nvcc, one cubin a file: compiled here, run only on a GPU.
NVCC ?= nvcc
NVCC_FLAGS := -std=c++17 -O3 -Werror all-warnings -Xptxas -v,-warn-spills
build/kernels/sm_90a/%.cubin: kernels/cuda/%.cu kernels/cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -MD -MF $(@:.cubin=.d) -gencode=arch=compute_90a,code=sm_90a -cubin -o $@ $<
-include $(wildcard build/kernels/sm_*/*.d)

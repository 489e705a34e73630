# One makefile, no recursion, nothing written outside build/.  `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
VERSION := 0.1.0
FLAVOR  ?= release
PREFIX  ?= /usr/local
-include config.mk
B := build/$(FLAVOR)

ifeq ($(origin CC),default)
CC := cc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wvla
OPT.release := -O2 -g
OPT.debug   := -Og -g3 -Werror
OPT.asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
$(if $(OPT.$(FLAVOR)),,$(error FLAVOR=$(FLAVOR): use release, debug or asan))
comma := ,
# What the build needs is kept apart from CPPFLAGS, CFLAGS, LDFLAGS: those are the user's.
cpp  := -I. -D_XOPEN_SOURCE=700 -DQUALM_VERSION='"$(VERSION)"'
cc   := -std=c11 -ffp-contract=off -pthread $(WARN) $(OPT.$(FLAVOR))
libs := -Wl,--as-needed -lpng -lzip -ldeflate -lniftiio -lznz -ljson-c -ltiff -lmsgpackc -lz -lm -ldl

# A new file is a new program, module or test: no list to edit.
SMALL   := $(patsubst filters/%.c,%,$(wildcard filters/*.c))
LARGE   := $(patsubst filters/%/main.c,%,$(wildcard filters/*/main.c))
FILTERS := $(sort $(SMALL) $(LARGE))
SCRIPTS := qualm uncertainty predict ensemble find-best check plot choose member-curve train
TESTS   := $(patsubst %.c,%,$(wildcard tests/*/*.c))
# X.isa.c is compiled once per instruction set (macro ISA: base, v3, v4, v4n: v4 with half the vector) and picked at run time.
# Inference has v4b as well: products of bf16.  Tests have its place taken by v4e, which needs no instruction beyond v4's.
# In common/ products are fused with sums where fma() says so and nowhere else, so that every set gives the same bytes.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ifeq ($(MACHINE),x86_64)
ISAS := base v3 v4 v4n
march.v3 := -march=x86-64-v3
march.v4 := -march=x86-64-v4
march.v4n := -march=x86-64-v4 -mprefer-vector-width=256
march.v4b := -march=x86-64-v4 -mavx512bf16
march.v4e := -march=x86-64-v4
BF16 := $(patsubst %.isa.c,$(B)/obj/%.v4b.o,$(wildcard filters/infer-checkpoint/*.isa.c))
else
ISAS := base
endif
objects = $(patsubst %.c,$(B)/obj/%.o,$(filter-out %.isa.c,$(1))) $(foreach i,$(ISAS),$(patsubst %.isa.c,$(B)/obj/%.$(i).o,$(filter %.isa.c,$(1))))
COMMON  := $(filter-out %.v4n.o,$(call objects,$(wildcard common/*.c)))
# CUDA's toolkit, and where cuDNN's headers are if not there (Python's package: CUDNN=.../site-packages/nvidia/cudnn).  cuDNN itself
# is looked for when it is used.  HAVE_CUDA: flags for these headers; empty where one is missing.
CUDA  ?= /usr/local/cuda
CUDNN ?= $(CUDA)
NVCC  ?= $(CUDA)/bin/nvcc
cudnn_h := $(firstword $(wildcard $(CUDNN)/include/cudnn.h $(CUDA)/include/cudnn.h /usr/include/cudnn.h))
HAVE_CUDA := $(if $(and $(cudnn_h),$(wildcard $(CUDA)/include/cuda_runtime_api.h),$(wildcard $(NVCC))),-DHAVE_CUDA $(addprefix -isystem ,$(sort $(CUDA)/include $(filter-out /usr/include,$(patsubst %/,%,$(dir $(cudnn_h)))))))
# What the plugin is made of; without CUDA, what of it needs no header of CUDA.  An archive, so that a test has its own device.
WITH_CUDA := $(patsubst %,filters/infer-checkpoint/cuda/%.c,device graph library)
CUDA_PARTS := $(call objects,$(filter-out $(if $(HAVE_CUDA),,$(WITH_CUDA)),$(wildcard filters/infer-checkpoint/cuda/*.c)))
OF_CUDA := $(call objects,$(WITH_CUDA)) $(patsubst %,$(B)/obj/%.o,$(filter tests/gpu/%,$(TESTS)))
$(OF_CUDA): cpp += $(HAVE_CUDA)
$(OF_CUDA): $(B)/flags-cuda
$(CUDA_PARTS): cc += -fPIC
$(B)/libcuda-parts.a: $(CUDA_PARTS)
	@mkdir -p $(@D); rm -f $@
	$(AR) rcs $@ $^
# Kernels, by nvcc for each of these capabilities that it knows and as PTX of the last one (what the assembler says is kept in X.ptxas);
# and by g++ for the processor, which takes no CUDA, for the tests.
KERNEL_FILES := $(wildcard filters/infer-checkpoint/cuda/*.cu)
KERNELS  := $(patsubst %.cu,$(B)/obj/%.o,$(KERNEL_FILES))
CUDA_CAPABILITIES ?= 75 80 86 89 90 100 120
capabilities := $(foreach c,$(CUDA_CAPABILITIES),$(filter $(c),$(patsubst sm_%,%,$(if $(wildcard $(NVCC)),$(shell '$(NVCC)' --list-gpu-code 2>&1)))))
# Products are fused with sums where fmaf() says so and nowhere else, so that the card and the processor round alike.
nvcc := -std=c++17 -O3 -fmad=false -ccbin '$(CXX)' -Xcompiler -fPIC,-Wall,-Wextra -Xptxas -v \
	$(foreach c,$(capabilities),-gencode arch=compute_$(c),code=sm_$(c)) $(foreach c,$(lastword $(capabilities)),-gencode arch=compute_$(c),code=compute_$(c))
emulated := -std=c++17 -O2 -g -fPIC -ffp-contract=off -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra -Wno-unknown-pragmas \
	-x c++ -DEMULATED -include tests/gpu/emulate.h $(filter -fsanitize=% -fno-%,$(OPT.$(FLAVOR)))
$(KERNELS): $(B)/obj/%.o: %.cu $(B)/flags-cuda
	@mkdir -p $(@D)
	'$(NVCC)' $(cpp) $(nvcc) $(NVCCFLAGS) -MMD -MP -c -o $@ $< > $(@:.o=.ptxas) 2>&1 || { cat $(@:.o=.ptxas) >&2; exit 1; }
$(B)/libemulated.a: $(patsubst %.cu,$(B)/obj/tests/gpu/emulated/%.o,$(notdir $(KERNEL_FILES)))
	@mkdir -p $(@D); rm -f $@
	$(AR) rcs $@ $^
$(B)/obj/tests/gpu/emulated/%.o: filters/infer-checkpoint/cuda/%.cu $(B)/flags-cuda
	@mkdir -p $(@D)
	$(CXX) $(cpp) $(CPPFLAGS) $(emulated) $(CXXFLAGS) -MMD -MP -c -o $@ $<
# The plugin: CUDA's run-time library is in it, libcudnn is looked for when it runs.
PLUGIN := $(if $(HAVE_CUDA),$(B)/bin/cuda.so)
PLUGIN_MAP := filters/infer-checkpoint/cuda/plugin.map
PLUGIN_LINK := -shared -Wl,--version-script,$(PLUGIN_MAP)
$(B)/bin/cuda.so: $(CUDA_PARTS) $(KERNELS) $(PLUGIN_MAP)
	@mkdir -p $(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) $(PLUGIN_LINK) -o $@ $(filter %.o,$^) -L'$(CUDA)/lib64' -lcudart_static -lrt -ldl -lm -lstdc++
no-plugin:
	@echo 'cuda.so is not built: it takes nvcc (CUDA=$(CUDA)) and cudnn.h (CUDNN=$(CUDNN)); everything else is'
# The plugin as the tests have it: its own arithmetic and kernels on an imitated device, with small batches.
IMITATED := $(call objects,$(wildcard tests/gpu/plugin/*.c)) $(patsubst %,$(B)/obj/imitated/%.o,backend cases steps weights)
wrapped := $(patsubst %,-Wl$(comma)--wrap=kernel_%,gather stats apply tail take)
$(IMITATED): cc += -fPIC
$(B)/obj/imitated/%.o: filters/infer-checkpoint/cuda/%.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(cpp) -DMOST_IMAGES=8 -DQUALM_SEAM='"$(SEAM)"' $(CPPFLAGS) $(cc) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/imitated.so: $(IMITATED) $(B)/libemulated.a $(PLUGIN_MAP)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) $(PLUGIN_LINK) $(wrapped) -o $@ $(filter %.o %.a,$^) -lm
# Tests of kernels with those that nvcc has made, for a machine with a GPU.
ON_DEVICE := $(if $(HAVE_CUDA),$(B)/on-device/kernels $(B)/on-device/tail)
$(B)/obj/on-device/%.o: tests/gpu/%.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(cpp) -DON_DEVICE $(CPPFLAGS) $(cc) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/on-device/libkernels.so: $(KERNELS) $(B)/obj/filters/infer-checkpoint/cuda/device.o
	@mkdir -p $(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^ -L'$(CUDA)/lib64' -lcudart_static -lrt -ldl -lm -lstdc++
.SECONDARY: $(B)/obj/on-device/kernels.o $(B)/obj/on-device/tail.o
$(B)/on-device/%: $(B)/obj/on-device/%.o $(B)/on-device/libkernels.so $(B)/libcommon.a
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) -rdynamic -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(LDLIBS) $(libs)
# Of programs whose parts C tests call.
EMULATE := $(BF16:%.v4b.o=%.v4e.o)
MODULES := $(call objects,$(filter-out %/main.c,$(wildcard filters/infer-checkpoint/*.c filters/train-checkpoints/*.c))) $(EMULATE)

## all: build every program into build/FLAVOR/bin (FLAVOR=release, debug or asan)
all: $(FILTERS:%=$(B)/bin/%) $(SCRIPTS:%=$(B)/bin/%) $(or $(PLUGIN),no-plugin)

$(SMALL:%=$(B)/bin/%): $(B)/bin/%: $(B)/obj/filters/%.o $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(libs)

# Objects of other programs: training multiplies with the kernels of inference.
with.train-checkpoints := $(call objects,$(wildcard filters/infer-checkpoint/cpu_*.c)) $(BF16)
with.infer-checkpoint := $(BF16)

# The seam between the program and its plugin for CUDA, which finds what it needs of the program in it.
SEAM := $(firstword $(shell cat filters/infer-checkpoint/backend.h filters/infer-checkpoint/precision.h common/network.h common/plans.h common/checkpoint.h common/die.h | cksum))
$(patsubst %,$(B)/obj/filters/infer-checkpoint/%.o,cuda cuda/backend): cpp += -DQUALM_SEAM='"$(SEAM)"'
# What of common/ the plugin alone needs is in the program too.
link.infer-checkpoint := -rdynamic -Wl,-u,random_bits

define large
$(B)/bin/$(1): $(call objects,$(wildcard filters/$(1)/*.c)) $(with.$(1)) $(B)/libcommon.a
	@mkdir -p $$(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) $(link.$(1)) -o $$@ $$^ $(LDLIBS) $(libs)
endef
$(foreach f,$(LARGE),$(eval $(call large,$(f))))

$(B)/bin/check: scripts/check-model
	@mkdir -p $(@D)
	cp $< $@
$(patsubst %,$(B)/bin/%,$(filter-out check,$(SCRIPTS))): $(B)/bin/%: scripts/%
	@mkdir -p $(@D)
	cp $< $@

# Text that a program holds, X as a string literal in X.inc.
TEXTS := $(wildcard filters/*/*.html filters/*/*.css filters/*/*.js)
$(B)/text/%.inc: %
	@mkdir -p $(@D)
	sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/' $< > $@
$(B)/obj/filters/report/page.o: $(patsubst %,$(B)/text/%.inc,$(filter filters/report/%,$(TEXTS)))
$(B)/obj/filters/report/page.o: cpp += -I$(B)/text

$(TESTS:%=$(B)/%): $(B)/%: $(B)/obj/%.o $(MODULES) $(B)/libcuda-parts.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) $(if $(findstring /gpu/,$@)$(filter %/bench/passes %/network/sliding,$@),$(link.infer-checkpoint)) -o $@ $^ $(LDLIBS) $(libs)
$(patsubst %,$(B)/%,$(filter tests/gpu/%,$(TESTS))): $(B)/libemulated.a

## bare: the tests of the CPU engine alone as static programs (CC=aarch64-linux-gnu-gcc B=build/aarch64: of another machine)
BARE := kernels pointwise cpu
BARE_PARTS := $(call objects,$(wildcard filters/infer-checkpoint/cpu*.c) filters/infer-checkpoint/ref.c \
	$(patsubst %,common/%.c,die io opt parallel progress)) $(EMULATE)
$(BARE:%=$(B)/bare/%): $(B)/bare/%: $(B)/obj/tests/network/%.o $(BARE_PARTS)
	@mkdir -p $(@D)
	$(CC) $(cc) $(CFLAGS) $(LDFLAGS) -static -o $@ $^ $(LDLIBS) -lm
bare: $(BARE:%=$(B)/bare/%)

$(B)/libcommon.a: $(COMMON)
	@rm -f $@
	$(AR) rcs $@ $^
$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(cpp) $(CPPFLAGS) $(cc) $(CFLAGS) -MMD -MP -c -o $@ $<
isa.common  := -ffp-contract=off -fno-trapping-math -fno-math-errno
# Sums must stay in registers: neither may values go from one round of a loop to the next nor loads be moved away from their use.
isa.filters := -ffp-contract=fast -fno-predictive-commoning -fno-schedule-insns
define isa
$(B)/obj/%.$(1).o: %.isa.c $(B)/flags
	@mkdir -p $$(@D)
	$(CC) $(cpp) $(CPPFLAGS) $(cc) $(if $(filter asan,$(FLAVOR)),,-O3) $$(isa.$$(firstword $$(subst /, ,$$<))) $(march.$(1)) -DISA=$(1:v4e=v4b) $(CFLAGS) -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS) $(if $(BF16),v4b v4e),$(eval $(call isa,$(i))))

# Rewritten only when the flags differ, so a changed flag rebuilds and an unchanged one does not.
FLAGS := $(CC) $(cpp) $(CPPFLAGS) $(cc) $(CFLAGS) $(LDFLAGS) $(isa.common) $(isa.filters)
$(B)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@
FLAGS_CUDA := $(HAVE_CUDA) $(NVCC) $(nvcc) $(NVCCFLAGS) $(CXX) $(emulated) $(CXXFLAGS)
$(B)/flags-cuda: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(FLAGS_CUDA))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS_CUDA))' > $@
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

tests: $(TESTS:%=$(B)/%) $(B)/imitated.so
## check: run the tests of this flavor (T=name narrows to a folder, T=folder/name to one test)
check: all tests
	@tests/run $(B) $(T)
## check-asan: the same tests with address and undefined-behaviour sanitizers
check-asan:
	$(MAKE) FLAVOR=asan check
## lint: pages, scripts, includes, first lines, paths: whatever can be told without running
lint:
	@scripts/lint
## demo: scores, maps, overlays, a plot and a report of the built-in example, or of DATA=FOLDER MODEL=FOLDER, in OUT=FOLDER
demo: all
	@scripts/demo --built='$(CURDIR)/$(B)/bin' $(if $(DATA),DATA='$(DATA)') $(if $(MODEL),MODEL='$(MODEL)') $(if $(OUT),OUT='$(OUT)')
## demo-train: an ensemble trained on part of the built-in example, tested on the rest, to a report in OUT=FOLDER (TRAINING='OPTION ...' of train)
demo-train: all
	@scripts/demo-train '$(CURDIR)/$(B)/bin' $(foreach v,OUT TRAINING,$(if $($(v)),$(v)='$($(v))'))
## bench: speed and memory as TSV (DATA=FOLDER MODEL=FOLDER: of another job than the built-in example)
bench: all tests
	@scripts/bench $(B) $(if $(DATA),'$(DATA)' '$(MODEL)')
## install: programs, pages and scripts under PREFIX (/usr/local), staged under DESTDIR
libexec := $(PREFIX)/libexec/qualm
man     := $(PREFIX)/share/man
install: all
	install -d '$(DESTDIR)$(libexec)' '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/qualm'
	install -m 755 $(FILTERS:%=$(B)/bin/%) $(patsubst %,$(B)/bin/%,$(filter-out qualm,$(SCRIPTS))) '$(DESTDIR)$(libexec)'
	$(if $(PLUGIN),install -m 755 $(PLUGIN) '$(DESTDIR)$(libexec)')
	sed 's|@EXEC_PATH@|$(libexec)|; s|@MAN_PATH@|$(man)|' scripts/qualm > '$(DESTDIR)$(PREFIX)/bin/qualm'
	chmod 755 '$(DESTDIR)$(PREFIX)/bin/qualm'
	install -m 644 scripts/experiment.mk '$(DESTDIR)$(PREFIX)/share/qualm'
	scripts/install-man man '$(DESTDIR)$(man)'
## uninstall: remove what install put there
uninstall:
	rm -rf '$(DESTDIR)$(libexec)' '$(DESTDIR)$(PREFIX)/share/qualm' '$(DESTDIR)$(PREFIX)/bin/qualm'
	rm -f '$(DESTDIR)$(man)'/man[1-9]/qualm.1 '$(DESTDIR)$(man)'/man[1-9]/qualm-*.[1-9]
## bench-peer: speed and memory beside PyTorch and nnU-Net, into tests/bench/RESULTS.md (PEER=FOLDER: a Python environment; PARTS, ROUNDS)
bench-peer: all tests
	@scripts/bench-peer $(B)
SHARED ?= ../shared
## check-gpu: what only a GPU can show, into tests/gpu/RESULTS.md; from build/gpu-bundle where nothing else is built (DEVICE=imitated: without one)
## bench-gpu: speed on a GPU beside PyTorch's on the same one, into tests/gpu/RESULTS.md; likewise
## gpu-bundle: build/gpu-bundle, with which both run on a machine that has no more than the sources and a GPU
BUNDLE := build/gpu-bundle
GPU_BUILD := $(if $(and $(wildcard $(BUNDLE)/release/bin/infer-checkpoint),$(if $(wildcard $(B)/bin/infer-checkpoint),,none)),$(BUNDLE)/release,$(B))
gpu-programs: all tests $(ON_DEVICE)
check-gpu bench-gpu: %-gpu: $(if $(filter $(B),$(GPU_BUILD)),gpu-programs)
	@scripts/$@ $(GPU_BUILD)
gpu-bundle:
	@scripts/gpu-bundle $(BUNDLE) '$(SHARED)'
## evidence: every score against Dice on phantom and Sunnybrook, into tests/evidence (SHARED=FOLDER, ../shared)
evidence: all
	PATH='$(CURDIR)/$(B)/bin':"$$PATH" && cd '$(SHARED)' && set -e && e='$(CURDIR)/$(B)/evidence' s='$(CURDIR)/scripts/evidence' && \
	"$$s" "$$e" phantom golden/models/phantom_2d golden/phantom/imagesTs golden/phantom/labelsTs && \
	"$$s" "$$e" sunnybrook golden/models/sunnybrook_2d data/sunnybrook-png/imagesTs data/sunnybrook-png/labelsTs '^[^_]*' && \
	"$$s" --summary "$$e" phantom sunnybrook
	mkdir -p tests/evidence && cp $(B)/evidence/*.md $(B)/evidence/*.svg tests/evidence
## bench-memory: peak memory of each stage on a volume of 512x512x400 with 100 classes; fails beyond 2.5 GB, 4 GB in all (minutes)
bench-memory: all
	@scripts/bench-memory $(B)
## clean: remove build/
clean:
	rm -rf build
## help: this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST)) | sort
FORCE:
# One after the other: both measure, and write the same table.
$(if $(and $(filter check-gpu,$(MAKECMDGOALS)),$(filter bench-gpu,$(MAKECMDGOALS))),.NOTPARALLEL:)
.PHONY: gpu-programs check-gpu bench-gpu gpu-bundle all no-plugin bare bench-memory bench-peer evidence tests check check-asan lint demo demo-train bench install uninstall clean help FORCE

# A folder of images to scores, maps and pictures as a Makefile: every result has a name and can be made again by it.
#
#	make -f experiment.mk MODEL=FOLDER IMAGES=FOLDER [LABELS=FOLDER] [OUT=FOLDER] [-j N] [-k] [TARGET ...]
#
#	OUT/scores.tsv                  all cases (the default target)
#	OUT/correlation.tsv             every score against Dice (with LABELS)
#	OUT/mean/CASE.frames            mean probabilities and the maps that need the members
#	OUT/scores/CASE.tsv             one case
#	OUT/labels/CASE.ENDING          its label map, in the image's format
#	OUT/pictures/CASE_overlay.png, OUT/pictures/CASE_panel.png
#	pictures, labels                those of all cases
#
# CHECKPOINTS names the members (fold_*/checkpoint_NUMBER.pth of MODEL), MAPS and SCORES those of average-probs, AGGREGATIONS
# those of aggregate (each may be all), THREADS what a process may use.  The programs are those on PATH: PATH=$(qualm --exec-path):$PATH.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
OUT         ?= out
MAPS        ?= total_entropy,t_test
SCORES      ?= pairwise_dice,soft_dice_confidence
AGGREGATIONS ?= foreground
THREADS     ?= 1
CHECKPOINTS ?= $(sort $(wildcard $(MODEL)/fold_*/checkpoint_[0-9]*.pth))
$(foreach v,MODEL IMAGES,$(if $($(v)),,$(error $(v)=FOLDER is needed)))
$(if $(CHECKPOINTS),,$(error $(MODEL) has no fold_*/checkpoint_NUMBER.pth: name CHECKPOINTS='FILE ...'))
$(if $(shell command -v infer-checkpoint 2> /dev/null || :),,$(error the programs are not on PATH: PATH=$$(qualm --exec-path):$$PATH))

# CASE_0000.ENDING, CASE_0001.ENDING ... are the channels of CASE.
FIRST := $(sort $(wildcard $(IMAGES)/*_0000.*))
$(if $(FIRST),,$(error $(IMAGES) holds no CASE_0000.ENDING))
case  = $(firstword $(subst _0000., ,$(notdir $(1))))
CASES := $(foreach f,$(FIRST),$(call case,$(f)))
ending = $(patsubst $(1)_0000%,%,$(notdir $(wildcard $(IMAGES)/$(1)_0000.*)))
files = $(sort $(wildcard $(IMAGES)/$(1)_[0-9][0-9][0-9][0-9].*))
reference := $(if $(LABELS),-r '$(LABELS)')

$(OUT)/scores.tsv: $(CASES:%=$(OUT)/scores/%.tsv)
	awk 'FNR > 1 || NR == 1' $^ > $@.tmp && mv $@.tmp $@
$(OUT)/correlation.tsv: $(OUT)/scores.tsv
	correlate < $< > $@.tmp && mv $@.tmp $@
labels: $(foreach c,$(CASES),$(OUT)/labels/$(c)$(call ending,$(c)))
pictures: $(CASES:%=$(OUT)/pictures/%_overlay.png)

# In a pipe only the last status counts; a stage that died leaves the next one without a trailer, and that fails.
define rules
$(OUT)/mean/$(1).frames: $(call files,$(1)) $(CHECKPOINTS) $(MODEL)/plans.json $(MODEL)/dataset.json | $(OUT)/mean
	decode $(call files,$(1)) | normalize '$(MODEL)' | infer-checkpoint -j $(THREADS) $(CHECKPOINTS) | average-probs $(if $(MAPS),-m $(MAPS)) $(if $(SCORES),-s $(SCORES)) > $$@.tmp && mv $$@.tmp $$@
$(OUT)/scores/$(1).tsv: $(OUT)/mean/$(1).frames | $(OUT)/scores
	entropy < $$< | segment -d | contour-norm | $(if $(AGGREGATIONS),aggregate -a $(AGGREGATIONS) | )score $(reference) -o $$@
$(OUT)/labels/$(1)$(call ending,$(1)): $(OUT)/mean/$(1).frames | $(OUT)/labels
	segment -d < $$< | encode -o $(OUT)/labels
$(OUT)/pictures/$(1)_overlay.png $(OUT)/pictures/$(1)_panel.png &: $(OUT)/mean/$(1).frames | $(OUT)/pictures
	entropy < $$< | segment -d | render -i '$(IMAGES)' $(reference) -o $(OUT)/pictures
endef
$(foreach c,$(CASES),$(eval $(call rules,$(c))))
$(OUT)/mean $(OUT)/scores $(OUT)/labels $(OUT)/pictures:
	mkdir -p $@
.SECONDARY:
.PHONY: labels pictures

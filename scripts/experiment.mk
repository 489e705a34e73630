# A folder of images to scores, maps and pictures as a Makefile: every result has a name and can be made again by it.
#
#	make -f experiment.mk MODEL=FOLDER IMAGES=FOLDER [LABELS=FOLDER] [OUT=FOLDER] [-j N] [-k] [TARGET ...]
#	make -f experiment.mk RAW=FOLDER [FOLDS='0 1 ...'] [TRAINING='OPTION ...'] [OUT=FOLDER] [-j N] [-k] [TARGET ...]
#
#	OUT/scores.tsv                  all cases (the default target)
#	OUT/correlation.tsv             every score against Dice (with LABELS)
#	OUT/mean/CASE.frames            mean probabilities and the maps that need the members
#	OUT/scores/CASE.tsv             one case
#	OUT/labels/CASE.ENDING          its label map, in the image's format
#	OUT/pictures/CASE_overlay.png, OUT/pictures/CASE_panel.png
#	pictures, labels                those of all cases
#	OUT/report.html                 all of it on a page
#	OUT/plots/training_FOLD.svg     how a training went (with RAW)
#
# RAW is an nnU-Net data set of dataset.json, imagesTr, labelsTr, imagesTs and maybe labelsTs: it is planned (or PLANS=FILE is its
# plan) and divided into folds (GROUP=REGEX keeps those of a patient together), a network is trained for each of FOLDS (0), and their
# checkpoints are the members.  CONFIGURATION (2d) is one of the plan, TRAINING what train is told beside, such as
# '--epochs 60 --cycles 3 --late 3'; it names the members, so other options are another OUT.
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
ifneq ($(RAW),)
CONFIGURATION ?= 2d
FOLDS       ?= 0
PRE         := $(OUT)/preprocessed
MODEL       := $(OUT)/model
IMAGES      ?= $(RAW)/imagesTs
LABELS      ?= $(wildcard $(RAW)/labelsTs)
schedule    := $(shell printf '%s\n' $(TRAINING) | awk '$$1 ~ /^--(epochs|cycles|keep|late|sparse)$$/ { print; getline; print } $$1 == "--as-coded"')
KEPT        := $(shell train-checkpoints -n $(schedule) | awk -F '\t' 'NR > 1 && $$4 { gsub(",", "\n", $$4); print $$4 }')
$(if $(KEPT),,$(error TRAINING='$(TRAINING)' keeps no checkpoint))
CHECKPOINTS := $(foreach f,$(FOLDS),$(KEPT:%=$(MODEL)/fold_$(f)/%))
endif
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
$(OUT)/report.html: $(OUT)/scores.tsv $(CASES:%=$(OUT)/pictures/%_overlay.png) $(if $(LABELS),$(OUT)/plots/scatter.svg $(OUT)/plots/risk-coverage.svg)
	report --pictures $(OUT)/pictures $(if $(LABELS),--plots $(OUT)/plots) -o $@ $<
$(OUT)/plots/scatter.svg $(OUT)/plots/risk-coverage.svg: $(OUT)/plots/%.svg: $(OUT)/scores.tsv | $(OUT)/plots
	plot $* $< $@
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

ifneq ($(RAW),)
$(PRE)/dataset_fingerprint.json: $(RAW)/dataset.json
	mkdir -p $(PRE)
	fingerprint --clean -o $(PRE) '$(RAW)' > $(PRE)/intensities.tsv
$(PRE)/splits_final.json: $(PRE)/dataset_fingerprint.json
	split --clean $(if $(GROUP),-g '$(GROUP)') -o $(PRE) '$(RAW)' > $(PRE)/folds.tsv
$(PRE)/plans.json: $(PRE)/dataset_fingerprint.json $(PLANS)
	$(if $(PLANS),cp '$(RAW)/dataset.json' $(PRE) && cp '$(PLANS)' $@.tmp && mv $@.tmp $@,plan --overwrite-plans-name plans -o $(PRE) '$(RAW)' > $(PRE)/configurations.tsv)
# A training that was stopped goes on; what it has kept so far stays.
define fold
$(KEPT:%=$(MODEL)/fold_$(1)/%) $(MODEL)/fold_$(1)/training_log.tsv &: $(PRE)/plans.json $(PRE)/splits_final.json
	train '$(RAW)' $(CONFIGURATION) $(1) -p plans --preprocessed $(PRE) -o $(MODEL) $(TRAINING) -j $(THREADS) $$(if $$(wildcard $(MODEL)/fold_$(1)/checkpoint_*.pth),--c)
$(OUT)/plots/training_$(1).svg: $(MODEL)/fold_$(1)/training_log.tsv | $(OUT)/plots
	plot training $$< $$@
endef
$(foreach f,$(FOLDS),$(eval $(call fold,$(f))))
$(MODEL)/plans.json $(MODEL)/dataset.json: | $(CHECKPOINTS) ;
.PRECIOUS: $(CHECKPOINTS) $(FOLDS:%=$(MODEL)/fold_%/training_log.tsv)
endif
$(OUT)/mean $(OUT)/scores $(OUT)/labels $(OUT)/pictures $(OUT)/plots:
	mkdir -p $@
.SECONDARY:
.PHONY: labels pictures

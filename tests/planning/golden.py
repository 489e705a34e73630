"""The data sets of golden/plans, laid out from the shared data as golden/README.md says."""
import os
import sys

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import SHARED, read, run, same  # noqa: E402

data, golden = SHARED + "/data", SHARED + "/golden"


def lay_out(name, images, labels, leave=0):
    """A raw data set of links; the last `leave` cases are for testing."""
    raw = f"raw/{name}"
    os.makedirs(raw + "/imagesTr")
    os.makedirs(raw + "/labelsTr")
    os.symlink(f"{golden}/plans/{name}/dataset.json", raw + "/dataset.json")
    ending = read(raw + "/dataset.json")["file_ending"]
    files = sorted(f for f in os.listdir(labels) if f.endswith(ending))
    for f in files[:len(files) - leave]:
        os.symlink(f"{labels}/{f}", f"{raw}/labelsTr/{f}")
        image = f[:-len(ending)] + "_0000" + ending
        os.symlink(f"{images}/{image}", f"{raw}/imagesTr/{image}")


os.makedirs("raw")
lay_out("Dataset501_SunnybrookLV", f"{data}/sunnybrook-png/imagesTr", f"{data}/sunnybrook-png/labelsTr")
for name in ("Dataset502_Hippocampus", "Dataset503_HippocampusRegions"):
    lay_out(name, f"{data}/msd-hippocampus/imagesTr", f"{data}/msd-hippocampus/labelsTr", 12)
lay_out("Dataset504_SunnybrookMyo", f"{data}/sunnybrook-nifti/imagesTr", f"{data}/sunnybrook-nifti/labels3Tr", 1)
os.symlink(f"{golden}/raw/Dataset505_CT", "raw/Dataset505_CT")
os.symlink(f"{golden}/phantom", "raw/Dataset506_Phantom")

env = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "pre"}
worst = 0
for name in sorted(os.listdir("raw")):
    want, pre = f"{golden}/plans/{name}", f"pre/{name}"
    run("fingerprint", name, **env)
    ours, theirs = read(pre + "/dataset_fingerprint.json"), read(want + "/dataset_fingerprint.json")
    same(ours, theirs, name)
    for channel, values in theirs["foreground_intensity_properties_per_channel"].items():
        for key, v in values.items():
            got = ours["foreground_intensity_properties_per_channel"][channel][key]
            worst = max(worst, abs(got - v) / abs(v) if v else 0)
            assert got == v or key in ("mean", "std"), (name, key, got, v)
    for planner, plans in (("ExperimentPlanner", "nnUNetPlans"), ("nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans")):
        run("plan", "-p", planner, name, **env)
        same(read(f"{pre}/{plans}.json"), read(f"{want}/{plans}.json"), f"{name} {plans}")
    assert read(pre + "/dataset.json") == read(want + "/dataset.json")
    if os.path.exists(want + "/splits_final.json"):
        run("split", *(("-g", "^(.*)_") if name.startswith("Dataset501") else ()), name, **env)
        assert read(pre + "/splits_final.json") == read(want + "/splits_final.json"), name
print(f"note: six data sets, largest relative difference of a mean or deviation {worst:.1e}")

"""plan against stock nnU-Net 2.8.1's planners on random fingerprints (stock.jsonl), and what it leaves beside the plans."""
import json
import os
import sys

sys.path.insert(0, os.environ["TESTS"] + "/planning")
from lib import read, run, same, save  # noqa: E402

names = {"ExperimentPlanner": "nnUNetPlans", "ResEncUNetPlanner": "nnUNetResEncUNetPlans",
         **{f"nnUNetPlannerResEnc{s}": f"nnUNetResEncUNet{s}Plans" for s in ("M", "L", "XL")}}
always = {"preprocessor_name", *(f"resampling_fn_{of}{k}" for of in ("data", "seg", "probabilities") for k in ("", "_kwargs"))}
chosen = ("n_stages", "features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage", "n_conv_per_stage_decoder")


def essence(plans):
    """What depends on the data set: the rest is the same in all plans, and in those that golden.t compares."""
    def short(c):
        kwargs = c.get("architecture", {}).get("arch_kwargs", {})
        return {**{k: v for k, v in c.items() if k not in always and k != "architecture"}, **{k: kwargs[k] for k in chosen if k in kwargs}}
    plans = {k: v for k, v in plans.items() if k != "foreground_intensity_properties_per_channel"}
    plans["configurations"] = {n: short(c) for n, c in plans["configurations"].items()}
    return plans


def main():
    seen = set()
    with open(os.environ["TESTS"] + "/planning/stock.jsonl") as f:
        for line in f:
            t = json.loads(line)
            save("raw/Dataset001_Side/dataset.json", t["dataset"])
            save("pre/dataset_fingerprint.json", {"foreground_intensity_properties_per_channel": {}, **t["fingerprint"]})
            name = t["plans"]["dataset_name"]
            os.rename("raw/Dataset001_Side", f"raw/{name}")
            run("plan", "-o", "pre", "-p", t["planner"], *t["options"], f"raw/{name}")
            file = f"pre/{t['plans']['plans_name']}.json"
            ours = read(file)
            same(essence(ours), t["plans"], line[:60], 1e-12)
            assert ours["foreground_intensity_properties_per_channel"] == {}
            os.remove(file)
            os.rename(f"raw/{name}", "raw/Dataset001_Side")
            seen |= {(t["planner"], c) for c in t["plans"]["configurations"]}
    assert len(seen) == len(names) * 4, seen             # every configuration by every planner
    beside()
    refusals()


def beside():
    """Older configurations stay, splits and dataset.json come along, images decide between formats of one ending."""
    raw, file = "raw/Dataset001_Side", "pre/nnUNetPlans.json"
    run("plan", "-o", "pre", raw)
    plans = read(file)
    assert read("pre/dataset.json") == read(raw + "/dataset.json")
    plans["configurations"] = {"mine": {"inherits_from": "2d", "batch_size": 3}, "2d": {}}
    save(file, plans)
    run("plan", "-o", "pre", raw)
    made = read(file)["configurations"]
    assert made.pop("mine") == {"inherits_from": "2d", "batch_size": 3} and list(made)[0] == "2d" and made["2d"]["patch_size"]
    run("plan", "-o", "pre", "--overwrite-plans-name", "Own", raw)
    assert read("pre/Own.json")["plans_name"] == "Own" and "mine" not in read("pre/Own.json")["configurations"]
    save(raw + "/splits_final.json", [{"train": ["a"], "val": ["b"]}])
    run("plan", "-o", "pre", raw)
    assert read("pre/splits_final.json") == [{"train": ["a"], "val": ["b"]}]
    save("pre/splits_final.json", [{"train": ["b"], "val": ["a"]}])
    assert "out of date" in run("plan", "-o", "pre", raw, code=3)
    os.remove(raw + "/splits_final.json")
    before = open("pre/dataset.json", "rb").read()
    run("plan", "-o", raw, raw, code=3)                  # no fingerprint there
    save(raw + "/dataset_fingerprint.json", read("pre/dataset_fingerprint.json"))
    run("plan", "-o", raw, raw)                          # a folder that is both
    assert open(raw + "/dataset.json", "rb").read() == before


def refusals():
    raw, good, f = "raw/Dataset001_Side", read("raw/Dataset001_Side/dataset.json"), read("pre/dataset_fingerprint.json")
    for change, says in (({"spacings": []}, "spacings"), ({"spacings": [[1, 1, 0]] * len(f["spacings"])}, "over 0"),
                         ({"shapes_after_crop": f["shapes_after_crop"] + [[1, 1, 1]]}, "shapes_after_crop"),
                         ({"shapes_after_crop": [[1, 2]] * len(f["spacings"])}, "shapes_after_crop[0]"),
                         ({"median_relative_size_after_cropping": "x"}, "median_relative")):
        save("pre/dataset_fingerprint.json", {**f, **change})
        assert says in run("plan", "-o", "pre", raw, code=3), change
    save("pre/dataset_fingerprint.json", {**f, "spacings": [[1, 1, 1]] * 2, "shapes_after_crop": [[90, 90, 90]] * 2})
    assert "memory target" in run("plan", "-o", "pre", "--gpu-memory-target", "0.000001", "-p", "nnUNetPlannerResEncXL", raw, code=3)
    assert "less than one voxel" in run("plan", "-o", "pre", "--overwrite-target-spacing", "1,900,1", raw, code=3)
    for bad in ("1,1", "1,1,1,1", "1,0,1", "a,1,1", "1,nan,1"):
        assert "three numbers" in run("plan", "-o", "pre", "--overwrite-target-spacing", bad, raw, code=2), bad
    assert "no name" in run("plan", "-o", "pre", "--overwrite-plans-name", "a/b", raw, code=2)
    save(raw + "/dataset.json", {**good, "file_ending": ".jpg"})
    assert "file_ending" in run("plan", "-o", "pre", raw, code=3)
    for ending, reader in ((".png", "NaturalImage2DIO"), (".nii", "NibabelIO"), (".TIFF", "Tiff3DIO"), (".mha", "SimpleITKIO"),
                           (".nii.gz", "SimpleITKIO")):
        save(raw + "/dataset.json", {**good, "file_ending": ending})
        run("plan", "-o", "pre", raw)
        assert read("pre/nnUNetPlans.json")["image_reader_writer"] == reader
    for asked, reader in (("NibabelIOWithReorient", "NibabelIOWithReorient"), ("None", "SimpleITKIO"), ("MyOwnIO", "SimpleITKIO")):
        save(raw + "/dataset.json", {**good, "overwrite_image_reader_writer": asked})
        run("plan", "-o", "pre", raw)
        assert read("pre/nnUNetPlans.json")["image_reader_writer"] == reader


if __name__ == "__main__":
    main()

"""calibrate --fit and temper: the best temperature, tempered probabilities, identity at T = 1, exact 0 and 1, members."""
from brute import *

r = np.random.default_rng(3)
FIT = ["temperature", "nll", "ece"]


def fit(name, frames, extra="", err=""):
    save(f"{name}.frames", frames)
    said = run(f"calibrate -r refs_{name} {extra} --fit {name}.fit < {name}.frames > {name}.tsv")
    assert err in said and (err or not said), said
    return {t["state"]: {k: float(t[k]) for k in FIT} for t in tsv(f"{name}.fit")}


def ece_at(p, y, t, classes):
    q = tempered(p, t, not classes)
    if classes:
        return measures(q.max(0), p.argmax(0) == y, 15)["ece"]
    return np.mean([measures(q[k], np.isin(y, HAS[k]), 15)["ece"] for k in range(3)])


# The best temperature of networks that are too sure, not sure enough, of two and five classes and of regions
worst = [0, 0, 0]
for name, classes, sharp, ignore, flag in (("two", 2, 2.0, None, ""), ("two_sharper", 2, 0.6, None, ""), ("five", 5, 3.1, 5, ""), ("five_foreground", 5, 1.4, 5, "--foreground"),
                                           ("regions", None, 1.7, 4, ""), ("regions_foreground", None, 0.8, 4, "--foreground")):
    frames, parts = [], []
    for k, shape in enumerate([(1, 50, 40), (5, 20, 20)]):
        p, y = random_case(r, shape, classes, sharp=sharp, spread=3 if classes else 2)
        if ignore:
            y = np.where(r.random(shape) < 0.2, ignore, y)
        p[..., :3] = 0                            # cropped: some of it wrongly
        if classes:
            p[0, ..., :3] = 1
        reference(f"refs_{name}", f"case{k}", y)
        frames.append(frame(f"case{k}", p, ignore, not classes))
        q, t = chosen(p, y, ignore, flag == "--foreground", None if classes else REGIONS["regions_class_order"])
        parts.append((q, t))
    got = fit(name, frames, flag)
    p, y = np.concatenate([q for q, t in parts], 1), np.concatenate([t for q, t in parts])
    t = best_temperature(p, y, not classes)
    assert got["before"]["temperature"] == 1
    assert abs(got["after"]["temperature"] / t - 1) < 1e-3, (name, got, t)
    for state in got:
        assert abs(got[state]["nll"] - loss_at(p, y, got[state]["temperature"], not classes)) < 1e-6, (name, state, got)
        exact = ece_at(p, y, got[state]["temperature"], classes)
        assert abs(got[state]["ece"] - exact) < (1e-6 if state == "before" else 0.05 * exact + 1e-3), (name, state, got, exact)
    step = 8 * np.log2(got["after"]["temperature"])
    below, above = (ece_at(p, y, 2 ** (k / 8), classes) for k in (np.floor(step), np.floor(step) + 1))
    assert abs(got["after"]["ece"] - below - (step - np.floor(step)) * (above - below)) < 1e-6, (name, got, below, above)
    worst = np.maximum(worst, [abs(got["after"]["temperature"] - t), abs(got["after"]["nll"] - loss_at(p, y, t, not classes)), abs(got["after"]["ece"] - exact)])

    # what temper makes is best left as it is, and has the loss that was promised
    run(f"temper -f {name}.fit < {name}.frames | calibrate -r refs_{name} {flag} --fit again.fit > again.tsv")
    again = {t["state"]: float(t["temperature"]) for t in tsv("again.fit")}
    assert abs(again["after"] - 1) < 1e-4, (name, again)
    nll = {t["of"]: float(t["nll"]) for t in tsv("again.tsv") if t["scope"] == "pooled"}
    assert abs(nll["top_label" if classes else "foreground_mean"] - got["after"]["nll"]) < 1e-6, (name, nll, got)
print("note: largest differences from numpy: temperature %.1g, loss %.1g, ece %.1g" % tuple(worst))

# temper is softmax(z / T) and sigmoid(logit / T) on all layers of probabilities, and touches nothing else
p5, _ = random_case(r, (3, 8, 9), 5)
p5[:, 0, 0, :2] = [[1, 0], [0, 0], [0, 1], [0, 0], [0, 0]]
pr, _ = random_case(r, (2, 8, 9))
pr[:, 0, 0, :3] = [[0, 1, 1e-30], [1, 0, 0.5], [0.25, 1, 1]]
other = ({"kind": "strange"}, r.random((2, 3, 8, 9)).astype("<f4"))
softmax = {"kind": "probs", "activation": "softmax"}
frames = [{"case": "members", "labels": NAMES[5], "slab": 1, "layers": [member(p5, "a", 1, 2), other, member(p5[::-1].copy(), "b", 2, 2)], "key": 3},
          frame("mean", p5), frame("regions", pr, regions=True), {"case": "none", "slab": 3, "layers": [other]}]
save("in.frames", frames)
for t in 0.3, 1, 1.7, 20:
    run(f"temper -t {t} < in.frames > out.frames")
    for want, got in zip(read("in.frames"), read("out.frames")):
        assert {k for k in got} == {k for k in want} and got.get("key") == want.get("key")
        for kind in want["data"]:
            for (mw, w), (mg, g) in zip(want["data"][kind], got["data"][kind]):
                assert mg == ({**mw, "temperature": t} if kind == "probs" else mw), (mg, mw)
                if kind != "probs" or t == 1:
                    assert w.tobytes() == g.tobytes(), (t, want["case"], kind)
                    continue
                q = tempered(w.astype(float), t, mw["activation"] == "sigmoid")
                assert (abs(g - q) <= np.spacing(q.astype("<f4"))).all(), (t, want["case"], abs(g - q).max())
                assert (g[w == 0] == 0).all() and (g[w == 1] == 1).all()
run("temper -t 2 < in.frames | temper -t 3 > twice.frames")
assert [m["temperature"] for m, _ in read("twice.frames")[0]["data"]["probs"]] == [6, 6]

# No best temperature: all right at once (an end is taken), sure of everything (1 is taken), nothing to look at
right = np.array([0.75, 0.25], "<f4")[:, None, None, None].repeat(9, 3)
for name, p, y, t, err in (("right", right, np.zeros((1, 1, 9), int), 0.25, "outside 0.25 to 8"), ("wrong", right, np.ones((1, 1, 9), int), 8, "outside 0.25 to 8"),
                           ("certain", np.stack([np.ones((1, 2, 2)), np.zeros((1, 2, 2))]), np.eye(2, dtype=int)[None], 1, "as good as any other"),
                           ("one", right[..., :1], np.ones((1, 1, 1), int), 8, "outside 0.25 to 8")):
    reference(f"refs_{name}", name, y)
    got = fit(name, [frame(name, p)], err=err)
    assert abs(got["after"]["temperature"] - t) < 1e-12, (name, got)
    run(f"temper -f {name}.fit < {name}.frames > /dev/null")
reference("refs_ignored", "ignored", np.full((1, 1, 9), 2))
got = fit("ignored", [frame("ignored", right, ignore=2)], err="as good as any other")
assert math.isnan(got["after"]["nll"]) and got["after"]["temperature"] == 1

# Refusals
for text in "", "state\ttemperature\nbefore\t2\n", "state\ttemperature\nafter\tnan\n", "state\ttemperature\nafter\t-1\n", "state\nafter\n", "state\ttemperature\nafter\twarm\n":
    open("bad.fit", "w").write(text)
    assert "bad.fit" in run("temper -f bad.fit < in.frames > out.frames", 3), text
assert "either" in run("temper < in.frames > out.frames", 2) and "either" in run("temper -t 1 -f two.fit < in.frames > out.frames", 2)
bad = p5.copy()
bad[2, 1, 3, 3] = np.nan
save("bad.frames", [frame("good", p5), frame("bad", bad), frame("last", p5)])
assert "bad: its probabilities hold a value that is not in 0 to 1" in run("temper -t 2 < bad.frames > out.frames", 3)
run("temper -k -t 2 < bad.frames > out.frames", 3)
assert [("failed" in f["closing"], f["case"]) for f in read("out.frames")] == [(False, "good"), (True, "bad"), (False, "last")]
half = {**frame("half", p5), "layers": [(softmax, p5.astype("<f2"))]}
save("half.frames", [half])
assert "half: its probabilities are of type <f2" in run("temper -t 2 < half.frames > out.frames", 3)

"""calibrate: every measure, pooled, as mean of cases and of each case, against numpy; the reliability table."""
from brute import *

r = np.random.default_rng(5)


def cropped(p, regions=False):
    p = p.copy()
    p[..., :2] = 0
    if not regions:
        p[0, ..., :2] = 1
    return p


def const(values, shape):
    return np.broadcast_to(np.array(values, "<f4")[:, None, None, None], (len(values), *shape)).copy()


def sets():
    two = {"picture": random_case(r, (1, 31, 40), 2), "volume": random_case(r, (5, 12, 11), 2, sharp=3), "sure": random_case(r, (1, 20, 20), 2, spread=60)}
    p, y = random_case(r, (2, 20, 10), 2)
    two["cropped"] = cropped(p), y
    two["one_voxel"] = const([0.25, 0.75], (1, 1, 1)), np.ones((1, 1, 1), int)
    two["ties"] = const([0.5, 0.5], (1, 6, 7)), r.integers(0, 2, (1, 6, 7))
    two["few_values"] = (lambda q: (np.stack([q, 1 - q]), r.integers(0, 2, (1, 30, 30))))(r.choice(np.array([0, 0.25, 0.375, 2 / 3, 1], "<f4"), (1, 30, 30)))
    two["absent"] = const([1, 0], (1, 5, 5)), np.zeros((1, 5, 5), int)
    two["over"] = const([np.nextafter(np.float32(1), np.float32(2)), 1e-30], (1, 3, 3)), np.zeros((1, 3, 3), int)
    yield "two", two, NAMES[2], None, False
    five = {"picture": random_case(r, (1, 40, 40), 5), "volume": random_case(r, (4, 16, 15), 5, sharp=2.5)}
    p, y = random_case(r, (3, 9, 9), 5)
    five["ignored"] = p, np.where(r.random(y.shape) < 0.3, 5, y)
    five["all_ignored"] = p[:, :1], np.full((1, 9, 9), 5)
    p, y = random_case(r, (1, 30, 30), 5)
    five["no_c4"] = p, np.minimum(y, 3)
    yield "five", five, NAMES[5], 5, False
    regions = {"picture": random_case(r, (1, 40, 30)), "volume": random_case(r, (4, 13, 15), sharp=2)}
    p, y = random_case(r, (2, 9, 9))
    regions["cropped"] = cropped(p, True), y
    regions["ignored"] = p, np.where(r.random(y.shape) < 0.3, 4, y)
    yield "regions", regions, None, 4, True


def compare(got, want, what):
    assert int(got["voxels"]) == want["voxels"] and int(got["zeros"]) == want["zeros"], (what, got, want)
    for m in MEASURES:
        v, w = float(got[m]), float(want[m])
        if math.isnan(w):
            assert math.isnan(v), (what, m, v)
            continue
        room = float(got["ace_adaptive_error"]) if m == "ace_adaptive" else 0
        worst[m] = max(worst.get(m, 0), abs(v - w))
        assert abs(v - w) <= room + 1e-12 * max(1, w), (what, m, v, w, room)
        assert (room < 0.03 or what[1] > 15) and (what[2] not in ("ties", "few_values", "absent") or room == 0), (what, room)


worst, n = {}, 0
for label, cases, names, ignore, regions in sets():
    folder = f"refs_{label}"
    for name, (p, y) in cases.items():
        reference(folder, name, y)
    save(f"{label}.frames", [frame(name, p, ignore, regions, slab=2) for name, (p, y) in cases.items()])
    for bins, foreground in [(15, False), (15, True)] + [(7, False), (1, True), (1000, False)] * (label == "two"):
        run(f"calibrate -r {folder} --bins {bins} {'--foreground' if foreground else ''} --per-case --reliability rel.tsv < {label}.frames > out.tsv")
        got = {(g["scope"], g["case"], g["of"], g["name"]): g for g in tsv("out.tsv")}
        each = {name: rows(p, y, bins, names, ignore, foreground, regions) for name, (p, y) in cases.items()}
        joined = np.concatenate([p.reshape(len(p), -1) for p, y in cases.values()], 1)[:, None, None], np.concatenate([y.ravel() for p, y in cases.values()])[None, None]
        pooled = rows(*joined, bins, names, ignore, foreground, regions)
        assert len(got) == len(pooled) * (2 + len(cases)), (label, len(got))
        for key, want in pooled.items():
            counted = [e[key] for e in each.values() if e[key]["voxels"]]
            compare(got[("pooled", "-", *key)], want, (label, bins, key))
            mean = {m: np.mean([c[m] for c in counted]) for m in MEASURES}
            compare(got[("case_mean", "-", *key)], {**mean, "voxels": want["voxels"], "zeros": want["zeros"]}, (label, bins, "case_mean", key))
            assert int(got[("pooled", "-", *key)]["cases"]) == len(counted)
            for name, e in each.items():
                compare(got[("case", name, *key)], e[key], (label, bins, name, key))
                n += 1
        p, y = chosen(*joined, ignore, foreground, REGIONS["regions_class_order"] if regions else None)
        for t in tsv("rel.tsv"):
            if t["of"] == "top_label":
                conf, event = np.minimum(p, 1).max(0), p.argmax(0) == y
            else:
                c = ["whole", "core", "tip"].index(t["name"]) if regions else list(names).index(t["name"])
                conf, event = np.minimum(p[c], 1), np.isin(y, HAS[c]) if regions else y == c
            inside = width_bins(conf, bins) == int(t["bin"]) - 1
            assert int(t["voxels"]) == inside.sum() and abs(float(t["low"]) * bins - int(t["bin"]) + 1) < 1e-8
            if inside.any():
                assert abs(float(t["confidence"]) - conf[inside].mean()) < 1e-12 and abs(float(t["frequency"]) - event[inside].mean()) < 1e-12, t
print(f"note: {n} rows of cases; largest differences: " + ", ".join(f"{m} {w:.1g}" for m, w in worst.items()))

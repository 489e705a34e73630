"""Tables for the tests of this folder."""
import os
import random
import subprocess


def write(path, header, rows):
    with open(path, "w") as f:
        f.write("\t".join(header) + "\n" + "".join("\t".join(str(c) for c in row) + "\n" for row in rows))


def run(command, expect=0):
    """A shell command; its standard output and error."""
    r = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert r.returncode == expect, f"{command}: status {r.returncode} where {expect} is expected: {r.stderr}"
    assert expect == 0 or r.stderr.count("\n") == 1, r.stderr
    return r.stdout, r.stderr


def table(text):
    """Rows of a TSV as dicts."""
    lines = [line.split("\t") for line in text.splitlines()]
    assert all(len(line) == len(lines[0]) for line in lines), text
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def cohort(patients, each, seed=1, digits=3):
    """case, dice, entropy (uncertainty), pairwise_dice (confidence), t_test (noise): scores with ties."""
    r = random.Random(seed)
    rows = []
    for p in range(patients):
        quality = r.gauss(0, 1)
        for k in range(each):
            q = quality + r.gauss(0, 1)
            rows.append([f"p{p:02}_{k}", round(min(max(0.8 + 0.1 * q, 0), 1), digits), round(5 - q + r.gauss(0, 1), 1),
                         round(min(max(0.7 + 0.1 * (q + r.gauss(0, 0.5)), 0), 1), 2), round(r.random(), 2)])
    return ["case", "dice", "entropy", "pairwise_dice", "t_test"], rows


def shuffled(rows, seed):
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows

"""correlate against correlations counted pair by pair, with ties, odd cells and damaged tables."""
from lib import *

r = np.random.default_rng(5)


def pearson(x, y):
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())


def ranks(x):
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def kendall(x, y):
    """tau-b by all pairs."""
    s = tx = ty = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            s, tx, ty = s + a * b, tx + (a != 0), ty + (b != 0)
    return s / math.sqrt(tx * ty)


def check(n, levels):
    x = r.integers(0, levels, n) / 4 if levels else r.normal(0, 1, n)
    y = np.round(0.5 * x + r.normal(0, 1, n), 1 if levels else 6)
    with open("t.tsv", "w") as f:
        f.write("case\tdice\tscore\tflags\n" + "".join(f"c{i}\t{b!r}\t{a!r}\t-\n" for i, (a, b) in enumerate(zip(x.tolist(), y.tolist()))))
    run("correlate t.tsv > out.tsv")
    got = table("out.tsv")
    assert list(got) == ["score"]
    slope = pearson(x, y) * y.std() / x.std()
    for column, value in (("n", n), ("dropped", 0), ("pearson", pearson(x, y)), ("spearman", pearson(ranks(x), ranks(y))), ("kendall", kendall(x, y)),
                          ("slope", slope), ("intercept", y.mean() - slope * x.mean()), ("r2", pearson(x, y) ** 2)):
        close(got["score"][column], value, 2e-8, f"n={n} levels={levels} {column}")


for n, levels in ((2, 0), (3, 0), (7, 3), (50, 0), (50, 4), (64, 2), (101, 30), (200, 7)):
    check(n, levels)


# Intervals are those of the table of figures; their columns come last.
run("correlate -x score -m pearson,spearman,kendall t.tsv > figures.tsv")
figures = [line.rstrip("\n").split("\t") for line in open("figures.tsv")][1:]
head, row = [line.rstrip("\n").split("\t") for line in open("out.tsv")]
assert head[9:] == [f"{f[1]}_{end}" for f in figures for end in ("low", "high")] + ["clusters", "note"], head
assert row[9:15] == [x for f in figures for x in f[4:6]] and row[15:] == ["200", "-"], (row, figures)
assert all(float(row[9 + 2 * i]) < float(row[3 + i]) < float(row[10 + 2 * i]) for i in range(3)), row


def one(text, options="", status=0):
    open("t.tsv", "w", newline="").write(text)
    said = run(f"correlate {options} < t.tsv > out.tsv", status)
    return said, "".join("\t".join(line.split("\t")[:9]) + "\n" for line in open("out.tsv").read().splitlines())     # without intervals


HEAD = "score\tn\tdropped\tpearson\tspearman\tkendall\tslope\tintercept\tr2\n"
# rows that are not finite are dropped and counted; other ends of lines; no last newline
said, out = one("case\tdice\ta\r\np\t1\t1\r\nq\t2\t2\r\nr\tnan\t3\r\ns\t3\tinf\r\nt\t3\tNA\r\nu\t4\t\r\nv\t3\t-\r\nw\t3\t3")
assert out == HEAD + "a\t3\t5\t1\t1\t1\t1\t0\t1\n" and not said, out
# a constant has no correlation, which is said
said, out = one("case\tdice\ta\tb\np\t1\t7\t1\nq\t2\t7\t4\n")
assert out == HEAD + "a\t2\t0" + "\tnan" * 6 + "\nb\t2\t0\t1\t1\t1\t0.333333333\t0.666666667\t1\n" and "a is the same in all 2 rows" in said, out
said, out = one("case\tdice\ta\np\t0.1\t1\nq\t0.1\t2\nr\t0.1\t4\n")
assert out == HEAD + "a\t3\t0\tnan\tnan\tnan\t0\t0.1\tnan\n" and "dice is the same" in said, out
said, out = one("case\tdice\ta\np\t1\tinf\nq\tnan\t2\n")
assert out == HEAD + "a\t0\t2" + "\tnan" * 6 + "\n" and "0 of 2 rows" in said
# what is compared
text = "case\tdice\tdice:LV\tmembers\tx\ty\tflags\np\t1\t1\t3\t1\t2\tempty\nq\t2\t2\t3\t4\t3\t-\nr\t3\t2\t3\t5\t1\t-\n"
assert [line.split("\t")[0] for line in one(text)[1].split("\n")[1:-1]] == ["x", "y"]
assert [line.split("\t")[0] for line in one(text, "-y y")[1].split("\n")[1:-1]] == ["x"]
assert [line.split("\t")[0] for line in one(text, "-x y,dice:LV")[1].split("\n")[1:-1]] == ["y", "dice:LV"]
# mistakes are told with the line
for words, text, options in (
        ("standard input, line 3, column a: 'b' is not a number", "case\tdice\ta\np\t1\t1\nq\t2\tb\n", ""),
        ("standard input, line 2, column a: '1 ' is not a number", "case\tdice\ta\np\t1\t1 \nq\t2\t2\n", ""),
        ("standard input, line 3: there are 2 cells where line 1 has 3", "case\tdice\ta\np\t1\t1\nq\t2\n", ""),
        ("standard input, line 2: there are 4 cells where line 1 has 3", "case\tdice\ta\np\t1\t1\t1\n", ""),
        ("standard input, line 3: there are 1 cells where line 1 has 3", "case\tdice\ta\np\t1\t1\n\nq\t2\t2\n", ""),
        ("standard input, line 1: two columns are called a", "case\ta\ta\n", ""),
        ("standard input, line 1: column 2 has no name", "case\t\ta\n", ""),
        ("standard input is empty", "", ""),
        ("standard input has a line of names but no cases", "case\tdice\ta\n", ""),
        ("standard input has no column dice; score -r makes it", "case\ta\np\t1\n", ""),
        ("standard input has no column z", "case\tdice\ta\np\t1\t1\n", "-x z"),
        ("no cell of column case is a number", "case\tdice\ta\np\t1\t1\n", "-x case"),
        ("holds a zero byte", "case\tdice\ta\np\t1\t\0\n", "")):
    said, out = one(text, options, 3)
    assert words in said and said.count("\n") == 1 and out in ("", HEAD), (words, said, out)
assert "nowhere.tsv" in run("correlate nowhere.tsv", 4)
run("correlate a b", 2)
one("case\tdice\ta\np\t1\t1\nq\t2\t2\n")
run("correlate t.tsv > /dev/full", 4)

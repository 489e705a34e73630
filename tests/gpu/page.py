"""The page of what check-gpu and bench-gpu have measured, and of what they have not."""

HEAD = """# Qualm on a GPU

Made by `make -k check-gpu bench-gpu` from [results.tsv](results.tsv). On a machine that has no more than the sources, a GPU and its
driver: `make gpu-bundle` where everything can be built, the folder `build/gpu-bundle` carried over to the same place, and the same
command there; it takes less than nine minutes. cuDNN 9.15 or later has to be there, of CUDA's toolkit or of a Python package; PyTorch,
if it is there, runs in turn on the same weights.
"""
NOTHING = """Nothing has been measured on a GPU yet. What can be told without one is tested by `make check` (kernels, steps, buffers, plans of
convolutions for described GPUs, whole networks on an imitated device); agreement on a real card and every speed are not known.
"""


def cells(*row):
    return "| " + " | ".join(str(c) for c in row) + " |"


def heading(*names):
    return [cells(*names), cells(*["---"] * len(names))]


def digits(x, n=3):
    return "-" if x is None else f"{x:.{n}g}" if abs(x) < 10 ** n else f"{x:.0f}"


def ratio(r, part, subject, names):
    """How many times as long the fastest of the others takes."""
    ours = r.number(part, subject, "qualm", "median")
    times = [t for t in (r.number(part, subject, n, "median") for n in names) if t]
    return min(times) / ours if ours and times else None


def statements(r):
    """(what is stated, least, measured or None)"""
    def of(part, begin, names):
        return next((ratio(r, part, s, names) for s in r.subjects(part) if s.startswith(begin)), None)

    def outcome(*names):
        found = [r.get("checks", n, "test", "outcome") for n in names if r.get("machine", "here", "is", "gpu") != "none"] or [""]
        return None if any(not f or f.startswith("not run") for f in found) else "passed" if set(found) == {"passed"} else "FAILED"

    others = ("channels-last", "graph", "compile", "autocast")
    share = next((r.number("forward", s, "network", "floor_ms") / r.number("forward", s, "qualm", "median") for s in r.subjects("forward")
                  if s.startswith("3D 128") and r.number("forward", s, "network", "floor_ms") and r.number("forward", s, "qualm", "median")), None)
    return [("goldens in fp32 as on the processor; fp16, tf32 and bf16 within their rounding", "", outcome("logits")),
            ("trained models: labels in fp16 at least 99.9 % those in fp32, Dice at least 0.999", "", outcome("precisions")),
            ("the same numbers in any company and on every run", "", outcome("same")),
            ("too little memory is said, with how much is needed", "", outcome("too-large")),
            ("own kernels: right on the card, no fault of memory, no race", "", outcome("on-device", "sanitizer")),
            ("3D 128^3: PyTorch with autocast and cudnn.benchmark takes times as long", 2.5, of("forward", "3D 128", ("autocast",))),
            ("3D 128^3: the fastest PyTorch takes times as long", 1.6, of("forward", "3D 128", others)),
            ("2D volumes: nnU-Net's loop over slices takes times as long", 20, of("volumes", "2D 160", ("nnunetv2", "loop"))),
            ("512x512x300, 3 classes, mirrored, volume in and labels out: nnU-Net's predictor takes times as long", 3,
             of("volumes", "3D 128", ("nnunetv2", "loop"))),
            ("3D 128^3: share of the floor at which each convolution reads and writes once", "", share)]


def short(r):
    lines = heading("statement", "aimed at", "measured")
    for what, least, value in statements(r):
        missed = value == "FAILED" or (least and value is not None and value < least)
        text = "not measured" if value is None else value if isinstance(value, str) else digits(value)
        lines.append(cells(what, least, f"**{text}**" if missed else text))
    return [*lines, ""]


def machine(r):
    facts = {m: r.get("machine", "here", "is", m) for m in ("date", "revision", "gpu", "cudnn", "torch", "nnunetv2", "processors",
                                                           "peak_tflops", "copy_tbs")}
    names = {"gpu": "GPU, driver, memory, clock, capability", "cudnn": "cuDNN", "torch": "PyTorch", "nnunetv2": "nnU-Net",
             "peak_tflops": "product of 8192x8192 in half precision, TFLOP/s", "copy_tbs": "copy, TB/s read and written"}
    return ["## Machine", "", *heading("what", "here"), *[cells(names.get(k, k), v) for k, v in facts.items() if v], ""]


def checks(r):
    return ["## Checks", "", *heading("test", "outcome", "notes"),
            *[cells(r.get("checks", n, "run", "about"), r.get("checks", n, "test", "outcome"), r.get("checks", n, "test", "notes"))
              for n in r.subjects("checks")], ""]


def sides(r, part, unit):
    lines = []
    for s in r.subjects(part):
        names = [v for v in r.variants(part, s) if v != "network"]
        lines += [f"{s} ({r.get(part, s, 'run', 'about')})", "", *heading("side", unit, "least to most", "rounds", "ratio")]
        for v in names:
            failed = r.get(part, s, v, "failed")
            number = lambda m: r.number(part, s, v, m)  # noqa: E731
            span = "-" if number("least") is None else f"{digits(number('least'))} to {digits(number('most'))}"
            lines.append(cells(v, digits(number("median")), failed or span, r.get(part, s, v, "rounds"), digits(ratio(r, part, s, [v]))))
        lines.append("")
        more = {"GFLOP of an image": r.number(part, s, "network", "gflop"), "ms at the floor": r.number(part, s, "network", "floor_ms"),
                "with norms apart": r.number(part, s, "network", "floor_apart_ms")}
        equal = next((r.number(part, s, v, "label_agreement") for v in names if r.get(part, s, v, "label_agreement")), None)
        if equal is not None:
            more["share of equal labels"] = equal
        if any(v is not None for v in more.values()):
            lines += ["; ".join(f"{k}: {digits(v, 6 if 'share' in k else 3)}" for k, v in more.items() if v is not None) + ".", ""]
    return lines


def forward(r):
    return ["## Passes", "", "Milliseconds of one image (a window in one mirrored position). Qualm's hold gathering windows, the softmax's sums and Gaussian",
            "weights, in batches of its own size; PyTorch's the network alone, in batches of 2 (3D) and 64 (2D), each way with autocast to fp16 and",
            "`cudnn.benchmark`. At the floor each convolution reads its input and writes its output once, at the rates measured on this card.", "",
            *sides(r, "forward", "ms an image")]


def volumes(r):
    return ["## Volumes", "", "Seconds from a volume in the host's memory to its labels there; Qualm's through two pipes. `nnunetv2` is nnU-Net's predictor; `loop` a",
            "sliding window of this project in PyTorch that does what nnU-Net's does (one window after the other, mirrors one after the other,",
            "autocast, sums in half precision on the card), where nnU-Net itself is not installed.", "", *sides(r, "volumes", "s")]


def layers(r):
    lines = ["## Convolutions", "", "Each different one of a batch, when its plan was chosen. The share is that of the floor: its operations at the rate of a product",
             "of matrices, or its input, output and weights once at the rate of a copy, whichever takes longer.", ""]
    for s in r.subjects("layers"):
        lines += [s, "", *heading("shape", "us", "TFLOP/s", "TB/s", "share", "engine", "tensor cores", "workspace, bytes")]
        for v in r.variants("layers", s):
            share = r.number("layers", s, v, "share")
            lines.append(cells(v, *(digits(r.number("layers", s, v, m)) for m in ("us", "tflops", "tbs")),
                               "-" if share is None else f"{100 * share:.0f} %", *(r.get("layers", s, v, m) for m in ("engine", "tensor_cores", "workspace"))))
        lines.append("")
    return lines


def write(r, path):
    lines = [*HEAD.split("\n"), *([] if r.row else NOTHING.split("\n")), *short(r)]
    for part, section in (("machine", machine), ("checks", checks), ("forward", forward), ("volumes", volumes), ("layers", layers)):
        if r.subjects(part):
            lines += section(r)
    with open(path, "w") as f:
        f.write("\n".join(lines).rstrip("\n") + "\n")

"""usage: bench.py --build=DIR --results=DIR --torch=PYTHON|'' --parts=forward,volumes,layers --seconds=N --device=cuda|cpu|imitated
Speed on a GPU turn about with PyTorch's, see scripts/bench-gpu.  What is there after each part is kept; a side that is not ready in time
or ends is left out by name.  With another device than cuda everything is small: a rehearsal, of which no figure means anything."""
import argparse
import concurrent.futures
import os
import queue
import statistics
import subprocess
import sys
import threading
import time

import msgpack
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import page  # noqa: E402
import results as table  # noqa: E402

ROUNDS = 7
# name: patch, features, batch of the other side, volume [z, y, x]
NETWORKS = {"3D 128x128x128, 32 to 320": ((128, 128, 128), (32, 64, 128, 256, 320, 320), 2, (300, 512, 512)),
            "2D 160x160, 32 to 512": ((160, 160), (32, 64, 128, 256, 512, 512), 64, (64, 320, 320))}
SMALL = {"3D 16x16x16, 4 to 8": ((16, 16, 16), (4, 8), 2, (20, 24, 24)), "2D 16x16, 4 to 8": ((16, 16), (4, 8), 4, (3, 24, 24))}
VARIANTS = ("autocast", "channels-last", "graph", "compile")


def say(*words):
    print("bench-gpu:", *words, file=sys.stderr, flush=True)


class Side:
    """A program that answers each line with a line."""

    def __init__(self, name, command, log):
        self.name, self.log, self.times = name, log, []
        with open(log, "w") as f:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.split("\t"))
        self.lines.put(None)

    def answer(self, seconds):
        try:
            line = self.lines.get(timeout=max(seconds, 0.1))
        except queue.Empty:
            raise ChildProcessError(f"{self.name}: no answer in {seconds:.0f} s") from None
        if line is None:
            with open(self.log, errors="replace") as f:
                raise ChildProcessError(f"{self.name} ended: {f.read().strip()[-600:]}")
        return line

    def ask(self, line, seconds):
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass                        # answer() says why
        self.times.append(float(self.answer(seconds)[0]))
        return self.times[-1]

    def close(self):
        self.process.kill()
        self.process.wait()


class Available:
    """What has come, where read(n) of a pipe would wait for n bytes."""

    def __init__(self, pipe):
        self.read = pipe.read1


class Program(Side):
    """infer-checkpoint, to which a volume goes through a pipe and whose labels come back through one."""

    def __init__(self, o, name, model, shape, log):
        self.name, self.log, self.times, self.shape, self.count = name, log, [], shape, 0
        head = network_head(o, model, shape)
        self.head = {**head, "shape": list(shape), "slab": [1, shape[1]]}
        with open(log, "w") as f:
            self.process = subprocess.Popen([f"{o.build}/bin/infer-checkpoint", "-d", o.backend, *o.precision, "--emit", "label", "-m", model,
                                             f"{model}/fold_0/checkpoint_1.pth"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f)
        self.stream = msgpack.Unpacker(Available(self.process.stdout), max_buffer_size=1 << 31, read_size=1 << 20)
        self.write([msgpack.packb({"qualm": 1, "history": ["bench.py"]})])

    def write(self, pieces):
        try:
            for p in pieces:
                self.process.stdin.write(p)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def send(self, planes):
        head = {**self.head, "case": f"volume_{self.count}"}
        self.count += 1
        self.write([msgpack.packb(head), *planes, msgpack.packb({})])

    def receive(self):
        """The labels [z, y, x] of the next frame."""
        for head in self.stream:
            if "case" in head:
                break
        else:
            with open(self.log, errors="replace") as f:
                raise ChildProcessError(f"{self.name} ended: {f.read().strip()[-600:]}")
        if "failed" in head:
            raise ChildProcessError(f"{self.name}: {head['failed']}")
        z, dz = head["shape"][0], head["slab"][0]
        dy, y = head["slab"][1], head["shape"][1]
        parts = [next(self.stream) for _ in range(-(-z // dz) * -(-y // dy))]
        next(self.stream)
        return numpy.frombuffer(b"".join(parts), head["layers"][0]["type"]).reshape(head["shape"])

    def run(self, planes, seconds):
        """Seconds from the first byte to the last label, and the labels."""
        begin = time.perf_counter()
        writer = threading.Thread(target=self.send, args=(planes,), daemon=True)
        writer.start()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            got = pool.submit(self.receive)
            try:
                labels = got.result(max(seconds, 0.1))
            except concurrent.futures.TimeoutError:
                self.process.kill()
                raise ChildProcessError(f"{self.name}: no labels in {seconds:.0f} s") from None
        self.times.append(time.perf_counter() - begin)
        return labels


def write_frame(path, head, image):
    with open(path, "wb") as f:
        f.write(msgpack.packb({"qualm": 1, "history": ["bench.py"]}))
        f.write(msgpack.packb({**head, "shape": list(image.shape), "spacing_mm": [1.0] * 3, "slab": [1, image.shape[1]],
                               "layers": [{"kind": "image", "type": "<f4", "channels": 1}]}))
        for plane in image:
            f.write(msgpack.packb(plane.tobytes()))
        f.write(msgpack.packb({}) + msgpack.packb({"end": True, "frames": 1, "failed": 0}))


def network_head(o, model, shape):
    """What normalize says of an image, for a volume that is on the network's grid already."""
    small = numpy.random.default_rng(1).random((2, 24, 24)).astype("<f4")
    write_frame(f"{o.work}/small.frames", {"case": "small", "geometry": {"format": "nifti"}}, small)
    with open(f"{o.work}/small.frames", "rb") as f:
        out = subprocess.run([f"{o.build}/bin/normalize", model], stdin=f, stdout=subprocess.PIPE, check=True).stdout
    stream = msgpack.Unpacker(max_buffer_size=1 << 28)
    stream.feed(out)
    next(stream)
    head = next(stream)
    spacing = [1.0, 1.0, 1.0]
    grids = {"original": list(shape), "spacing_mm": spacing, "transpose_forward": [0, 1, 2], "flip": [0, 0, 0], "crop_lo": [0, 0, 0],
             "crop_hi": list(shape), "shape": list(shape), "network_spacing_mm": spacing}
    return {"labels": head["labels"], "plan": head["plan"], "spacing_mm": spacing, "geometry": {"format": "nifti", "network": grids},
            "layers": [{"kind": "image", "type": "<f4", "channels": 1}]}


def make_model(o, name, patch, features):
    folder = f"{o.work}/{name.split(',')[0].replace(' ', '-')}"
    subprocess.run([sys.executable, f"{HERE}/../network/model.py", folder, "patch=" + ",".join(map(str, patch)),
                    "features=" + ",".join(map(str, features)), "convs=2", "classes=3"], check=True)
    return folder


def convolutions(patch, features):
    """(c_in, c_out, voxels in, voxels out, taps) of each convolution of an image."""
    dims, n = len(patch), len(features)
    size = [int(numpy.prod([-(-p // 2 ** s) for p in patch])) for s in range(n)]
    for s, f in enumerate(features):
        yield (features[s - 1] if s else 1, f, size[max(s - 1, 0)], size[s], 3 ** dims)
        yield (f, f, size[s], size[s], 3 ** dims)
    for s in reversed(range(n - 1)):
        yield (features[s + 1], features[s], size[s + 1], size[s], 1)
        yield (2 * features[s], features[s], size[s], size[s], 3 ** dims)
        yield (features[s], features[s], size[s], size[s], 3 ** dims)
    yield (features[0], 3, size[0], size[0], 1)


def floors(patch, features, peak, copy):
    """Milliseconds of an image at peak (FLOP/s) and copy (byte/s), in half precision: each convolution reads and writes once, and with
    norms apart, which read twice more and write once more."""
    fused = apart = 0
    for c_in, c_out, n_in, n_out, taps in convolutions(patch, features):
        fused += max(2 * c_in * c_out * n_out * taps / peak, 2 * (c_in * n_in + c_out * n_out) / copy)
        apart += 3 * 2 * c_out * n_out / copy if taps > 1 else 0
    return 1e3 * fused, 1e3 * (fused + apart)


def measured_peak(o, r):
    """FLOP/s and byte/s: of this card where PyTorch is there to ask, else None."""
    if not o.torch:
        return None
    try:
        out = subprocess.run([o.torch, f"{HERE}/peer-torch.py", "peak", o.peer], capture_output=True, text=True, check=True, timeout=60).stdout
    except subprocess.SubprocessError as e:
        say("peak:", getattr(e, "stderr", "") or e)
        return None
    peak, copy = (1e12 * float(x) for x in out.split())
    r.add("machine", "here", "is", peak_tflops=peak * 1e-12, copy_tbs=copy * 1e-12)
    return peak, copy


def add_times(r, part, subject, name, times, **more):
    r.add(part, subject, name, median=statistics.median(times), least=min(times), most=max(times), rounds=len(times), **more)


def open_forward(o, name, model, batch):
    """(name of network, sides): all start at once."""
    log = f"{o.work}/{os.path.basename(model)}"
    sides = [Side("qualm", [f"{o.build}/tests/bench/passes", "-v", "-d", o.backend, *(o.precision or ["--precision", "fp32"]),
                            f"{model}/fold_0/checkpoint_1.pth"], f"{log}.qualm")]
    for v in VARIANTS if o.torch else ():
        if not (v == "graph" and o.peer == "cpu"):
            sides.append(Side(v, [o.torch, f"{HERE}/peer-torch.py", "forward", v, o.peer, model, str(batch)], f"{log}.{v}"))
    return sides


def forward(o, r):
    subjects = {name: open_forward(o, name, o.model[name], n[2]) for name, n in o.networks.items()}
    limit = time.monotonic() + (0.45 if "volumes" in o.parts else 0.8) * o.seconds
    peak = None
    for name, sides in subjects.items():
        ready = []
        r.begin("forward", name, o.about)
        for side in sides:
            try:
                first = side.answer(limit - time.monotonic())
                ready.append(side)
                r.add("forward", name, side.name, setup_s=float(first[1]), batch=int(first[2]) if side.name == "qualm" else o.networks[name][2])
                if side.name == "qualm":
                    r.add("forward", name, "network", gflop=float(first[3]))
            except ChildProcessError as e:
                say(name, e)
                r.add("forward", name, side.name, failed=str(e).replace("\n", " ").replace("\t", " ")[:300])
        subjects[name] = ready
    for sides in subjects.values():
        for side in sides:
            side.ask(0.2, 60)           # clocks rise
            side.times.clear()
    peak = measured_peak(o, r)
    for name, sides in subjects.items():
        for _ in range(ROUNDS):
            for side in sides:
                side.ask(0.3 if o.peer == "cuda" else 0.02, 60)
        for side in sides:
            add_times(r, "forward", name, side.name, side.times)
            side.close()
        if peak:
            fused, apart = floors(*o.networks[name][:2], *peak)
            r.add("forward", name, "network", floor_ms=fused, floor_apart_ms=apart)
        o.save(r)


def make_volume(shape):
    """Blocks of a few shades and noise, of mean 0 and variance about 1: what normalize gives."""
    g = numpy.random.default_rng(2)
    blocks = g.standard_normal([-(-n // 16) for n in shape]).astype("<f4")
    v = blocks.repeat(16, 0)[:shape[0]].repeat(16, 1)[:, :shape[1]].repeat(16, 2)[:, :, :shape[2]]
    return v + 0.3 * g.standard_normal(shape, dtype="f4")


def way_of(o):
    if o.torch and not subprocess.run([o.torch, "-c", "import nnunetv2"], capture_output=True).returncode:
        return "nnunetv2"
    return "loop"


def volume(o, r, name, limit):
    model, shape, way = o.model[name], o.networks[name][3], way_of(o)
    subject = f"{name}, volume of {'x'.join(map(str, reversed(shape)))}"
    data = make_volume(shape)
    numpy.save(f"{o.work}/volume.npy", data[None])
    planes = [msgpack.packb(p.tobytes()) for p in data]
    r.begin("volumes", subject, o.about)
    ours = Program(o, "qualm", model, shape, f"{o.work}/volume.qualm")
    sides = [ours]
    if o.torch:
        theirs = Side(way, [o.torch, f"{HERE}/peer-torch.py", "volume", way, o.peer, model, f"{o.work}/volume.npy", f"{o.work}/labels.npy"],
                      f"{o.work}/volume.{way}")
        try:
            theirs.answer(min(90, limit - time.monotonic()))
            sides.append(theirs)
        except ChildProcessError as e:
            say(e)
            r.add("volumes", subject, way, failed=str(e).replace("\n", " ").replace("\t", " ")[:300])
    try:
        labels = ours.run(planes, limit - time.monotonic())     # opens and chooses plans
        r.add("volumes", subject, "qualm", first_s=ours.times.pop())
        for i in range(ROUNDS):
            begin = time.monotonic()
            ours.run(planes, limit - begin)
            if len(sides) > 1:
                theirs.ask("volume", limit - time.monotonic() + 60)
            if time.monotonic() + 1.1 * (time.monotonic() - begin) > limit:
                break
    except ChildProcessError as e:
        say(e)
        r.add("volumes", subject, "qualm", failed=str(e).replace("\n", " ").replace("\t", " ")[:300])
    for side in sides:
        if side.times:
            add_times(r, "volumes", subject, side.name, side.times)
    if len(sides) > 1 and theirs.times and ours.times:
        r.add("volumes", subject, way, label_agreement=float((numpy.load(f"{o.work}/labels.npy") == labels).mean()))
    for side in sides:
        side.close()
    o.save(r)


def volumes(o, r):
    end = o.begin + o.seconds - (15 if "layers" in o.parts else 0)
    names = list(o.networks)
    volume(o, r, names[1], min(end, time.monotonic() + 0.3 * (end - time.monotonic())))
    volume(o, r, names[0], end)


def layers(o, r):
    """Of the report of plans that the backend gives with -v."""
    for name, (patch, features, *_) in o.networks.items():
        log = f"{o.work}/{os.path.basename(o.model[name])}.layers"
        side = Side("qualm", [f"{o.build}/tests/bench/passes", "-v", "-d", o.backend, *(o.precision or ["--precision", "fp32"]),
                              f"{o.model[name]}/fold_0/checkpoint_1.pth"], log)
        try:
            side.answer(60)
        except ChildProcessError as e:
            say(e)
            continue
        side.close()
        with open(log, errors="replace") as f:
            rows = [line.rstrip("\n").split("\t") for line in f if line.count("\t") >= 6]
        r.begin("layers", name, o.about)
        peak, copy = r.number("machine", "here", "is", "peak_tflops"), r.number("machine", "here", "is", "copy_tbs")
        head, rows = (rows[0], rows[1:]) if rows else ([], [])
        for row in rows:
            x = dict(zip(head, row))
            us, teraflops, terabytes = (float(x[k]) for k in ("microseconds", "teraflops", "terabytes_per_second"))
            floor = max(us * teraflops / peak, us * terabytes / copy) if peak and us > 0 else 0
            r.add("layers", name, x["shape"], us=us, tflops=teraflops, tbs=terabytes, engine=x["engine"], tensor_cores=x["tensor_cores"],
                  workspace=x["workspace_bytes"], **({"share": floor / us} if floor else {}))
        o.save(r)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("build", "results", "torch", "parts", "device"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seconds", type=float, default=300)
    o = parser.parse_args()
    gpu = o.device == "cuda"
    o.begin, o.work, o.networks = time.monotonic(), os.path.abspath(f"{o.build}/../gpu-work"), NETWORKS if gpu else SMALL
    o.peer = "cuda" if gpu else "cpu"
    o.backend, o.precision = ("cpu", []) if o.device == "cpu" else ("cuda", ["--precision", "fp16"])
    o.about = time.strftime("%Y-%m-%d") + ("" if gpu else ", a rehearsal without a GPU: small networks, no figure means anything")
    os.makedirs(o.work, exist_ok=True)
    o.model = {name: make_model(o, name, *n[:2]) for name, n in o.networks.items()}
    r = table.load(f"{o.results}/results.tsv")

    def save(r):
        table.save(r, f"{o.results}/results.tsv")
        page.write(r, f"{o.results}/RESULTS.md")
    o.save, status = save, 0
    for part in o.parts.split(","):
        say(f"{part}, {time.monotonic() - o.begin:.0f} s after the start")
        try:
            {"forward": forward, "volumes": volumes, "layers": layers}[part](o, r)
        except (ChildProcessError, subprocess.SubprocessError, OSError, StopIteration) as e:
            say(f"{part}: {e}")
            status = 1
        o.save(r)
    say(f"done after {time.monotonic() - o.begin:.0f} s")
    sys.exit(status)


main()

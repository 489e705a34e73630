"""usage: peer.py PART [--build=DIR] [--work=DIR] [--peer=DIR] [--shared=DIR] [--rounds=N] [--seconds=S] [--threads=N]
                [--networks=NAME,...] [--most-gflop=N] [--jobs=WORDS] RESULTS.tsv
One part of make bench-peer: forward, jobs, layers or training.  What it measures takes the place of what RESULTS.tsv has of it.
--networks: of all parts but jobs.  --jobs: the one of this name, or those whose names hold these words.  --most-gflop: of a pass
of several patches; larger ones are measured one by one on the other side.
--peer: the environment that has PyTorch and nnU-Net; "self" lets the programs of this build stand in for them, which shows that
the measurement works."""
import argparse, os, platform, statistics, subprocess, sys, time
import numpy
import jobs, layers, training
import results as table

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULT_NETWORKS = '2d_160_32-512,2d_256_32-512,3d_64_32-320,3d_96_32-320,sunnybrook_2d,hippocampus_3d_fullres'
TUNABLES = 'glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.hugetlb=1'
# name, peer-torch.py's variant, with TUNABLES
TORCH = [('eager', 'eager', False), ('eager, malloc', 'eager', True), ('channels-last, malloc', 'channels-last', True),
         ('compile, malloc', 'compile', True), ('optimize_for_inference, malloc', 'jit', True)]


def say(*words):
    print('bench-peer:', *words, file=sys.stderr, flush=True)


class Side:
    """A program that makes passes on request (forward --serve, peer-torch.py)."""

    def __init__(self, name, command, output, log, tuned=False):
        environment = dict(os.environ, nnUNet_raw='.', nnUNet_preprocessed='.', nnUNet_results='.')
        if tuned:
            environment['GLIBC_TUNABLES'] = TUNABLES
        self.name, self.output, self.times, self.log = name, output, {}, log
        with open(log, 'w') as f:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f, text=True,
                                            env=environment)
        self.setup = float(self.answer()[1])

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            with open(self.log) as f:
                raise ChildProcessError(f'{self.name} ended: {f.read()[-2000:]}')
        return line.split()

    def run(self, patches, seconds):
        self.process.stdin.write(f'{patches} {seconds}\n')
        self.process.stdin.flush()
        self.times.setdefault(patches, []).extend(float(t) for t in self.answer())

    def close(self):
        self.process.stdin.close()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = status
        self.peak_mib = usage.ru_maxrss / 1024


def compare(a, b, outputs, voxels):
    """Of the patches that both files have: largest difference as a share of the largest logit; share of voxels whose largest
    channel is the same."""
    a, b = (numpy.fromfile(f, '<f4').reshape(-1, outputs, voxels) for f in (a, b))
    a, b = a[:len(b)], b[:len(a)]
    difference = abs(a - b).max() / abs(a).max()
    return float(difference), float((a.argmax(1) == b.argmax(1)).mean())


def network_shape(o, checkpoint):
    """Input channels, output channels, patch, GFLOP."""
    text = subprocess.run([f'{o.build}/tests/bench/forward', '--shape', checkpoint], check=True, capture_output=True, text=True).stdout
    inputs, outputs, *patch, gflop = text.split()
    return int(inputs), int(outputs), [int(n) for n in patch], float(gflop)


def find_checkpoint(o, name):
    """Of a golden model, of a network made for the purpose, or the path itself."""
    if '/' in name:
        return name
    golden = f'{o.shared}/golden/models/{name}'
    if os.path.isdir(golden):
        fold = sorted(os.listdir(golden), key=lambda f: not f.startswith('fold_'))[0]
        last = sorted((f for f in os.listdir(f'{golden}/{fold}') if f.endswith('.pth')), key=lambda f: (len(f), f))[-1]
        return f'{golden}/{fold}/{last}'
    made = f'{o.work}/models/{name}/fold_0/checkpoint_final.pth'
    if not os.path.exists(made):
        names = subprocess.run([f'{o.build}/tests/bench/forward', '--list'], check=True, capture_output=True, text=True).stdout
        subprocess.run([f'{o.peer}/bin/python', f'{HERE}/peer-networks.py', f'{o.work}/models', name], input=names, text=True,
                       check=True, stdout=sys.stderr)
    return made


def open_sides(o, checkpoint, batch, peer_batch, source):
    forward = f'{o.build}/tests/bench/forward'
    sides, missing = [], []
    for name, how in (('qualm, threads share a patch', '-j'), ('qualm, a patch a thread', '-w')):
        target, log = f'{o.work}/{name}.f32', f'{o.work}/{name}.log'
        command = [forward, '--serve', how, o.threads, '-b', str(batch), '-i', source, '-o', target, checkpoint]
        sides.append(Side(name, command, target, log))
    for name, variant, tuned in TORCH[:1] if o.peer == 'self' else TORCH:
        target, log = f'{o.work}/{name}.f32', f'{o.work}/{name}.log'
        if o.peer == 'self':
            command = [forward, '--serve', '-e', 'ref', '-b', str(peer_batch), '-i', source, '-o', target, checkpoint]
        else:
            command = [f'{o.peer}/bin/python', f'{HERE}/peer-torch.py', variant, o.threads, str(peer_batch), source, target,
                       checkpoint]
        try:
            sides.append(Side(name, command, target, log, tuned))
            say(f'  {name}: ready after {sides[-1].setup:.1f} s')
        except ChildProcessError as e:
            if variant == 'eager':
                raise
            say(e)
            missing.append(name)
    return sides, missing


def forward_network(o, results, name):
    checkpoint = find_checkpoint(o, name)
    inputs, outputs, patch, gflop = network_shape(o, checkpoint)
    dims, voxels = (3 if patch[0] > 1 else 2), int(numpy.prod(patch))
    mirrors = 2 ** dims
    source = f'{o.work}/input.f32'
    numpy.random.default_rng(1).standard_normal(mirrors * inputs * voxels).astype('<f4').tofile(source)
    name = os.path.basename(name)
    say(f'forward: {name}')
    several = gflop * mirrors <= o.most_gflop
    sides, missing = open_sides(o, checkpoint, mirrors, mirrors if several else 1, source)
    for r in range(o.rounds):
        for side in sides:
            ours = side.name.startswith('qualm')
            if side.name != 'qualm, a patch a thread':
                side.run(1, o.seconds)
            if several or ours:
                side.run(mirrors, o.seconds)
        say(f'  round {r + 1} of {o.rounds}')
    reference = next(s for s in sides if s.name == 'eager')
    for patches in (1, mirrors):
        results.begin('forward', f'{name} x{patches}', o.about)
        results.add('forward', f'{name} x{patches}', 'network', dims=dims, gflop=gflop * patches)
        for way in missing:
            results.add('forward', f'{name} x{patches}', way, failed='does not run')
    for side in sides:
        side.close()
        difference, agreement = compare(reference.output, side.output, outputs, voxels)
        for patches, times in side.times.items():
            results.add('forward', f'{name} x{patches}', side.name, ms=1e3 * statistics.median(times), least_ms=1e3 * min(times),
                        most_ms=1e3 * max(times), passes=len(times), setup_s=side.setup, peak_mib=side.peak_mib,
                        difference=difference, label_agreement=agreement)
        if not side.name.startswith('qualm'):
            results.add('forward', f'{name} x{mirrors}', f'{side.name}, one by one',
                        ms=1e3 * mirrors * statistics.median(side.times[1]))


def about(o):
    """When and where, in a sentence."""
    with open('/proc/cpuinfo') as f:
        model = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), platform.machine())
    commit = subprocess.run(['git', '-C', HERE, 'describe', '--always', '--dirty'], capture_output=True, text=True).stdout.strip()
    text = f'{time.strftime("%Y-%m-%d")}, revision {commit}, {model}, {o.threads} threads on {len(os.sched_getaffinity(0))} ' \
           f'processors, load {os.getloadavg()[0]:.1f} at the start'
    if o.peer == 'self':
        return f'{text}; the program itself as the other side.'
    versions = subprocess.run([f'{o.peer}/bin/python', '-c', 'from importlib.metadata import version as v; import sys; '
                               'print(f"Python {sys.version.split()[0]}, PyTorch {v(\'torch\')}, nnU-Net {v(\'nnunetv2\')}")'],
                              check=True, capture_output=True, text=True).stdout.strip()
    return f'{text}; {versions}; {o.rounds} rounds.'


def forward(o, results, _):
    for name in (o.networks or DEFAULT_NETWORKS).split(','):
        forward_network(o, results, name)
        table.save(results, o.results)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('part', choices=['forward', 'jobs', 'layers', 'training'])
    parser.add_argument('--build', default='build/release')
    parser.add_argument('--work', default='build/bench-peer')
    parser.add_argument('--peer', default='self')
    parser.add_argument('--shared', default='../shared')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--threads', default=str(len(os.sched_getaffinity(0))))
    parser.add_argument('--most-gflop', type=float, default=250)
    parser.add_argument('--networks')
    parser.add_argument('--jobs', default='')
    parser.add_argument('results')
    o = parser.parse_args()
    o.build, o.work, o.shared = (os.path.abspath(p) for p in (o.build, o.work, o.shared))
    os.makedirs(o.work, exist_ok=True)
    results = table.load(o.results)
    o.about = about(o)
    try:
        {'forward': forward, 'jobs': jobs.run, 'layers': layers.run, 'training': training.run}[o.part](o, results, say)
    except (ChildProcessError, subprocess.CalledProcessError) as e:
        raise SystemExit(f'bench-peer: {e}')
    table.save(results, o.results)


main()

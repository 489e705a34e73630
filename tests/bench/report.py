"""usage: report.py RESULTS.tsv RESULTS.md
The page of what make bench-peer has measured."""
import sys
import results as table

# Least ratio to the fastest PyTorch and to its default, by dimensions.
FORWARD_TARGET = {2: (2.4, 3.3), 3: (2.7, 4.5)}
MEMORY_TARGET = 1 / 3

HEAD = '''# Qualm beside PyTorch and nnU-Net

Made by `make bench-peer` from [results.tsv](results.tsv). It makes a Python environment with the newest PyTorch and nnU-Net of
the package index, or takes that of `PEER=FOLDER`, and runs both sides in turn on the same processors, threads, weights and
images, with mirroring. `PARTS=forward,jobs,layers,training` names parts to be measured again, `NETWORKS=NAME,...` networks,
`JOBS=WORDS` jobs, `ROUNDS=N` how often the sides take turns. Times are medians. A ratio says how many times as long the other
side takes, beside it in parentheses the least that is aimed at; it is **bold** where it is missed.
'''


def cells(*row):
    return '| ' + ' | '.join(str(c) for c in row) + ' |'


def heading(*names):
    return [cells(*names), cells(*['---'] * len(names))]


def digits(x, n=3):
    return '-' if x is None else f'{x:.{n}g}' if abs(x) < 10 ** n else f'{x:.0f}'


def aimed(value, target, most=False):
    if value is None or target is None:
        return digits(value)
    missed = value > target if most else value < target
    text = digits(value)
    return f'**{text}** ({digits(target, 2)})' if missed else f'{text} ({digits(target, 2)})'


def equal_share(share):
    return '-' if share is None else f'{100 * share:.4f} %'


def where(r, part):
    """When and where each subject was measured, a paragraph for those measured together."""
    runs = {}
    for subject in r.subjects(part):
        runs.setdefault(r.get(part, subject, 'run', 'about'), []).append(subject)
    return '\n\n'.join(text if len(runs) == 1 else f'{", ".join(names)}: {text}' for text, names in runs.items())


def fastest(r, subject, names):
    times = {n: r.number('forward', subject, n, 'ms') for n in names}
    name = min(times, key=times.get)
    return name, times[name]


def sides(r, subject):
    """Our fastest way, milliseconds of it, of the fastest PyTorch (with its name) and of its default way."""
    names = [v for v in r.variants('forward', subject) if r.get('forward', subject, v, 'ms')]
    ours, ms = fastest(r, subject, [v for v in names if v.startswith('qualm')])
    way, best = fastest(r, subject, [v for v in names if not v.startswith('qualm')])
    eager = min(x for x in (r.number('forward', subject, v, 'ms') for v in ('eager', 'eager, one by one')) if x)
    return ours, ms, way, best, eager


def short(r):
    """What was aimed at, and the range of what was measured."""
    rows = []
    for dims, targets in FORWARD_TARGET.items():
        these = [sides(r, s) for s in r.subjects('forward') if r.number('forward', s, 'network', 'dims') == dims]
        for other, target, ratios in (('the fastest PyTorch', targets[0], [best / ms for _, ms, _, best, _ in these]),
                                      ('its default', targets[1], [eager / ms for _, ms, _, _, eager in these])):
            rows.append((f'forward pass in {dims}D beside {other}', target, ratios))
    for part, other in (('jobs', 'nnunetv2'), ('training', 'peer')):
        for job in r.subjects(part):
            ours, theirs = (r.number(part, job, side, 'seconds') for side in ('qualm', other))
            rows.append((job, r.number(part, job, 'job', 'target'), [theirs / ours]))
    lines = heading('ratio', 'aimed at', 'measured', '')
    for name, target, ratios in rows:
        if ratios and target:
            span = digits(min(ratios)) + ('' if len(ratios) == 1 else f' to {digits(max(ratios))}')
            lines.append(cells(name, digits(target, 2), span, 'reached' if min(ratios) >= target else '**missed**'))
    return lines + [''] if len(lines) > 2 else []


def forward(r):
    lines = ['## Forward passes', '', where(r, 'forward'), '',
             'One patch, and all mirrored positions of one: four in 2D, eight in 3D. The other side is the fastest of PyTorch\'s ways:',
             'eager, channels-last, `torch.compile` with freezing, `jit.optimize_for_inference`, all but the default one with memory',
             'allocation tuned (`GLIBC_TUNABLES`, large pages), several patches as one batch or one by one. "Difference" is the largest',
             'one of the logits as a share of the largest logit, against eager; "labels" the voxels whose label is the same.', '']
    lines += heading('network', 'patches', 'GFLOP', 'qualm, ms', 'GFLOP/s', 'fastest PyTorch, ms', 'way', 'ratio', 'eager, ms',
                     'ratio', 'difference', 'labels')
    for subject in r.subjects('forward'):
        ours, ms, way, best, eager = sides(r, subject)
        gflop, dims = (r.number('forward', subject, 'network', m) for m in ('gflop', 'dims'))
        target = FORWARD_TARGET[int(dims)]
        name, patches = subject.rsplit(' x', 1)
        lines.append(cells(name, patches, digits(gflop), digits(ms), digits(gflop / ms * 1e3), digits(best), way,
                           aimed(best / ms, target[0]), digits(eager), aimed(eager / ms, target[1]),
                           f'{r.number("forward", subject, ours, "difference"):.1e}',
                           equal_share(r.number('forward', subject, ours, 'label_agreement'))))
    lines += ['', 'All ways, in ms a pass. Set-up holds a first pass; `torch.compile` keeps code between runs, so that its first one takes longer.',
              'Memory is the most of the process, at least what the measuring program has itself when it starts it (some 30 MiB).', '']
    for subject in r.subjects('forward'):
        name, patches = subject.rsplit(' x', 1)
        lines += [f'{name}, {patches} ' + ('patch' if patches == '1' else 'patches'), '']
        lines += heading('way', 'ms', 'least to most', 'set-up, s', 'memory, MiB')
        for v in r.variants('forward', subject):
            if v != 'network':
                ms, least, most, setup, peak = (r.number('forward', subject, v, m) for m in
                                                ('ms', 'least_ms', 'most_ms', 'setup_s', 'peak_mib'))
                span = '-' if least is None else f'{digits(least)} to {digits(most)}'
                lines.append(cells(v, r.get('forward', subject, v, 'failed') or digits(ms), span, digits(setup), digits(peak, 4)))
        lines.append('')
    return lines


def jobs(r):
    lines = ['## Whole jobs', '', where(r, 'jobs'), '',
             'From image files to files of results, on all processors: `predict` and `nnUNetv2_predict_from_modelfolder -device cpu`, or to',
             'scores the pipeline and nnU-Net with `--save_probabilities`. nnU-Net takes one checkpoint at a time: one run was measured and',
             'counts as often as there are checkpoints; computing scores from what it writes is not in its time. Memory is that of the',
             'largest process. The default networks have random weights, which make near ties, and so differences, frequent.', '']
    lines += heading('job', 'qualm, s', 'nnU-Net, s', 'ratio', 'qualm, MiB', 'nnU-Net, MiB', 'share', 'labels', 'rounds')
    for job in r.subjects('jobs'):
        seconds, peak = ([r.number('jobs', job, side, m) for side in ('qualm', 'nnunetv2')] for m in ('seconds', 'peak_mib'))
        runs, target = int(r.number('jobs', job, 'job', 'runs')), r.number('jobs', job, 'job', 'target')
        lines.append(cells(job, digits(seconds[0]), digits(seconds[1]) + (f' ({runs} runs)' if runs > 1 else ''),
                           aimed(seconds[1] / seconds[0], target), *(digits(p, 4) for p in peak),
                           aimed(peak[0] / peak[1], MEMORY_TARGET if target else None, most=True),
                           equal_share(r.number('jobs', job, 'job', 'label_agreement')), r.get('jobs', job, 'qualm', 'rounds')))
    return lines + ['']


def layers(r):
    lines = ['## Layers', '', where(r, 'layers'), '',
             'Time of each layer of one patch, norm and leaky ReLU included, with the operations of plain convolution per second: Winograd\'s',
             'needs fewer, so that its share of what the cores can multiply and add may exceed 100 %.', '']
    for network in r.subjects('layers'):
        steps = r.variants('layers', network)
        number = lambda step, measure: r.get('layers', network, step, measure)
        peak = next(s for s in steps if s.endswith(' peak'))
        whole = next(s for s in steps if s.endswith(' all'))
        lines += [f'{network}: {digits(float(number(whole, "ms")))} ms; peak {number(peak, "gflop_s")} GFLOP/s', '']
        lines += heading('layer', 'method', 'channels', 'kernel', 'stride', 'size', 'GFLOP', 'ms', 'GFLOP/s', '% of peak', '% of time')
        for step in steps:
            if step not in (peak, whole):
                lines.append(cells(step.split(' ', 1)[1], number(step, 'method'), f'{number(step, "inputs")} to {number(step, "outputs")}',
                                   *(number(step, m) for m in ('kernel', 'stride', 'size')), digits(float(number(step, 'gflop'))),
                                   digits(float(number(step, 'ms'))), *(number(step, m) for m in ('gflop_s', 'peak_percent', 'time_percent'))))
        lines.append('')
    return lines


def training(r):
    lines = ['## Training', '', where(r, 'training'), '',
             'An iteration as nnU-Net\'s trainer makes it (forward, Dice and cross-entropy with deep supervision, backward, clipping, a step of',
             'SGD) beside PyTorch, and the augmentation of a batch beside batchgeneratorsv2.', '']
    lines += heading('what', 'batch', 'patch', 'qualm, s', 'Python, s', 'ratio', 'qualm, MiB', 'Python, MiB')
    for subject in r.subjects('training'):
        seconds, peak = ([r.number('training', subject, side, m) for side in ('qualm', 'peer')] for m in ('seconds', 'peak_mib'))
        lines.append(cells(subject, *(r.get('training', subject, 'job', m) for m in ('batch', 'patch')), *(digits(s) for s in seconds),
                           aimed(seconds[1] / seconds[0], r.number('training', subject, 'job', 'target')), *(digits(p, 4) for p in peak)))
    return lines + ['']


def main(source, target):
    r = table.load(source)
    lines = HEAD.split('\n') + short(r)
    for part, section in (('forward', forward), ('jobs', jobs), ('training', training), ('layers', layers)):
        if r.subjects(part):
            lines += section(r)
    with open(target, 'w') as f:
        f.write('\n'.join(lines).rstrip('\n') + '\n')


main(*sys.argv[1:])

"""Training iterations and augmentation of make bench-peer: programs of tests/bench and their counterparts in Python of the same
names (train, augment), which take the same arguments, THREADS ITERATIONS NETWORK ..., and print the same table: network, batch,
patch, threads, median seconds of wall clock, median seconds of processors, peak MiB."""
import os, statistics, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
# program, its title, the least ratio that is aimed at, iterations (augment makes twenty times as many), networks
PAIRS = [('train', 'training iteration', 1.5, 3, ['2d_8-32', '2d_32-512', '3d_8-32', '3d_32-320']),
         ('augment', 'augmentation of a batch', 2, 1, ['2d_8-32', '3d_32-320'])]


def measured(command):
    """batch, patch, seconds and MiB."""
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, batch, patch, _, seconds, _, peak = text.splitlines()[-1].split('\t')
    return batch, patch, float(seconds), float(peak)


def run(o, results, say):
    for program, title, ratio, iterations, networks in PAIRS:
        ours, theirs = f'{o.build}/tests/bench/{program}', f'{HERE}/{program}.py'
        if not (os.path.exists(ours) and os.path.exists(theirs)):
            continue
        sides = ([ours], [ours] if o.peer == 'self' else [f'{o.peer}/bin/python', theirs])
        for network in o.networks.split(',') if o.networks else networks:
            rows = ([], [])
            for _ in range(o.rounds):
                for side in (0, 1):
                    rows[side].append(measured([*sides[side], o.threads, str(iterations), network]))
                say(f'{title}, {network}: {rows[0][-1][2]:.3f} s beside {rows[1][-1][2]:.3f} s')
            subject = f'{title}, {network}'
            results.begin('training', subject, o.about)
            results.add('training', subject, 'job', target=ratio, batch=rows[0][0][0], patch=rows[0][0][1])
            for side, name in enumerate(('qualm', 'peer')):
                results.add('training', subject, name, seconds=statistics.median(r[2] for r in rows[side]),
                            peak_mib=max(r[3] for r in rows[side]))

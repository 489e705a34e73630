"""Time of each layer of our own engine, as a part of make bench-peer."""
import subprocess

NETWORKS = '2d_160_32-512,2d_256_32-512,3d_64_32-320,3d_96_32-320,2d_192_8-32'


def run(o, results, say):
    for name in (o.networks or NETWORKS).split(','):
        say(f'layers: {name}')
        text = subprocess.run([f'{o.build}/tests/bench/layers', '-j', o.threads, '-r', str(max(3, 3 * o.rounds)), name], check=True,
                              capture_output=True, text=True).stdout
        measures, *rows = (line.split('\t') for line in text.splitlines())
        results.begin('layers', name, o.about)
        for number, row in enumerate(rows):
            results.add('layers', name, f'{number} {row[0]}', **{m: v for m, v in zip(measures[1:], row[1:]) if v != '-'})

# What make bench-peer writes: each part is measured with this build in place of the other programs, and the page says what the
# table holds.
# release only: it measures programs that other tests check
set -eu
py() { PYTHONPATH=$TESTS/bench PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }
peer() { py "$TESTS/bench/peer.py" "$@" --build="$BUILD" --work=work --peer=self --rounds=1 --seconds=0.01 results.tsv 2> log || { cat log; exit 1; }; }

cp -r "$TESTS/phantom/model" phantom_2d
peer forward --networks=./phantom_2d/fold_0/checkpoint_59.pth
mkdir large
cp -r phantom_2d large
mv large/phantom_2d/fold_0/checkpoint_59.pth large/phantom_2d/fold_0/checkpoint_large.pth
peer forward --networks=./large/phantom_2d/fold_0/checkpoint_large.pth --most-gflop=0.1
peer layers --networks=2d_192_8-32
peer training --networks=2d_8-32:1:32x32
peer jobs
peer layers --networks=2d_192_8-32
py - <<'X'
import results
r = results.load('results.tsv')
ours = ['qualm, threads share a patch', 'qualm, a patch a thread']
for checkpoint, patches, expect in (('checkpoint_59', 1, [ours[0], 'eager']), ('checkpoint_59', 4, [*ours, 'eager', 'eager, one by one']),
                                    ('checkpoint_large', 1, [ours[0], 'eager']), ('checkpoint_large', 4, [*ours, 'eager, one by one'])):
    subject = f'{checkpoint}.pth x{patches}'
    names = [v for v in r.variants('forward', subject) if v != 'network']
    assert sorted(names) == sorted(expect), names
    for n in names:
        ms, least, most = (r.number('forward', subject, n, m) for m in ('ms', 'least_ms', 'most_ms'))
        assert ms > 0 if 'one by one' in n else 0 < least <= ms <= most, (n, least, ms, most)
        if n.startswith('qualm'):
            assert 0 < r.number('forward', subject, n, 'difference') < 1e-4
            assert r.number('forward', subject, n, 'label_agreement') > 0.9999
    assert abs(r.number('forward', subject, 'network', 'gflop') / 0.150995 - patches) < 1e-3
    assert r.number('forward', subject, 'network', 'dims') == 2
steps = r.variants('layers', '2d_192_8-32')
whole = next(s for s in steps if s.endswith(' all'))
for measure, slack in (('gflop', 1e-3), ('ms', 1e-2), ('time_percent', 2)):
    parts = sum(r.number('layers', '2d_192_8-32', s, measure) or 0 for s in steps if s != whole)
    assert abs(parts - r.number('layers', '2d_192_8-32', whole, measure)) < slack, (measure, parts)
for job, runs in (('phantom, 2 slices', 1), ('phantom, 2 slices, 9 checkpoints to scores', 9), ('phantom, 2 slices, -h', 1)):
    assert r.number('jobs', job, 'job', 'runs') == runs
    assert all(r.number('jobs', job, side, m) > 0 for side in ('qualm', 'nnunetv2') for m in ('seconds', 'peak_mib'))
assert r.number('jobs', 'phantom, 2 slices', 'job', 'label_agreement') == 1
for side in ('qualm', 'peer'):
    assert 0 < r.number('training', 'training iteration, 2d_8-32:1:32x32', side, 'seconds') < 100
    assert r.number('training', 'training iteration, 2d_8-32:1:32x32', side, 'peak_mib') > 1
X
py "$TESTS/bench/report.py" results.tsv RESULTS.md
grep -q '^| training iteration, 2d_8-32:1:32x32 | 1 | 1x32x32 |' RESULTS.md
grep -q '^| checkpoint_59.pth | 4 | 0.604 |' RESULTS.md
grep -q '^| phantom, 2 slices, 9 checkpoints to scores |' RESULTS.md
grep -q '^| decoder.transpconvs.0 | transposed | 32 to 32 | 1x2x2 |' RESULTS.md

# Ratios are to the fastest way and to the default one, and one that is too small is bold.
py - <<'X'
import results
r = results.Results()
r.begin('forward', 'net x4', 'Here, PyTorch 2.15.')
r.add('forward', 'net x4', 'qualm, another', ms=1.)
r.begin('forward', 'net x4', 'Here, PyTorch 2.15.')
r.begin('jobs', 'job', 'Here.')
r.begin('jobs', '-h', 'There.')
r.add('jobs', '-h', 'qualm', seconds=1., peak_mib=1.)
r.add('jobs', '-h', 'nnunetv2', seconds=10., peak_mib=1.)
r.add('jobs', '-h', 'job', runs=1, target='')
for name, ms in (('qualm, threads share a patch', 120.), ('qualm, a patch a thread', 100.), ('eager', 420.), ('eager, one by one', 400.),
                 ('compile, malloc', 250.), ('compile, malloc, one by one', 230.)):
    r.add('forward', 'net x4', name, ms=ms, difference=1e-5, label_agreement=.99999)
r.add('forward', 'net x4', 'jit, malloc', failed='does not run')
r.add('forward', 'net x4', 'network', dims=2, gflop=40.)
r.add('jobs', 'job', 'qualm', seconds=2., peak_mib=100., rounds=2)
r.add('jobs', 'job', 'nnunetv2', seconds=60., peak_mib=1000., rounds=2)
r.add('jobs', 'job', 'job', cases=1, target=20, runs=12, label_agreement=.5)
r.begin('training', 'training iteration, net', 'Here.')
r.add('training', 'training iteration, net', 'job', target=1.5, batch=12, patch='192x160')
r.add('training', 'training iteration, net', 'qualm', seconds=.5, peak_mib=100.)
r.add('training', 'training iteration, net', 'peer', seconds=1., peak_mib=800.)
results.save(r, 'known.tsv')
X
py "$TESTS/bench/report.py" known.tsv known.md
grep -qF '| net | 4 | 40 | 100 | 400 | 230 | compile, malloc, one by one | **2.3** (2.4) | 400 | 4 (3.3) | 1.0e-05 | 99.9990 % |' known.md
grep -qF '| jit, malloc | does not run |' known.md
grep -qF '| job | 2 | 60 (12 runs) | 30 (20) | 100 | 1000 | 0.1 (0.33) | 50.0000 % | 2 |' known.md
grep -qF '| -h | 1 | 10 | 10 | 1 | 1 | 1 | - |  |' known.md
grep -qF '| training iteration, net | 12 | 192x160 | 0.5 | 1 | 2 (1.5) | 100 | 800 |' known.md
grep -qF '| forward pass in 2D beside the fastest PyTorch | 2.4 | 2.3 | **missed** |' known.md
grep -qF '| forward pass in 2D beside its default | 3.3 | 4 | reached |' known.md
grep -qF '| job | 20 | 30 | reached |' known.md
grep -qx 'Here, PyTorch 2.15.' known.md
grep -qx 'job: Here.' known.md
grep -qx -- '-h: There.' known.md

# Agreement counts voxels over all cases; other cases are an error.
mkdir a b
for i in 0 1; do cp "$TESTS/phantom/labelsTs/phantom_00$i.png" a; done
cp a/phantom_000.png b
cp a/phantom_000.png b/phantom_001.png
py - <<'X'
import labels
(x, y), share = (v for _, v in labels.label_maps('decode', 'a')), labels.agreement('decode', 'a', 'b')
assert 0 < (x != y).sum() and share == 1 - (x != y).sum() / (2 * x.size), share
X
mv b/phantom_001.png b/phantom_002.png
if py -c 'import labels; labels.agreement("decode", "a", "b")' 2> log; then exit 1; fi
grep -q 'a has phantom_001, b has phantom_002' log
printf 'part\tsubject\n' > known.tsv
if py "$TESTS/bench/report.py" known.tsv known.md 2> log; then exit 1; fi
grep -q 'known.tsv: the first line is not' log

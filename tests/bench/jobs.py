"""Whole jobs of make bench-peer, from image files to files of results, on both sides."""
import collections, os, shlex, shutil, statistics, subprocess, sys
import labels

LIMIT = 90                      # seconds after which a job is not repeated

# model: folder and checkpoint; ratio: the least that is aimed at; kind: labels, scores or help.
Job = collections.namedtuple('Job', 'name model checkpoint images cases ratio kind', defaults=['labels'])


def planned(o, name, dataset, configuration):
    """A model folder of golden/plans with random weights."""
    plans = f'{o.shared}/golden/plans/{dataset}'
    if not os.path.exists(f'{o.work}/models/{name}/fold_0/checkpoint_final.pth'):
        subprocess.run([f'{o.peer}/bin/python', f'{os.path.dirname(__file__)}/peer-networks.py', f'{o.work}/models',
                        f'{plans}/nnUNetPlans.json,{configuration},{plans}/dataset.json,{name}'],
                       check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    return f'{o.work}/models/{name}', 'checkpoint_final.pth'


def jobs(o):
    if o.peer == 'self':
        phantom = f'{os.path.dirname(__file__)}/../phantom'
        return [Job(f'phantom, 2 slices{what}', f'{phantom}/model', 'checkpoint_59.pth', f'{phantom}/imagesTs', 2, 1, kind)
                for what, kind in (('', 'labels'), (', 9 checkpoints to scores', 'scores'), (', -h', 'help'))]
    data, golden = f'{o.shared}/data', f'{o.shared}/golden/models'
    flat, solid = planned(o, 'default_2d', 'Dataset501_SunnybrookLV', '2d'), planned(o, 'default_3d', 'Dataset502_Hippocampus', '3d_fullres')
    small = (f'{golden}/sunnybrook_2d', last_checkpoint(f'{golden}/sunnybrook_2d'))
    slices, volumes = f'{data}/sunnybrook-png/imagesTs', f'{data}/msd-hippocampus/imagesTr'
    return [Job('default 2D network, 30 slices', *flat, slices, 30, 3.5),
            Job('default 3D network, 20 volumes', *solid, volumes, 20, 3.5),
            Job('small 2D network, 145 slices', *small, slices, 145, 5),
            Job('small 2D network, 145 slices, 12 checkpoints to scores', *small, slices, 145, 6, 'scores'),
            Job('default 2D network, one slice', *flat, slices, 1, 20),
            Job('small 2D network, one slice', *small, slices, 1, 20),
            Job('-h', *small, slices, 0, None, 'help')]


def kept_checkpoints(model):
    names = (f for f in os.listdir(f'{model}/fold_0') if f.startswith('checkpoint_') and f[11:-4].isdigit())
    return sorted(names, key=lambda f: int(f[11:-4]))


def last_checkpoint(model):
    return kept_checkpoints(model)[-1]


def ours(o, job, images, out):
    if job.kind == 'help':
        return f'{o.build}/bin/predict -h'
    if job.kind == 'scores':
        programs = [f'decode {images}', f'normalize {job.model}',
                    'infer-checkpoint ' + ' '.join(f'{job.model}/fold_0/{c}' for c in kept_checkpoints(job.model)),
                    'average-probs', 'entropy', 'contour-norm', f'score -o {out}/scores.tsv']
        return ' | '.join(f'{o.build}/bin/{p}' for p in programs)
    return f'{o.build}/bin/predict -i {images} -o {out} -m {job.model} -f 0 -chk {job.checkpoint} --disable_progress_bar'


def theirs(o, job, images, out):
    if o.peer == 'self':
        return ours(o, job._replace(kind='labels') if job.kind == 'scores' else job, images, out)
    program = f'{o.peer}/bin/nnUNetv2_predict_from_modelfolder'
    if job.kind == 'help':
        return f'{program} -h'
    save = ' --save_probabilities' if job.kind == 'scores' else ''
    return f'{program} -i {images} -o {out} -m {job.model} -f 0 -chk {job.checkpoint} -device cpu --disable_progress_bar{save}'


def measured(o, command, out):
    """Seconds and peak MiB of the largest process."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    log = f'{o.work}/job.log'
    environment = dict(os.environ, nnUNet_raw=o.work, nnUNet_preprocessed=o.work, nnUNet_results=o.work)
    environment['PATH'] = f'{o.build}/bin:{environment["PATH"]}'
    result = subprocess.run([f'{o.build}/tests/bench/measure', '1', f'{{ {command}; }} > {shlex.quote(log)} 2>&1'], env=environment,
                            capture_output=True, text=True)
    if result.returncode:
        with open(log) as f:
            raise SystemExit(f'bench-peer: {command} failed: {f.read()[-2000:]}')
    return [float(x) for x in result.stdout.split()]


def images_of(o, job):
    """The first so many cases in a folder of their own."""
    folder = f'{o.work}/images'
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in sorted(f for f in os.listdir(job.images) if '_0000.' in f)[:job.cases]:
        os.symlink(os.path.abspath(f'{job.images}/{name}'), f'{folder}/{name}')
    return folder


def run(o, results, say):
    if o.peer != 'self':                # programs and libraries come into the page cache
        measured(o, f'{o.peer}/bin/nnUNetv2_predict_from_modelfolder -h', f'{o.work}/theirs')
    listed = jobs(o)
    for job in [j for j in listed if j.name == o.jobs] or [j for j in listed if o.jobs in j.name]:
        images, out = images_of(o, job), (f'{o.work}/ours', f'{o.work}/theirs')
        taken, times = 0, ([], [])
        runs = len(kept_checkpoints(job.model)) if job.kind == 'scores' else 1
        while len(times[0]) < o.rounds and taken < LIMIT:
            for side, command in enumerate((ours, theirs)):
                times[side].append(measured(o, command(o, job, images, out[side]), out[side]))
                taken += times[side][-1][0]
            say(f'{job.name}: {times[0][-1][0]:.2f} s beside {times[1][-1][0]:.2f} s')
        results.begin('jobs', job.name, o.about)
        for side, name in enumerate(('qualm', 'nnunetv2')):
            seconds = statistics.median(t for t, _ in times[side]) * (runs if side else 1)
            results.add('jobs', job.name, name, seconds=seconds, peak_mib=max(m for _, m in times[side]), rounds=len(times[side]))
        results.add('jobs', job.name, 'job', cases=job.cases, target=job.ratio or '', runs=runs)
        if job.kind == 'labels':
            results.add('jobs', job.name, 'job', label_agreement=labels.agreement(f'{o.build}/bin/decode', *out))

"""usage: peer-torch.py VARIANT THREADS BATCH INPUT OUTPUT CHECKPOINT
PyTorch's side of the comparison of forward passes (peer.py): the network of a checkpoint on the first BATCH patches of INPUT,
whose logits go to OUTPUT (patch by patch).  Prints "ready" and the seconds of set-up with a first pass; then for each line
"PATCHES SECONDS" makes passes of so many patches for so long, and prints the seconds of each.
VARIANT: eager, channels-last, compile (with freezing) or jit (optimize_for_inference)."""
import json, os, sys, time
import numpy, torch, torch._inductor.config
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

variant, threads, batch, source, target, path = sys.argv[1:7]
torch.set_num_threads(int(threads))
answers, sys.stdout = sys.stdout, sys.stderr


def load():
    model = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    with open(f'{model}/plans.json') as p, open(f'{model}/dataset.json') as d:
        plans, dataset = json.load(p), json.load(d)
    checkpoint = torch.load(path, map_location='cpu', weights_only=False)
    configuration = plans['configurations'][checkpoint['init_args']['configuration']]
    a = configuration['architecture']
    outputs = len(dataset['regions_class_order']) if 'regions_class_order' in dataset else len(dataset['labels'])
    inputs = len(dataset['channel_names'])
    network = get_network_from_plans(a['network_class_name'], a['arch_kwargs'], a['_kw_requires_import'], inputs, outputs,
                                     deep_supervision=False)
    network.load_state_dict(checkpoint['network_weights'])
    x = numpy.fromfile(source, '<f4').reshape(-1, inputs, *configuration['patch_size'])
    return network.eval(), torch.from_numpy(x[:int(batch)])


def prepare(network, x):
    """What runs a batch, and the batch in the order that it wants."""
    if variant == 'channels-last':
        order = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        return network.to(memory_format=order), x.to(memory_format=order)
    if variant == 'compile':
        torch._inductor.config.freezing = True
        torch._dynamo.config.automatic_dynamic_shapes = False   # each batch size has code of its own
        return torch.compile(network), x
    if variant == 'jit':
        return torch.jit.optimize_for_inference(torch.jit.trace(network, x[:1])), x
    return network, x


def timed(network, x):
    begin = time.perf_counter()
    network(x)
    return time.perf_counter() - begin


with torch.no_grad() if variant in ('compile', 'jit') else torch.inference_mode():
    network, x = load()
    begin = time.perf_counter()
    network, x = prepare(network, x)
    network(x[:1])
    setup = time.perf_counter() - begin
    numpy.concatenate([network(x[i:i + 1]).numpy() for i in range(len(x))]).astype('<f4').tofile(target)
    print('ready', f'{setup:.4f}', sep='\t', file=answers, flush=True)
    warm = {1}
    for line in sys.stdin:
        patches, seconds = int(line.split()[0]), float(line.split()[1])
        if patches not in warm:
            network(x[:patches])
            warm.add(patches)
        end, times = time.perf_counter() + seconds, []
        while not times or time.perf_counter() < end:
            times.append(timed(network, x[:patches]))
        print(*[f'{t:.6f}' for t in times], sep='\t', file=answers, flush=True)

"""usage: peer-networks.py OUT NETWORK ... < LIST
For each NETWORK of LIST (forward --list) or of a plans.json (PLANS,CONFIGURATION,DATASET.json,NAME) a model folder
OUT/NAME with plans.json, dataset.json and fold_0/checkpoint_final.pth: nnU-Net's network with random weights."""
import json, os, sys
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans


def listed(name, patch, features, blocks=''):
    """A plan as nnU-Net's planner would make it for this patch."""
    dims = 3 if patch[0] > 1 else 2
    patch, n = patch[3 - dims:], len(features)
    kind = 'ResidualEncoderUNet' if blocks else 'PlainConvUNet'
    arguments = {
        'n_stages': n, 'features_per_stage': features, 'conv_op': f'torch.nn.modules.conv.Conv{dims}d',
        'kernel_sizes': [[3] * dims] * n, 'strides': [[1] * dims] + [[2] * dims] * (n - 1),
        ('n_blocks_per_stage' if blocks else 'n_conv_per_stage'): blocks or [2] * n,
        'n_conv_per_stage_decoder': [1 if blocks else 2] * (n - 1), 'conv_bias': True,
        'norm_op': f'torch.nn.modules.instancenorm.InstanceNorm{dims}d', 'norm_op_kwargs': {'eps': 1e-5, 'affine': True},
        'dropout_op': None, 'dropout_op_kwargs': None, 'nonlin': 'torch.nn.LeakyReLU', 'nonlin_kwargs': {'inplace': True}}
    resample = {f'resampling_fn_{k}': 'resample_data_or_seg_to_shape' for k in ('data', 'seg', 'probabilities')}
    for k, order in (('data', 3), ('seg', 1), ('probabilities', 1)):
        resample[f'resampling_fn_{k}_kwargs'] = {'is_seg': k == 'seg', 'order': order, 'order_z': 0, 'force_separate_z': None}
    configuration = {
        'data_identifier': name, 'preprocessor_name': 'DefaultPreprocessor', 'batch_size': 2, 'patch_size': patch,
        'median_image_size_in_voxels': patch, 'spacing': [1.0] * dims, 'normalization_schemes': ['ZScoreNormalization'],
        'use_mask_for_norm': [False], **resample, 'batch_dice': False,
        'architecture': {'network_class_name': f'dynamic_network_architectures.architectures.unet.{kind}',
                         'arch_kwargs': arguments, '_kw_requires_import': ['conv_op', 'norm_op', 'dropout_op', 'nonlin']}}
    plans = {'dataset_name': name, 'plans_name': 'nnUNetPlans', 'image_reader_writer': 'SimpleITKIO',
             'original_median_spacing_after_transp': [1.0] * 3, 'original_median_shape_after_transp': ([1] + patch)[-3:],
             'transpose_forward': [0, 1, 2], 'transpose_backward': [0, 1, 2],
             'configurations': {'3d_fullres' if dims == 3 else '2d': configuration},
             'experiment_planner_used': 'ExperimentPlanner', 'label_manager': 'LabelManager',
             'foreground_intensity_properties_per_channel': {'0': {k: 1.0 for k in (
                 'max', 'mean', 'median', 'min', 'percentile_00_5', 'percentile_99_5', 'std')}}}
    dataset = {'channel_names': {'0': 'image'}, 'labels': {'background': 0, 'foreground': 1}, 'numTraining': 1,
               'file_ending': '.nii.gz'}
    return plans, next(iter(plans['configurations'])), dataset


def weights(plans, configuration, dataset):
    a = plans['configurations'][configuration]['architecture']
    torch.manual_seed(1)
    network = get_network_from_plans(a['network_class_name'], a['arch_kwargs'], a['_kw_requires_import'],
                                     len(dataset['channel_names']), len(dataset['labels']), deep_supervision=True)
    for m in network.modules():                # an affine part that does something
        if isinstance(m, (torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)):
            torch.nn.init.uniform_(m.weight, 0.5, 1.5)
            torch.nn.init.uniform_(m.bias, -0.5, 0.5)
    return network.state_dict()


def make(folder, plans, configuration, dataset):
    checkpoint = f'{folder}/fold_0/checkpoint_final.pth'
    if os.path.exists(checkpoint):
        return
    os.makedirs(f'{folder}/fold_0', exist_ok=True)
    for name, content in (('plans', plans), ('dataset', dataset)):
        with open(f'{folder}/{name}.json', 'w') as f:
            json.dump(content, f, indent=1)
    dims = len(plans['configurations'][configuration]['patch_size'])
    torch.save({'network_weights': weights(plans, configuration, dataset), 'trainer_name': 'nnUNetTrainer',
                'init_args': {'configuration': configuration, 'fold': 0},
                'inference_allowed_mirroring_axes': tuple(range(dims))}, checkpoint + '.part')
    os.rename(checkpoint + '.part', checkpoint)


def main(out, names):
    known = {}
    for line in sys.stdin:
        name, *numbers = line.rstrip('\n').split('\t')
        known[name] = [[int(x) for x in column.split()] for column in numbers]
    for name in names:
        if ',' in name:
            plans, configuration, dataset, name = name.split(',')
            with open(plans) as p, open(dataset) as d:
                make(f'{out}/{name}', json.load(p), configuration, json.load(d))
        else:
            make(f'{out}/{name}', *listed(name, *known[name]))


main(sys.argv[1], sys.argv[2:])

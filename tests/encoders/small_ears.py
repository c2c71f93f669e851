"""Small networks of transformers that hear the waveform, and what transformers makes of noise."""

import numpy as np
import torch
import transformers
from transformers import CONFIG_MAPPING, MODEL_MAPPING, Wav2Vec2FeatureExtractor

import avsc.encoders
from avsc.encoders.transformers_audio import TINY

SMALL = {k: v for k, v in TINY["config"].items() if k != "model_type"}
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
CONFORMER = {"conv_depthwise_kernel_size": 3}
NETS = {  # name: (model_type, keys of its config)
    "wav2vec2": ("wav2vec2", {}),
    "wav2vec2 of layer norms": ("wav2vec2", {**LAYER_NORM, "adapter_attn_dim": 4}),
    "hubert": ("hubert", {}),
    "hubert of layer norms": ("hubert", LAYER_NORM),
    "hubert of batch norms": ("hubert", {"conv_pos_batch_norm": True}),
    "wavlm": ("wavlm", {"num_buckets": 8, "max_bucket_distance": 20}),
    "wavlm of layer norms": ("wavlm", {"num_buckets": 8, **LAYER_NORM}),
    "data2vec-audio": ("data2vec-audio", {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5}),
    "unispeech": ("unispeech", {}),
    "unispeech-sat": ("unispeech-sat", {}),
    "sew": ("sew", {}),
    "sew-d": ("sew-d", {"position_buckets": 8, "max_position_embeddings": 32}),
    "relative conformer": ("wav2vec2-conformer", CONFORMER),
    "rotary conformer": ("wav2vec2-conformer", {**CONFORMER, "position_embeddings_type": "rotary"}),
    "conformer": ("wav2vec2-conformer", {**CONFORMER, "position_embeddings_type": None}),
}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 2, 16000)).astype(np.float32)
MONO = NOISE.mean(axis=1)


def create(**params):
    return avsc.encoders.create("transformers_audio", **{**TINY, **params})


def pretrained(name, **params):
    return create(name=str(name), weights="pretrained", config=None, **params)


def config(net, **more):
    """Return a small network of NETS as params.yaml has it."""
    kind, own = NETS[net]
    return {"model_type": kind, **SMALL, **own, **more}


def body(net="wav2vec2", *, head=None, **more):
    """Return a small network of transformers, whole or with a head around it."""
    torch.manual_seed(0)
    keys = config(net, **more)
    made = CONFIG_MAPPING[keys.pop("model_type")](**keys)
    kind = MODEL_MAPPING[type(made)] if head is None else getattr(transformers, head)
    return kind(made).eval()


def saved(net, folder, **extractor):
    """Save a network as transformers does, with what hears for it."""
    net.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(**extractor).save_pretrained(folder)
    return folder


def heard(net, *, normalise=True):
    """Return what transformers makes of the noise."""
    extract = Wav2Vec2FeatureExtractor(do_normalize=normalise)
    values = extract(list(MONO), sampling_rate=16000, return_tensors="pt").input_values
    with torch.inference_mode():
        return net(values).last_hidden_state.mean(dim=1).numpy()

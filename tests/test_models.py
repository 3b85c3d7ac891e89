"""The networks against the published architecture, worked out here from its description alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from retinasynth.config import DiscriminatorSettings, GeneratorSettings
from retinasynth.models.discriminators import PatchDiscriminator, SameConvolution
from retinasynth.models.generation import generate_photograph
from retinasynth.models.generators import UNetGenerator
from retinasynth.models.layers import AlwaysDropout, BatchNorm, initialise
from retinasynth.models.losses import discriminator_loss, generator_loss

ENCODER = [64, 128, 256, 512, 512, 512, 512]
DECODER = [512, 512, 512, 512, 256, 128, 64]
KERNEL = 4 * 4


def initialised(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    initialise(network, "normal")
    return network


@pytest.fixture(scope="module")
def generator() -> nn.Module:
    return initialised(UNetGenerator(3, GeneratorSettings()))


@pytest.fixture(scope="module")
def discriminator() -> nn.Module:
    return initialised(PatchDiscriminator(3, DiscriminatorSettings()))


def small_generator(**settings: float) -> UNetGenerator:
    torch.manual_seed(0)
    network = UNetGenerator(1, GeneratorSettings(**{"filters": 4, "depth": 5, **settings}))
    initialise(network, "he")
    return network


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- Size and shape ----------------------------------------------------------------------------------------------


def test_generator_has_the_published_number_of_parameters(generator):
    convolutions = list(zip([3, *ENCODER], [*ENCODER, 512], strict=True))  # the encoder and the bottleneck
    inputs = [512, *(after + skip for after, skip in zip(DECODER, reversed(ENCODER), strict=True))]
    convolutions += zip(inputs, [*DECODER, 3], strict=True)
    kernels = sum(before * after * KERNEL + after for before, after in convolutions)
    norms = 2 * (sum(ENCODER[1:]) + sum(DECODER))
    assert kernels + norms == 54_419_459
    assert count(generator) == kernels + norms
    # Keras counts the running means and variances as well, which are never used.
    assert count(generator) + norms == 54_429_315


def test_discriminator_has_the_published_number_of_parameters(discriminator):
    widths = [6, 64, 128, 256, 512, 512, 1]
    kernels = sum(before * after * KERNEL + after for before, after in itertools.pairwise(widths))
    norms = 2 * sum(widths[2:-1])
    assert count(discriminator) == kernels + norms == 6_965_441


def test_generator_shapes_layer_by_layer(generator):
    seen = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
        for module in [*generator.encoder, generator.bottleneck, *generator.decoder, generator.output]
    ]
    with torch.no_grad():
        generator(torch.zeros(1, 3, 256, 256))
    for hook in hooks:
        hook.remove()
    halved = [(width, 256 // 2 ** (i + 1), 256 // 2 ** (i + 1)) for i, width in enumerate(ENCODER)]
    doubled = [
        (after + skip, 2 ** (i + 1), 2 ** (i + 1))
        for i, (after, skip) in enumerate(zip(DECODER, reversed(ENCODER), strict=True))
    ]
    assert seen == [*halved, (512, 1, 1), *doubled, (3, 256, 256)]


def test_generator_answers_in_the_range_of_tanh(generator):
    with torch.no_grad():
        out = generator(torch.full((1, 3, 256, 256), 1.0))
    assert -1 <= out.min() < out.max() <= 1


@pytest.mark.parametrize(("size_px", "patches"), [(256, 16), (512, 32), (64, 4)])
def test_discriminator_judges_patches(discriminator, size_px, patches):
    picture = torch.zeros(1, 3, size_px, size_px)
    with torch.no_grad():
        assert discriminator(picture, picture).shape == (1, 1, patches, patches)


def test_discriminator_shapes_layer_by_layer(discriminator):
    picture, shapes = torch.zeros(1, 6, 256, 256), []
    with torch.no_grad():
        for layer in discriminator.layers:
            picture = layer(picture)
            if isinstance(layer, SameConvolution):
                shapes.append(tuple(picture.shape[1:]))
    assert shapes == [(64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 16, 16), (512, 16, 16), (1, 16, 16)]


def test_one_patch_sees_142_pixels():
    torch.manual_seed(0)
    network = PatchDiscriminator(1, DiscriminatorSettings(filters=2, norm="none"))
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 1)
    picture = torch.rand(1, 3, 320, 320, requires_grad=True)
    network(torch.zeros(1, 1, 320, 320), picture)[0, 0, 10, 10].backward()
    touched = picture.grad[0].abs().sum(0) > 0
    assert touched.any(0).sum() == touched.any(1).sum() == 142


def test_same_padding_is_tensorflows():
    """With stride 1 TensorFlow pads one before and two after; written out with loops."""
    torch.manual_seed(0)
    layer, picture = SameConvolution(1, 1, stride=1), torch.rand(1, 1, 5, 5)
    padded = np.zeros((8, 8))
    padded[1:6, 1:6] = picture[0, 0]
    kernel, bias = layer.weight[0, 0].detach().numpy(), layer.bias.item()
    expected = [[(padded[y : y + 4, x : x + 4] * kernel).sum() + bias for x in range(5)] for y in range(5)]
    np.testing.assert_allclose(layer(picture)[0, 0].detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("depth", "size_px"), [(2, 16), (5, 64), (6, 192), (9, 512)])
def test_other_sizes_by_depth(depth, size_px):
    network = UNetGenerator(1, GeneratorSettings(filters=2, depth=depth))
    with torch.no_grad():
        assert network(torch.zeros(1, 1, size_px, size_px)).shape == (1, 3, size_px, size_px)


# --- Initial weights ---------------------------------------------------------------------------------------------


def test_initial_weights_of_the_source(generator, discriminator):
    for network in (generator, discriminator):
        kernels = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        values = torch.cat([module.weight.detach().flatten() for module in kernels])
        assert values.std().item() == pytest.approx(0.02, rel=0.005)
        assert values.mean().item() == pytest.approx(0, abs=1e-4)
        assert (values.abs() < 0.02).float().mean().item() == pytest.approx(0.6827, abs=0.005)  # normal, not uniform
        assert all((module.bias == 0).all() for module in kernels)


@pytest.mark.parametrize("layer", [nn.Conv2d(8, 24, 4), nn.ConvTranspose2d(8, 24, 4)])
@pytest.mark.parametrize(
    ("scheme", "bound"), [("glorot", math.sqrt(6 / ((8 + 24) * KERNEL))), ("he", math.sqrt(6 / (8 * KERNEL)))]
)
def test_other_initialisations_are_uniform_within_their_bounds(layer, scheme, bound):
    torch.manual_seed(0)
    initialise(layer, scheme)
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert (layer.bias == 0).all()


# --- Batch normalisation and dropout -----------------------------------------------------------------------------


def test_batch_norm_is_the_closed_form_with_keras_epsilon():
    layer, features = BatchNorm(3), torch.randn(4, 3, 5, 5) * 0.05
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.bias.copy_(torch.tensor([0.0, -1.0, 1.0]))
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), keepdim=True, unbiased=False)
    expected = (features - mean) / torch.sqrt(variance + 1e-3)
    expected = expected * torch.tensor([1.0, 2, 3])[:, None, None] + torch.tensor([0.0, -1, 1])[:, None, None]
    torch.testing.assert_close(layer(features), expected, atol=1e-5, rtol=0)


def test_batch_norm_at_generation_uses_each_pictures_own_statistics():
    layer, features = BatchNorm(3).eval(), torch.randn(4, 3, 5, 5) * torch.arange(1.0, 5)[:, None, None, None]
    alone = torch.cat([layer(one[None]) for one in features])
    torch.testing.assert_close(layer(features), alone, atol=1e-5, rtol=0)
    assert not torch.allclose(layer.train()(features), alone, atol=0.1)


def test_one_picture_gets_the_same_in_both_modes(generator):
    mask = torch.rand(1, 3, 256, 256) * 2 - 1
    with torch.no_grad():
        torch.manual_seed(5)
        training = generator.train()(mask)
        torch.manual_seed(5)
        evaluation = generator.eval()(mask)
    assert torch.equal(training, evaluation)


def test_there_are_no_running_statistics(generator, discriminator):
    for network in (generator, discriminator):
        assert not list(network.buffers())


def test_normalisation_stands_where_the_source_has_it(generator, discriminator):
    assert [isinstance(step.norm, BatchNorm) for step in generator.encoder] == [False] + [True] * 6
    assert not any(isinstance(module, BatchNorm) for module in generator.bottleneck)
    assert all(isinstance(step.norm, BatchNorm) for step in generator.decoder)
    kinds = [type(module).__name__ for module in discriminator.layers]
    inner = ["SameConvolution", "BatchNorm", "LeakyReLU"]
    assert kinds == ["SameConvolution", "LeakyReLU", *inner * 4, "SameConvolution"]
    bare = PatchDiscriminator(3, DiscriminatorSettings(filters=2, norm="none"))
    assert not any(isinstance(module, BatchNorm) for module in bare.modules())


def test_dropout_stands_in_the_first_three_decoder_steps(generator):
    assert [step.dropout.rate for step in generator.decoder] == [0.5, 0.5, 0.5, 0, 0, 0, 0]
    off = UNetGenerator(3, GeneratorSettings(filters=1, dropout=0))
    assert [step.dropout.rate for step in off.decoder] == [0] * 7


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_always_on(training):
    torch.manual_seed(0)
    dropped = AlwaysDropout(0.25).train(training)(torch.ones(100_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.006)
    assert dropped[dropped > 0].unique().tolist() == pytest.approx([1 / 0.75])


# --- Generation --------------------------------------------------------------------------------------------------


def test_generation_is_seeded_and_leaves_everything_as_it_was():
    network, mask = small_generator().train(), np.eye(32, dtype=bool)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = generate_photograph(network, mask, mask_channels=1, seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    assert network.training
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, generate_photograph(network, mask, mask_channels=1, seed=7))
    assert not np.array_equal(first, generate_photograph(network, mask, mask_channels=1, seed=8))
    assert not np.array_equal(first, generate_photograph(network, ~mask, mask_channels=1, seed=7))


def test_without_dropout_the_seed_does_not_matter():
    network, mask = small_generator(dropout=0), np.eye(32, dtype=bool)
    pictures = [generate_photograph(network, mask, mask_channels=1, seed=seed) for seed in (1, 2)]
    assert np.array_equal(*pictures)


# --- Losses ------------------------------------------------------------------------------------------------------


def test_losses_are_binary_cross_entropy_of_the_sigmoid():
    random = torch.Generator().manual_seed(0)
    real, generated = (torch.randn(2, 1, 4, 4, generator=random, dtype=torch.float64) * 3 for _ in range(2))
    loss = discriminator_loss(real, generated)
    by_hand = [-torch.log(torch.sigmoid(real)).mean(), -torch.log(1 - torch.sigmoid(generated)).mean()]
    assert [loss.real.item(), loss.generated.item()] == pytest.approx([value.item() for value in by_hand], abs=1e-9)
    assert loss.total.item() == pytest.approx(sum(value.item() for value in by_hand) / 2, abs=1e-9)


def test_generator_loss_adds_the_weighted_absolute_error():
    zeros, ones = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    loss = generator_loss(torch.zeros(1, 1, 1, 1), zeros, ones * 0.25, l1_weight=100)
    assert loss.adversarial.item() == pytest.approx(math.log(2), abs=1e-6)
    assert loss.l1.item() == pytest.approx(0.25, abs=1e-6)
    assert loss.total.item() == pytest.approx(math.log(2) + 25, abs=1e-5)


def test_losses_of_extreme_logits_are_finite():
    far = torch.full((1, 1, 2, 2), 1000.0)
    loss = discriminator_loss(-far, far)
    assert loss.total.item() == pytest.approx(1000)
    assert discriminator_loss(far, -far).total.item() == pytest.approx(0)

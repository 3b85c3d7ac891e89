import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional

from pictures import tiny_mask
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.evaluation.metrics.spectrum import MeanSpectrum, Peak, measure
from retinasynth.generation.train import settings_of_preset
from retinasynth.images import photograph_from_signed, signed_from_labels
from retinasynth.networks.layers import AlwaysDropout, BatchNorm, initialise
from retinasynth.networks.patchgan import PatchDiscriminator, SameConvolution
from retinasynth.networks.ssim import ssim
from retinasynth.networks.unet import DoublingConvolution, EncoderStep, UNetGenerator
from retinasynth.pix2pix.network import ResizeGenerator, build_generator
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.pix2pix.settings import GeneratorSettings, LossSettings
from retinasynth.seeds import mixed_seed
from retinasynth.styled.losses import coarse_difference, texture_difference
from retinasynth.training.adversary import discriminator_loss, generator_loss

# The published networks, one row a layer: channels in, channels out, batch normalisation. The decoder's channels in
# are those of the step before it beside the skip connection's.
ENCODER = [
    (3, 64, False),
    (64, 128, True),
    (128, 256, True),
    (256, 512, True),
    (512, 512, True),
    (512, 512, True),
    (512, 512, True),
]
BOTTLENECK = (512, 512, False)
DECODER = [
    (512, 512, True),
    (512 + 512, 512, True),
    (512 + 512, 512, True),
    (512 + 512, 512, True),
    (512 + 512, 256, True),
    (256 + 256, 128, True),
    (128 + 128, 64, True),
]
OUTPUT = (64 + 64, 3, False)
DISCRIMINATOR = [
    (3 + 3, 64, False),
    (64, 128, True),
    (128, 256, True),
    (256, 512, True),
    (512, 512, True),
    (512, 1, False),
]


def trainable(before: int, after: int, norm: bool) -> int:
    kernel, bias, scale_and_shift = 4 * 4 * before * after, after, 2 * after
    return kernel + bias + (scale_and_shift if norm else 0)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def small_generator(*, depth: int = 5, filters: int = 4, dropout: float = 0.5, mask_channels: int = 1) -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(mask_channels, filters=filters, depth=depth, dropout=dropout)


@pytest.fixture(autouse=True)
def _callers_random_state() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.fixture(scope="module")
def source_generator() -> UNetGenerator:
    return UNetGenerator(3)


@pytest.fixture(scope="module")
def source_discriminator() -> PatchDiscriminator:
    return PatchDiscriminator(3)


# --- The published networks ---


def test_the_generator_has_the_published_number_of_weights_in_every_layer(source_generator: UNetGenerator) -> None:
    assert [count(step) for step in source_generator.encoder] == [trainable(*row) for row in ENCODER]
    assert count(source_generator.bottleneck) == trainable(*BOTTLENECK)
    assert [count(step) for step in source_generator.decoder] == [trainable(*row) for row in DECODER]
    assert count(source_generator.output) == trainable(*OUTPUT)
    assert count(source_generator) == sum(trainable(*row) for row in [*ENCODER, BOTTLENECK, *DECODER, OUTPUT])
    assert count(source_generator) == 54_419_459


def test_the_discriminator_has_the_published_number_of_weights(source_discriminator: PatchDiscriminator) -> None:
    assert count(source_discriminator) == sum(trainable(*row) for row in DISCRIMINATOR) == 6_965_441
    kernels = [layer for layer in source_discriminator.layers if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in kernels] == [row[:2] for row in DISCRIMINATOR]
    assert [layer.stride for layer in kernels] == [(2, 2)] * 4 + [(1, 1)] * 2


def test_the_generator_halves_256_px_down_to_one_and_back(source_generator: UNetGenerator) -> None:
    shapes: list[tuple[int, ...]] = []
    layers = [
        *source_generator.encoder,
        source_generator.bottleneck,
        *source_generator.decoder,
        source_generator.output,
    ]
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, result: shapes.append(tuple(result.shape[1:])))
        for layer in layers
    ]
    with torch.inference_mode():
        photograph = source_generator(torch.full((1, 3, 256, 256), -1.0))
    for hook in hooks:
        hook.remove()
    encoder = [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2)]
    decoder = [(1024, 2), (1024, 4), (1024, 8), (1024, 16), (512, 32), (256, 64), (128, 128)]  # own and skip
    assert shapes == [(channels, px, px) for channels, px in [*encoder, (512, 1), *decoder, (3, 256)]]
    assert photograph.shape == (1, 3, 256, 256)
    assert -1 <= photograph.min() < photograph.max() <= 1


def test_the_discriminator_judges_16_by_16_patches_at_256_px() -> None:
    discriminator = PatchDiscriminator(3, filters=2)
    assert discriminator(torch.zeros(2, 3, 256, 256), torch.zeros(2, 3, 256, 256)).shape == (2, 1, 16, 16)
    assert discriminator(torch.zeros(1, 3, 512, 512), torch.zeros(1, 3, 512, 512)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("depth", "height", "width"), [(5, 32, 32), (6, 64, 64), (4, 48, 48), (4, 32, 64), (7, 128, 128), (2, 20, 20)]
)
def test_other_sizes_come_back_as_they_went_in(depth: int, height: int, width: int) -> None:
    network = small_generator(depth=depth, filters=2)
    features: list[Tensor] = []
    network.bottleneck.register_forward_hook(lambda _layer, _given, result: features.append(result))
    assert network(torch.randn(2, 1, height, width)).shape == (2, 3, height, width)
    assert features[0].shape == (2, 2 * min(2 ** (depth - 1), 8), height // 2**depth, width // 2**depth)
    assert len(network.encoder) == len(network.decoder) == depth - 1


# --- Independent implementations ---


def normalised(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One picture, by the textbook."""
    mean = features.mean(dim=(2, 3), keepdim=True)
    variance = ((features - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    return (features - mean) / torch.sqrt(variance + 1e-3) * weight[:, None, None] + bias[:, None, None]


def test_the_generator_equals_the_published_equations() -> None:
    network = small_generator(depth=5, dropout=0.0, mask_channels=3).double()
    for parameter in network.parameters():  # scales and shifts that differ from 1 and 0
        nn.init.normal_(parameter, 0.0, 0.3)
    # Layer after layer in the order of the publication, not by the names of the attributes.
    kernels = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [layer for layer in network.modules() if isinstance(layer, BatchNorm)]
    assert (len(kernels), len(norms)) == (10, 7)

    def norm(features: Tensor, number: int) -> Tensor:
        return normalised(features, norms[number].weight, norms[number].bias)

    mask = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    features, skips = mask, []
    for step, kernel in enumerate(kernels[:4]):
        features = functional.conv2d(features, kernel.weight, kernel.bias, stride=2, padding=1)
        features = features if step == 0 else norm(features, step - 1)
        features = torch.maximum(features, 0.2 * features)
        skips.append(features)
    features = functional.conv2d(features, kernels[4].weight, kernels[4].bias, stride=2, padding=1)
    assert features.min() < 0 < features.max()
    features = features.clamp(min=0)
    for step, kernel in enumerate(kernels[5:9]):
        features = functional.conv_transpose2d(features, kernel.weight, kernel.bias, stride=2, padding=1)
        features = torch.cat([norm(features, 3 + step), skips[3 - step]], dim=1).clamp(min=0)
    expected = torch.tanh(
        functional.conv_transpose2d(features, kernels[9].weight, kernels[9].bias, stride=2, padding=1)
    )
    torch.testing.assert_close(network(mask), expected, rtol=0, atol=1e-12)
    assert expected.std() > 0.05


@pytest.mark.parametrize(("stride", "size"), [(1, 7), (1, 6), (2, 6)])
def test_same_convolution_pads_as_tensorflow_does(stride: int, size: int) -> None:
    layer = SameConvolution(1, 1, stride).double()
    picture = np.random.default_rng(0).normal(size=(size, size))
    kernel, bias = layer.weight[0, 0].detach().numpy(), layer.bias.item()
    # TensorFlow: max(kernel - stride, 0) zeros in all where stride divides the size; the smaller half comes before.
    zeros_before = (4 - stride) // 2
    expected = np.full((size // stride, size // stride), bias)
    for row, column in np.ndindex(expected.shape):
        for y, x in np.ndindex(4, 4):
            at_y, at_x = row * stride + y - zeros_before, column * stride + x - zeros_before
            if 0 <= at_y < size and 0 <= at_x < size:
                expected[row, column] += kernel[y, x] * picture[at_y, at_x]
    computed = layer(torch.from_numpy(picture)[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-12)


def test_a_patch_is_exactly_142_by_142_px() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, filters=2, norm="none").double()
    mask = torch.randn(1, 1, 512, 512, dtype=torch.float64, requires_grad=True)
    photograph = torch.randn(1, 3, 512, 512, dtype=torch.float64, requires_grad=True)
    discriminator(mask, photograph)[0, 0, 16, 16].backward()
    first = 16
    for stride in (1, 1, 2, 2, 2, 2):  # from the logit back to the picture, each with one zero before
        first = first * stride - 1
    for picture in (mask, photograph):
        seen = picture.grad[0].ne(0).any(dim=0)
        for direction in (0, 1):
            places = seen.any(dim=direction).nonzero().flatten()
            assert (places.min().item(), places.max().item()) == (first, first + 141)
        assert seen.sum() == 142 * 142


# --- Normalisation ---


def test_first_encoder_and_outer_discriminator_steps_have_no_norm() -> None:
    generator = small_generator()
    assert [any(isinstance(part, BatchNorm) for part in step.modules()) for step in generator.encoder] == [
        False,
        True,
        True,
        True,
    ]
    assert not any(isinstance(part, BatchNorm) for part in generator.bottleneck.modules())
    assert all(any(isinstance(part, BatchNorm) for part in step.modules()) for step in generator.decoder)
    kinds = [type(layer) for layer in PatchDiscriminator(1, filters=2).layers]
    assert kinds == [
        *[SameConvolution, nn.LeakyReLU],
        *[SameConvolution, BatchNorm, nn.LeakyReLU] * 4,
        SameConvolution,
    ]


def test_activations_are_leaky_where_published() -> None:
    step = EncoderStep(1, 1, norm=False).double()
    nn.init.zeros_(step.convolution.weight)
    for bias, expected in ((-2.0, -0.4), (3.0, 3.0)):
        nn.init.constant_(step.convolution.bias, bias)
        assert step(torch.zeros(1, 1, 2, 2, dtype=torch.float64)).item() == pytest.approx(expected, abs=1e-15)
    discriminator = PatchDiscriminator(1, filters=2)
    slopes = [layer.negative_slope for layer in discriminator.layers if isinstance(layer, nn.LeakyReLU)]
    assert slopes == [0.2] * 5


def batch_of_pictures() -> Tensor:
    # Variances near eps, so that another eps shows; another level for each picture, so that pooling them shows.
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 2, 5, 4, generator=random, dtype=torch.float64) * 0.03
    return noise + torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)[:, None, None, None]


def norm_layer() -> BatchNorm:
    norm = BatchNorm(2).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, 0.5]))
        norm.bias.copy_(torch.tensor([-1.0, 2.0]))
    return norm


def test_batch_norm_in_training_uses_the_statistics_of_the_batch() -> None:
    norm, features = norm_layer().train(), batch_of_pictures()
    mean = features.mean(dim=(0, 2, 3), keepdim=True)
    variance = features.var(dim=(0, 2, 3), correction=0, keepdim=True)
    weight, bias = norm.weight[:, None, None], norm.bias[:, None, None]
    torch.testing.assert_close(
        norm(features), (features - mean) / torch.sqrt(variance + 0.001) * weight + bias, rtol=0, atol=1e-12
    )


def test_batch_norm_in_evaluation_uses_the_statistics_of_each_picture() -> None:
    norm, features = norm_layer().eval(), batch_of_pictures()
    expected = normalised(features, norm.weight, norm.bias)
    torch.testing.assert_close(norm(features), expected, rtol=0, atol=1e-12)
    alone = torch.cat([norm(picture[None]) for picture in features])
    torch.testing.assert_close(norm(features), alone, rtol=0, atol=1e-12)
    assert (norm.train()(features) - expected).abs().max() > 0.5


def test_with_one_picture_both_modes_are_the_same() -> None:
    norm, picture = norm_layer(), batch_of_pictures()[:1]
    assert torch.equal(norm.train()(picture), norm.eval()(picture))
    network, mask = small_generator(dropout=0.0), torch.randn(1, 1, 64, 64)
    assert torch.equal(network.train()(mask), network.eval()(mask))


def test_a_picture_does_not_depend_on_its_neighbours_in_evaluation_mode() -> None:
    network, masks = small_generator(dropout=0.0).eval(), torch.randn(3, 1, 64, 64)
    with torch.inference_mode():
        together, alone = network(masks), torch.cat([network(mask[None]) for mask in masks])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    with torch.inference_mode():
        assert (network.train()(masks) - alone).abs().max() > 1e-2


def test_no_running_statistics_are_kept() -> None:
    for network in (small_generator(), PatchDiscriminator(1, filters=2)):
        assert {name.rpartition(".")[2] for name in network.state_dict()} == {"weight", "bias"}
        assert not list(network.buffers())


def test_a_discriminator_without_norm_judges_each_picture_alone() -> None:
    discriminator = PatchDiscriminator(3, filters=4, norm="none").train()
    assert not any(isinstance(layer, BatchNorm | nn.BatchNorm2d) for layer in discriminator.modules())
    channels = [6, 4, 8, 16, 32, 32, 1]
    expected = sum(trainable(before, after, norm=False) for before, after in itertools.pairwise(channels))
    assert count(discriminator) == expected
    masks, photographs = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    together = discriminator(masks, photographs)
    torch.testing.assert_close(together[:1], discriminator(masks[:1], photographs[:1]), rtol=0, atol=1e-5)


# --- Dropout ---


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rate", [0.5, 0.3])
def test_dropout_is_on_in_both_modes_at_its_rate(rate: float, training: bool) -> None:
    torch.manual_seed(0)
    number = 100_000
    kept = AlwaysDropout(rate).train(training)(torch.ones(number))
    share = kept.eq(0).double().mean().item()
    assert abs(share - rate) < 5 * math.sqrt(rate * (1 - rate) / number)
    torch.testing.assert_close(kept[kept != 0].unique(), torch.tensor([1 / (1 - rate)]))


def test_dropout_is_in_the_first_three_decoder_steps_alone() -> None:
    network = small_generator(depth=7, filters=16).eval()
    shares = []

    def share_dropped(_layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        shares.append((result.eq(0) & given[0].ne(0)).double().mean().item())

    for step in network.decoder:
        step.dropout.register_forward_hook(share_dropped)
    network(torch.randn(2, 1, 128, 128))
    assert len(shares) == 6
    assert all(0.4 < share < 0.6 for share in shares[:3])  # the first has 1024 values
    assert shares[3:] == [0, 0, 0]


def test_the_source_drops_half(source_generator: UNetGenerator) -> None:
    assert [step.dropout.rate for step in source_generator.decoder] == [0.5, 0.5, 0.5, 0, 0, 0, 0]
    assert not any(isinstance(part, AlwaysDropout) for part in source_generator.encoder.modules())


# --- Generating ---


def test_the_seed_alone_decides_the_picture() -> None:
    network, mask = small_generator(), tiny_mask(0)
    torch.manual_seed(1)
    first = generate_photograph(network, mask[..., None], channels=1, seed=7)
    torch.manual_seed(2)
    assert np.array_equal(first, generate_photograph(network, mask[..., None], channels=1, seed=7))
    assert not np.array_equal(first, generate_photograph(network, mask[..., None], channels=1, seed=8))
    assert (first.shape, first.dtype) == ((32, 32, 3), np.uint8)


def test_without_dropout_the_seed_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # hardware without bf16
    network, mask = small_generator(dropout=0.0, mask_channels=3), tiny_mask(0)
    with torch.inference_mode():
        expected = network(torch.from_numpy(signed_from_labels(mask[..., None], 3))[None])[0].numpy()
    for seed in (0, 1):
        generated = generate_photograph(network, mask[..., None], channels=3, seed=seed)
        np.testing.assert_array_equal(generated, photograph_from_signed(expected))


@pytest.mark.parametrize("training", [True, False])
def test_generating_leaves_the_caller_as_it_was(training: bool) -> None:
    network = small_generator().train(training)
    modes: list[bool] = []
    network.bottleneck.register_forward_hook(lambda layer, _given, _result: modes.append(layer.training))
    state = torch.get_rng_state()
    generate_photograph(network, tiny_mask(0)[..., None], channels=1, seed=7)
    assert modes == [False]
    assert torch.equal(torch.get_rng_state(), state)
    assert {part.training for part in network.modules()} == {training}
    with pytest.raises(RuntimeError):  # the network takes one channel
        generate_photograph(network, tiny_mask(0)[..., None], channels=3, seed=7)
    assert torch.equal(torch.get_rng_state(), state)
    assert {part.training for part in network.modules()} == {training}


def test_mixed_seeds_differ_with_each_of_their_parts() -> None:
    seeds = {mixed_seed([seed, step, rank]) for seed in range(10) for step in range(10) for rank in range(3)}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)


# --- Initial weights ---


def convolutions(network: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize("scheme", ["normal", "glorot", "he"])
def test_initial_weights_have_the_published_spread(scheme: str) -> None:
    networks = [small_generator(filters=8), PatchDiscriminator(1, filters=8)]
    assert all(layer.bias.abs().max() > 0 for network in networks for layer in convolutions(network))
    for network in networks:
        initialise(network, scheme)
        for layer in convolutions(network):
            weights, number = layer.weight.detach().double(), layer.weight.numel()
            fan_in, fan_out = 16 * layer.in_channels, 16 * layer.out_channels
            bound = {"normal": math.inf, "glorot": math.sqrt(6 / (fan_in + fan_out)), "he": math.sqrt(6 / fan_in)}[
                scheme
            ]
            deviation = 0.02 if scheme == "normal" else bound / math.sqrt(3)
            assert abs(weights.mean().item()) < 5 * deviation / math.sqrt(number)
            assert abs(weights.std().item() / deviation - 1) < 5 / math.sqrt(2 * number)
            largest = weights.abs().max().item()
            if scheme == "normal":
                assert largest > 2.5 * deviation  # no uniform distribution reaches beyond 1.74 deviations
            else:
                assert (1 - 20 / number) * bound < largest <= bound * (1 + 1e-6)
            assert layer.bias.eq(0).all()
        for norm in network.modules():
            if isinstance(norm, BatchNorm):
                assert norm.weight.eq(1).all()
                assert norm.bias.eq(0).all()


# --- Losses ---


def test_logits_of_zero_cost_log_two_and_the_discriminator_half_of_both() -> None:
    zeros = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    judging = discriminator_loss(zeros, zeros)
    assert [value.item() for value in judging] == pytest.approx([math.log(2)] * 3, abs=1e-15)
    making = generator_loss(zeros, zeros, zeros, LossSettings())
    assert [value.item() for value in making if value is not None] == pytest.approx(
        [math.log(2), 0, math.log(2)], abs=1e-15
    )


def test_losses_equal_cross_entropy_after_a_sigmoid() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = (4 * torch.randn(2, 1, 4, 4, generator=random, dtype=torch.float64) for _ in range(2))
    judging = discriminator_loss(real, fake)
    expected_real, expected_fake = -torch.log(torch.sigmoid(real)).mean(), -torch.log(1 - torch.sigmoid(fake)).mean()
    torch.testing.assert_close(judging.real, expected_real, rtol=1e-12, atol=0)
    torch.testing.assert_close(judging.generated, expected_fake, rtol=1e-12, atol=0)
    torch.testing.assert_close(judging.total, 0.5 * (expected_real + expected_fake), rtol=1e-12, atol=0)
    generated, expected = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.25)
    generated[0, 0] = -0.25  # one channel of three is right
    making = generator_loss(fake, generated.double(), expected.double(), LossSettings(l1_weight=7))
    assert making.adversarial is not None
    torch.testing.assert_close(making.adversarial, -torch.log(torch.sigmoid(fake)).mean(), rtol=1e-12, atol=0)
    assert making.l1.item() == pytest.approx(0.5, abs=1e-12)
    assert making.total.item() == pytest.approx(making.adversarial.item() + 3.5, abs=1e-12)
    half = generator_loss(
        fake, generated.double(), expected.double(), LossSettings(l1_weight=7, adversarial_weight=0.5)
    )
    assert half.total.item() == pytest.approx(0.5 * making.adversarial.item() + 3.5, abs=1e-12)
    alone = generator_loss(None, generated.double(), expected.double(), LossSettings(l1_weight=7, adversarial_weight=0))
    assert alone.adversarial is None
    assert alone.total.item() == pytest.approx(3.5, abs=1e-12)


def test_ssim_is_that_of_the_source_protocol_and_is_learnt_from() -> None:
    random = np.random.default_rng(0)
    first = random.uniform(-1, 1, (2, 3, 20, 24))
    second = np.clip(first + random.normal(0, 0.3, first.shape), -1, 1)
    expected = np.mean(
        [structural_similarity(a, b, channel_axis=0, data_range=2) for a, b in zip(first, second, strict=True)]
    )
    tensors = [torch.from_numpy(values).float() for values in (first, second)]
    assert ssim(*tensors).item() == pytest.approx(expected, abs=1e-6)
    settings = LossSettings(l1_weight=3, ssim_weight=2, adversarial_weight=0)
    total = generator_loss(None, *tensors, settings).total.item()
    assert total == pytest.approx(3 * np.abs(first - second).mean() + 2 * (1 - expected), abs=1e-5)
    first_alone = generator_loss(None, *(one[:1] for one in tensors), settings).total.item()
    weighed = generator_loss(None, *tensors, settings, torch.tensor([4.0, 0.0])).total.item()
    assert weighed == pytest.approx(2 * first_alone, rel=1e-6)


def test_extreme_logits_stay_finite() -> None:
    sure = torch.full((1, 1, 4, 4), 1e4, requires_grad=True)
    right, wrong = discriminator_loss(sure, -sure), discriminator_loss(-sure, sure)
    assert [value.item() for value in right] == [0, 0, 0]
    assert [value.item() for value in wrong] == [1e4, 1e4, 1e4]
    wrong.total.backward()
    assert torch.isfinite(sure.grad).all()
    assert sure.grad.abs().sum() > 0


# --- The generator without a checkerboard ---


def resize_generator(size_px: int = 32, **changes: Any) -> ResizeGenerator:
    torch.manual_seed(0)
    settings = GeneratorSettings(architecture="resize", filters=8, depth=3, dropout=0.3, **changes)
    made = build_generator(1, size_px, settings)
    assert isinstance(made, ResizeGenerator)
    return made.eval()


def test_the_resize_generator_of_lean_has_a_few_million_weights() -> None:
    lean = settings_of_preset("lean")
    generator = build_generator(lean.data.mask_channels, lean.data.size_px, lean.generator)
    assert sum(weight.numel() for weight in generator.parameters()) == 5_115_603


def test_it_begins_as_the_canvas_whatever_the_mask_and_learns_from_there() -> None:
    generator = resize_generator()
    canvas = torch.rand(3, 32, 32) * 2 - 1
    generator.start_from(canvas)
    mask = torch.sign(torch.randn(2, 1, 32, 32))
    torch.testing.assert_close(generator(mask), canvas.expand(2, 3, 32, 32), rtol=0, atol=0)
    generator(mask).sum().backward()
    assert generator.output.weight.grad is not None
    assert generator.output.weight.grad.abs().sum() > 0


def test_a_picture_depends_on_its_mask_and_not_on_its_batch() -> None:
    generator = resize_generator()
    masks = torch.sign(torch.randn(3, 1, 32, 32))
    together = generator(masks)
    torch.testing.assert_close(together[1:2], generator(masks[1:2]), rtol=1e-4, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_it_leaves_no_grid_in_its_pictures_where_the_source_does() -> None:
    """Untrained, of the masks of eyes: both draw what their layers let them."""
    torch.manual_seed(0)
    source = UNetGenerator(1, filters=8, depth=3, dropout=0).eval()

    def peak(generator: nn.Module) -> Peak:
        spectrum = MeanSpectrum()
        for seed in range(4):
            mask = signed_from_labels(phantom_eye(seed, 128).planes["vessels"][..., None], 1)
            with torch.no_grad():
                drawn = generator(torch.from_numpy(mask)[None])[0]
            spectrum += measure(photograph_from_signed((drawn / drawn.abs().max()).numpy()))
        return spectrum.peak()

    assert not peak(resize_generator(128)).is_pattern()
    assert peak(source).is_pattern()


def test_a_spectrally_normalised_discriminator_has_kernels_of_norm_one() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, filters=4, norm="spectral")
    initialise(discriminator, "he")
    for _ in range(60):  # each pass in training improves the estimate of the norm
        discriminator(torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64))
    for layer in discriminator.layers:
        if isinstance(layer, SameConvolution):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
            original = layer.parametrizations["weight"].original
            bound = math.sqrt(6 / (layer.in_channels * 16))
            assert original.abs().max() <= bound
            assert original.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_doubling_is_a_transposed_convolution_at_every_size(size: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours = DoublingConvolution(6, 4).to(memory_format=layout)  # type: ignore[call-overload]
    plain = nn.ConvTranspose2d(6, 4, kernel_size=4, stride=2, padding=1)
    plain.load_state_dict(ours.state_dict())
    features = torch.randn(3, 6, size, size)
    torch.testing.assert_close(ours(features), plain(features), rtol=1e-5, atol=1e-5)
    ours(features).square().sum().backward()
    plain(features).square().sum().backward()
    assert ours.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-4)


def test_generation_in_bf16_is_that_in_fp32_within_a_few_grey_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, labels = small_generator(dropout=0.0, filters=8), tiny_mask(0)[..., None]
    initialise(network, "he")
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    exact = generate_photograph(network, labels, channels=1, seed=0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    half = generate_photograph(network, labels, channels=1, seed=0)
    assert half.dtype == np.uint8
    difference = np.abs(half.astype(int) - exact)
    assert 0 < difference.mean() < 4


# --- Texture ---


@pytest.fixture
def places():
    """All in the field of view, half of it vessels."""
    inside, vessels = torch.ones(1, 1, 128, 128), torch.zeros(1, 1, 128, 128)
    vessels[..., :64] = 1
    return inside, vessels


def test_textures_are_compared_by_amount_and_not_by_place(places):
    torch.manual_seed(0)
    one, other = torch.randn(2, 1, 3, 128, 128) / 5
    assert texture_difference(one, one, *places) == 0
    assert texture_difference(one, other, *places) < 0.1
    twice = texture_difference(2 * one, other, *places)
    assert twice.item() == pytest.approx(math.log(2), abs=0.05)
    smooth = torch.nn.functional.avg_pool2d(one, 3, 1, 1)
    assert texture_difference(smooth, one, *places) > 0.3


def test_crisp_vessels_do_not_make_up_for_a_smooth_background(places):
    torch.manual_seed(0)
    one, other = torch.randn(2, 1, 3, 128, 128) / 5
    inside = places[0]
    stripes = torch.zeros(1, 1, 128, 128)
    stripes[..., ::16] = 1  # each with its edges a fifth of every window
    near = torch.nn.functional.max_pool2d(stripes, 3, 1, 1)
    crisp = torch.where(near > 0, 2.5 * one, 0.6 * one)
    unseen, seen = (texture_difference(crisp, other, inside, vessels) for vessels in (0 * stripes, stripes))
    assert seen > 1.4 * unseen


def test_textures_outside_the_field_of_view_do_not_count(places):
    torch.manual_seed(0)
    inside, vessels = 0 * places[0], places[1]
    inside[..., 32:96, 32:96] = 1
    one, other = torch.randn(2, 1, 3, 128, 128) / 5
    louder = torch.where(inside > 0, one, 5 * one)
    compared = texture_difference(one, other, inside, vessels)
    assert texture_difference(louder, other, inside, vessels) < 1.5 * compared
    assert texture_difference(one, other, 0 * inside, vessels) == 0
    small = (one, other, inside, vessels)
    assert texture_difference(*(picture[..., :16, :16] for picture in small)) == 0


def test_pixels_are_compared_coarsely_but_near_vessels_finely():
    real, vessels = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    vessels[..., :16] = 1
    checkered = torch.ones(1, 1, 64, 64)
    checkered[..., ::2] = -1
    stripes = torch.ones(1, 1, 64, 64)
    stripes[..., torch.arange(64) // 4 % 2 == 0] = -1  # of 4 pixels: gone in means of 16
    assert coarse_difference(real + checkered, real, vessels) == 0
    near = coarse_difference(real + stripes, real, vessels)
    assert near.item() == pytest.approx(17 / 64, abs=0.02)  # vessels with their edges
    assert coarse_difference(real + stripes, real, 0 * vessels) == 0
    assert coarse_difference(real + 0.5, real, 0 * vessels).item() == pytest.approx(0.5)
    assert coarse_difference(real + 0.5, real, 0 * vessels + 1).item() == pytest.approx(1)

"""Typed settings: what can be chosen, in which range, and the presets that choose it.

A run is described by one `Settings` (photographs from masks), `SegmenterSettings` (label planes from photographs) or
`EnhancerSettings` (better photographs from worse ones).
It is made from a preset, a YAML file, or either with overrides (``--set optimiser.learning_rate=1e-4`` or, since the
name is unambiguous, ``--set learning_rate=1e-4``), is written into the run folder, and is never asked for again:
resuming, generating and evaluating read it there.
"""

from retinasynth.config.enhancer import (
    DegradationSettings,
    EnhancementData,
    EnhancementLossSettings,
    EnhancerNetworkSettings,
    EnhancerSettings,
)
from retinasynth.config.generator import (
    PRESETS,
    DataSettings,
    DiscriminatorSettings,
    GeneratorSettings,
    LossSettings,
    OptimiserSettings,
    Settings,
    TrainingSettings,
    label_channels,
    refuse_odd_planes,
    refuse_odd_size,
    refuse_styled_planes,
)
from retinasynth.config.sections import (
    Appearance,
    Centre,
    CropPx,
    FieldPx,
    Initialisation,
    Laterality,
    LoopSettings,
    Plane,
    Precision,
    Resize,
    RunSettings,
    Section,
    SizePx,
    Text,
    descriptions,
    did_you_mean,
    explain,
    flat,
    full_name,
)
from retinasynth.config.segmenter import (
    PRESETS as SEGMENTER_PRESETS,
)
from retinasynth.config.segmenter import (
    AdamWSettings,
    AugmentationSettings,
    Looks,
    NetworkSettings,
    Normalisation,
    SegmentationData,
    SegmentationLossSettings,
    SegmenterSettings,
    refuse_odd_reading,
)

__all__ = [
    "PRESETS",
    "SEGMENTER_PRESETS",
    "AdamWSettings",
    "Appearance",
    "AugmentationSettings",
    "Centre",
    "CropPx",
    "DataSettings",
    "DegradationSettings",
    "DiscriminatorSettings",
    "EnhancementData",
    "EnhancementLossSettings",
    "EnhancerNetworkSettings",
    "EnhancerSettings",
    "FieldPx",
    "GeneratorSettings",
    "Initialisation",
    "Laterality",
    "Looks",
    "LoopSettings",
    "LossSettings",
    "NetworkSettings",
    "Normalisation",
    "OptimiserSettings",
    "Plane",
    "Precision",
    "Resize",
    "RunSettings",
    "Section",
    "SegmentationData",
    "SegmentationLossSettings",
    "SegmenterSettings",
    "Settings",
    "SizePx",
    "Text",
    "TrainingSettings",
    "descriptions",
    "did_you_mean",
    "explain",
    "flat",
    "full_name",
    "label_channels",
    "refuse_odd_planes",
    "refuse_odd_reading",
    "refuse_odd_size",
    "refuse_styled_planes",
]

"""What one metric has to say: a section of the report, and the values that stand for it in ``evaluation.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retinasynth.report.sections import Section


@dataclass(frozen=True)
class Finding(Section):
    """A section of the report with its values.

    Attributes:
        values: for ``evaluation.json``, under the key of the section.
        conventions: how it was measured, by name.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)

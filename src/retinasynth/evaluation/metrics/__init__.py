"""One file for each thing that is measured.

To add a metric of whole sets: a file here with a function that takes the photographs (or their features) and returns
numbers with intervals; call it in `retinasynth.evaluation.sets.set_parts`, which makes of it a
`retinasynth.report.sections.Part`: sentences, a table, values for ``evaluation.json``, conventions.

To add a metric of single pictures: a file here; a field in `retinasynth.evaluation.results.Figures` with its name,
decimals, unit, direction and convention in the tables above it (`LOWER_IS_BETTER` decides what better means); and its
call in `retinasynth.evaluation.run`. What a segmenter finds again is `vessels_found`.
"""

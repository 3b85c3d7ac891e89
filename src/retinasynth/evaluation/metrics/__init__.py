"""One file for each thing that is measured; `retinasynth.evaluation.run` says where a new one goes."""

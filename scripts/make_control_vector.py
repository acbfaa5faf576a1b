#!/usr/bin/env python3
"""Writes the control vector that crates/steercheck-model/tests/vectors reads, with repeng's own export over gguf's own writer.

usage: make_control_vector.py OUT.gguf

Needs `pip install gguf numpy` and `pip install --no-deps repeng` (0.4.0). What repeng imports for training alone (torch, transformers,
scikit-learn) is replaced by empty modules, so that nothing large is installed. The numbers are a formula of block and entry that the test repeats.
"""
import importlib.abc, importlib.machinery, sys, types

LARGE = {"torch", "transformers", "sklearn", "tqdm"}


class Empty(types.ModuleType):
    """A module with a class of any name."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "nn":
            return Empty(name)
        return type(name, (), {})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] in LARGE else None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())

import numpy as np

np.float_ = np.float64  # NumPy 2 dropped a name that repeng 0.4.0 uses in an annotation.
from repeng import ControlVector


def main(out):
    # As repeng numbers the blocks of a model of four: from the last one down to 1.
    directions = {n: np.array([n + i / 8 for i in range(8)], dtype=np.float32) for n in (3, 2, 1)}
    vector = ControlVector(model_type="llama", directions=directions)
    vector.export_gguf(out)
    assert ControlVector.import_gguf(out) == vector


main(sys.argv[1])

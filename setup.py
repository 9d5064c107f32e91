"""The scorer's kernel in C; all else is in `pyproject.toml`.

Where it cannot be compiled, the installation says so and goes on, and NumPy scores.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "lstm_model._kernel",
            ["lstm_model/_kernel.c"],
            depends=["lstm_model/_kernel_steps.h"],
            extra_compile_args=["-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
)

# SPDX-License-Identifier: Apache-2.0
"""Numbers worked out by hand, or with other programs, against samples/digits/reference.py.

usage: golden.py SAMPLES_DIGITS
"""
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import reference  # noqa: E402

T1, T2, T3 = [1, -2, .5, 0, 3, -.25], [2, 1, .5, 0, -1, -.5], [-1, -3, 0, .25, 2, -1]
T4, T5 = [4, -1, -.5, -.25, 5, .75], [1, -2, .25, .5, 2.5, -.5]
A, B = (T1, T2, T3, T4), (T1, T2, T3, T4, T5)
STEPS = [100, 200, 400, 100]
RADIUS = 2.5495097567963922

# rule, inputs, parameters, v
CASES = (
    ("task_arithmetic", A, {}, [6, -5, .5, 0, 9, -1]),
    ("fednova", A, {}, [2.875, -1.625, .125, -.09375, 4, 0]),
    ("fedgma", A, {"rho": .25}, [6, -5, .5, 0, 9, -1]),
    ("fedgma", A, {"rho": .5}, [6, -5, .125, 0, 9, -1]),
    ("fedgma", A, {"rho": .6}, [3, -2.5, .125, 0, 4.5, -.5]),
    ("median", A, {}, [1.5, -1.5, .25, 0, 2.5, -.375]),
    ("median", B, {}, [1, -2, .25, 0, 2.5, -.5]),
    ("trimmed_mean", A, {"trim": 1}, [1.5, -1.5, .25, 0, 2.5, -.375]),
    ("trimmed_mean", B, {"trim": 2}, [1, -2, .25, 0, 2.5, -.5]),
    ("cclip", A, {"radius": RADIUS}, [3.5744437, -2.70791404, .642271224, .0668876256, 4.28235774, -1.03336758]),
    ("cclip", A, {"radius": 100}, [6, -5, .5, 0, 9, -1]),
    ("metagpt", A, {}, [2.33333333, -1.39920635, -.140079365, -.0882936508, 3.56746032, .130357143]),
    ("inverse_norm", A, {}, list(np.array([.247742778, .367622492, .241496156, .143138574]) @ np.array(A))),
    ("geometric_median", A, {"iterations": 1},
     list(np.array([.497392553, .15271351, .193488934, .156405003]) @ np.array(A))),
)


def main():
    for name, inputs, parameters, expected in CASES:
        task = reference.Task(np.array(inputs, np.float32), [1] * len(inputs), STEPS[:len(inputs)])
        v = reference.RULES[name](task, **parameters)[0]
        if not np.allclose(v, expected, rtol=1e-6, atol=1e-6):
            sys.exit(f"{name} {parameters}: {v.tolist()}, expected {expected}")


main()

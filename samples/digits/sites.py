# SPDX-License-Identifier: Apache-2.0
"""The handwritten digits, dealt to sites that differ in labels, rotation, size and training."""
import dataclasses

import numpy as np

SITES = 7  # Bulyan with one bad site needs 4 * 1 + 3
SIDE = 8
CLASSES = 10
TEST = 500
VALIDATION = 250
PUBLIC = 150  # what the base is trained on
BASE_STEPS = 100

EQUAL_SIZES = (120,) * SITES
UNEQUAL_SIZES = (20, 30, 50, 80, 130, 210, 320)
EQUAL_STEPS = (300,) * SITES
UNEQUAL_STEPS = (50, 80, 130, 220, 370, 600, 1000)  # 20-fold
FEW_STEPS = (5, 8, 13, 22, 37, 60, 100)
UPRIGHT = (0,) * SITES
ANGLES = (-45, -30, -15, 0, 15, 30, 45)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How sites differ. `skew` is the concentration of a Dirichlet draw of label shares: small is
    very unequal, None is the same labels everywhere."""
    name: str
    title: str
    skew: float | None = None
    angles: tuple = UPRIGHT
    sizes: tuple = EQUAL_SIZES
    steps: tuple = EQUAL_STEPS
    rate: float = 0.1
    poison: str | None = None


SCENARIOS = (
    Scenario("even", "same data, same training"),
    Scenario("labels", "label skew", skew=0.2),
    Scenario("rotation", "rotation, -45 to 45 degrees", angles=ANGLES),
    Scenario("size", "20 to 320 images", sizes=UNEQUAL_SIZES),
    Scenario("steps", "label skew, 50 to 1000 steps", skew=0.5, steps=UNEQUAL_STEPS),
    Scenario("short", "label skew, 5 to 100 small steps", skew=0.5, steps=FEW_STEPS, rate=0.03),
    Scenario("all", "labels, rotation, size and steps", skew=0.5, angles=ANGLES, sizes=UNEQUAL_SIZES,
             steps=UNEQUAL_STEPS),
    Scenario("flipped", "mild label skew, one site's labels wrong", skew=1.0, poison="flipped"),
    Scenario("scaled", "mild label skew, one update times -8", skew=1.0, poison="scaled"),
)
QUICK = ("labels", "all", "scaled")
POISON_FACTOR = np.float32(-8)


@dataclasses.dataclass
class Site:
    images: np.ndarray
    labels: np.ndarray  # as the site trains on them
    truth: np.ndarray   # as they are
    steps: int
    is_bad: bool = False


@dataclasses.dataclass
class World:
    """One seed of one scenario."""
    public: tuple
    validation: tuple
    test: tuple
    sites: list


def rotation(degrees):
    """The 64 x 64 matrix that turns an image, bilinear, about its middle; outside is paper."""
    turned = np.zeros((SIDE * SIDE, SIDE * SIDE), np.float32)
    angle, middle = np.deg2rad(degrees), (SIDE - 1) / 2
    for row in range(SIDE):
        for column in range(SIDE):
            y, x = row - middle, column - middle
            from_y = np.cos(angle) * y - np.sin(angle) * x + middle
            from_x = np.sin(angle) * y + np.cos(angle) * x + middle
            top, left = int(np.floor(from_y)), int(np.floor(from_x))
            for near_y, share_y in ((top, top + 1 - from_y), (top + 1, from_y - top)):
                for near_x, share_x in ((left, left + 1 - from_x), (left + 1, from_x - left)):
                    if 0 <= near_y < SIDE and 0 <= near_x < SIDE:
                        turned[row * SIDE + column, near_y * SIDE + near_x] += share_y * share_x
    return turned


def turned_by_all(images, labels, angles):
    """The images as all sites see them: once per angle that occurs."""
    kinds = sorted(set(angles))
    return (np.concatenate([images @ rotation(kind).T for kind in kinds]), np.tile(labels, len(kinds)))


def deal(labels, sizes, skew, rng):
    """Indices of each site's images. Sites take turns, in proportion to their sizes, and draw a class
    by their own preference among those that are left."""
    left = [list(rng.permutation(np.flatnonzero(labels == kind))) for kind in range(CLASSES)]
    shares = [rng.dirichlet([skew] * CLASSES) if skew else None for _ in sizes]
    turns = np.concatenate([np.full(size, site) for site, size in enumerate(sizes)])
    rng.shuffle(turns)
    dealt = [[] for _ in sizes]
    for site in turns:
        remaining = np.array([len(heap) for heap in left], float)
        wanted = remaining if shares[site] is None else (shares[site] + 1e-9) * (remaining > 0)
        kind = rng.choice(CLASSES, p=wanted / wanted.sum())
        dealt[site].append(left[kind].pop())
    return dealt


def build(scenario, digits, seed):
    """Deals the digits: test, validation and public images first, the same for every scenario of a
    seed; the rest goes to the sites."""
    images, labels = digits
    order = np.random.default_rng([seed, 1]).permutation(len(labels))
    images, labels = images[order], labels[order]
    ends = np.cumsum([TEST, VALIDATION, PUBLIC])
    parts = np.split(np.arange(len(labels)), ends)
    rng = np.random.default_rng([seed, 2, [entry.name for entry in SCENARIOS].index(scenario.name)])
    # Which site is large, slow or bad must not hang on its place in the list.
    sizes, steps, angles = (rng.permutation(values) for values in (scenario.sizes, scenario.steps, scenario.angles))
    bad = int(rng.integers(SITES)) if scenario.poison else None
    rest_images, rest_labels = images[parts[3]], labels[parts[3]]
    sites = []
    for place, own in enumerate(deal(rest_labels, sizes, scenario.skew, rng)):
        truth = rest_labels[own]
        is_flipped = place == bad and scenario.poison == "flipped"
        sites.append(Site(rest_images[own] @ rotation(angles[place]).T, 9 - truth if is_flipped else truth, truth,
                          int(steps[place]), place == bad))
    return World(public=(images[parts[2]], labels[parts[2]]),
                 validation=turned_by_all(images[parts[1]], labels[parts[1]], scenario.angles),
                 test=turned_by_all(images[parts[0]], labels[parts[0]], scenario.angles), sites=sites)

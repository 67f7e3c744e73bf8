# SPDX-License-Identifier: Apache-2.0
# Every job comes once in a round, and not always after the same one: the next would always find what that one left
# behind.
mkdir d
onefold bench --verbose --size 4MB --models 2 --rules linear,task_arithmetic,fedavg --io threads --cache cold \
    --against raw,cat --runs 4 --repeat 1 d >out.txt 2>err.txt
python3 - out.txt err.txt <<'E2'
import collections, re, sys
rounds = collections.defaultdict(list)
for path in sys.argv[1:]:
    for line in open(path):
        found = re.search(r"round (\d+), (.+?): (raw limit )?[\d.]+ s", line)
        if found:
            rounds[int(found[1])].append(found[2])
# The raw limit beside a job is right before it and right behind it in turn; not everything has one.
for number, order in rounds.items():
    beside = [(i, name[len("beside "):]) for i, name in enumerate(order) if name.startswith("beside ")]
    assert len(beside) == 5, order
    for i, name in beside:
        assert order[i + 1 if number % 2 == 1 else i - 1].startswith(name), (number, name, order)
    rounds[number] = [name for name in order if not name.startswith("beside ")]
assert sorted(rounds) == [1, 2, 3, 4], rounds
names = sorted(rounds[1])
assert len(names) >= 5 and len(set(names)) == len(names), names
before = collections.defaultdict(set)
for order in rounds.values():
    assert sorted(order) == names, order
    for one, next_one in zip(order, order[1:]):
        before[next_one].add(one)
assert all(len(before[name]) >= 2 for name in names), dict(before)
E2

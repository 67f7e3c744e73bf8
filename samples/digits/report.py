# SPDX-License-Identifier: Apache-2.0
"""Tables of the results: runs.tsv has every row, table.md and table.tsv means and spread over the seeds."""
import dataclasses
import os
import statistics

YARDSTICK = "task_arithmetic"


@dataclasses.dataclass
class Row:
    """One model or rule of one seed of one scenario. Accuracies are shares."""
    name: str
    test: float                      # at the setting that was best on the validation data
    plain: float | None = None       # with beta 1 and the rule's plain setting
    validation: float | None = None
    parameters: dict | None = None
    beta: float | None = None
    ulps: float | None = None        # largest difference to reference.py


def spread(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def names(records):
    return list(dict.fromkeys(row.name for _, _, row in records))


def values(records, scenario, name, field="test"):
    """{seed: value} of a row."""
    return {seed: getattr(row, field) for place, seed, row in records if place == scenario and row.name == name}


def against(records, scenario, name):
    """Differences to the yardstick, seed by seed."""
    own, other = values(records, scenario, name), values(records, scenario, YARDSTICK)
    return [own[seed] - other[seed] for seed in own]


def table(heads, lines):
    text = ["| " + " | ".join(heads) + " |", "|" + " --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join(text + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def percent(numbers):
    return f"{100 * statistics.mean(numbers):.1f} ± {100 * spread(numbers):.1f}"


def accuracies(records, scenarios, field):
    """Lines of mean and spread; the best rule of a scenario stands in bold."""
    rules = [name for name in names(records) if any(row.validation is not None for _, _, row in records
                                                    if row.name == name)]
    lines = []
    for name in names(records) if field == "test" else rules:
        line = [name]
        for scenario in scenarios:
            own = list(values(records, scenario.name, name, field).values())
            best = max(statistics.mean(values(records, scenario.name, rule, field).values()) for rule in rules)
            is_best = name in rules and statistics.mean(own) >= best - 1e-12
            line.append(f"**{percent(own)}**" if is_best else percent(own))
        lines.append(line)
    return lines


def differences(records, scenarios):
    lines = []
    for name in names(records):
        if name == YARDSTICK:
            continue
        line = [name]
        for scenario in scenarios:
            own = against(records, scenario.name, name)
            won, lost = sum(value > 0 for value in own), sum(value < 0 for value in own)
            line.append(f"{100 * statistics.mean(own):+.1f} ± {100 * spread(own):.1f} ({won}:{lost})")
        lines.append(line)
    return lines


def chosen(records, scenarios):
    """The median beta that validation chose, and the parameters chosen most often."""
    lines = []
    for name in names(records):
        rows = {scenario.name: [row for place, _, row in records if place == scenario.name and row.name == name]
                for scenario in scenarios}
        if any(row.validation is None for own in rows.values() for row in own):
            continue
        line = [name]
        for scenario in scenarios:
            own = rows[scenario.name]
            betas = [row.beta for row in own if row.beta is not None]
            kinds = [", ".join(f"{key} {value}" for key, value in row.parameters.items()) for row in own]
            parts = [f"{statistics.median_low(betas):g}"] if betas else []
            parts += [max(kinds, key=kinds.count)] if any(kinds) else []
            line.append("; ".join(parts) or "–")
        lines.append(line)
    return lines


def write_runs(path, records):
    with open(path, "w", encoding="utf-8") as file:
        file.write("scenario\tseed\trule\ttest\tplain\tvalidation\tparameters\tbeta\tulps\n")
        for scenario, seed, row in records:
            cells = [scenario, str(seed), row.name, f"{row.test:.4f}"]
            cells += ["" if value is None else f"{value:.4f}" for value in (row.plain, row.validation)]
            cells.append(" ".join(f"{key}={value}" for key, value in (row.parameters or {}).items()))
            cells += ["" if value is None else f"{value:g}" for value in (row.beta, row.ulps)]
            file.write("\t".join(cells) + "\n")


def write_means(path, records, scenarios):
    with open(path, "w", encoding="utf-8") as file:
        file.write("rule\tscenario\tseeds\ttest_mean\ttest_spread\tdifference_mean\tdifference_spread\twon\tlost\n")
        for name in names(records):
            for scenario in scenarios:
                own = list(values(records, scenario.name, name).values())
                apart = against(records, scenario.name, name)
                file.write("\t".join([name, scenario.name, str(len(own)), f"{statistics.mean(own):.4f}",
                                      f"{spread(own):.4f}", f"{statistics.mean(apart):.4f}", f"{spread(apart):.4f}",
                                      str(sum(value > 0 for value in apart)),
                                      str(sum(value < 0 for value in apart))]) + "\n")


def write(folder, records, scenarios):
    write_runs(os.path.join(folder, "runs.tsv"), records)
    write_means(os.path.join(folder, "table.tsv"), records, scenarios)
    count = len({seed for _, seed, _ in records})
    heads = [""] + [scenario.name for scenario in scenarios]
    with open(os.path.join(folder, "table.md"), "w", encoding="utf-8") as file:
        file.write(f"Test accuracy in percent, mean ± standard deviation over {count} seeds; step (beta) and "
                   "parameters chosen on the validation data. Bold: the best rule.\n\n")
        file.write(table(heads, accuracies(records, scenarios, "test")))
        file.write("\nDifference to task arithmetic at its best step, seed by seed: mean ± standard deviation in "
                   "points (seeds better : seeds worse).\n\n")
        file.write(table(heads, differences(records, scenarios)))
        file.write("\nWithout any search: beta 1 (fedexp and feddyn set their own) and the plain setting of "
                   "`rules.py`. Bold: the best rule.\n\n")
        file.write(table(heads, accuracies(records, scenarios, "plain")))
        file.write("\nWhat validation chose: the median beta; the parameters chosen most often.\n\n")
        file.write(table(heads, chosen(records, scenarios)))

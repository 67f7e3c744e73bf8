# SPDX-License-Identifier: Apache-2.0
"""The results as a picture (SVG): one panel per scenario, one line per model or rule."""
import statistics
from xml.sax.saxutils import escape

import report

PER_ROW, LINE, PANEL, LEFT, TOP, GAP = 3, 17, 240, 150, 60, 32
HEAD = 60
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-weight: 600 } .large { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #666 }
  .axis { stroke: #bbb; stroke-width: 1 } .grid { stroke: #eee; stroke-width: 1 }
  .mark { stroke: #c2410c; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .spread { stroke: #1d4ed8; stroke-width: 2; opacity: .45 } .dot { fill: #1d4ed8 }
  .plain { fill: none; stroke: #1d4ed8 }
  .other { fill: #666 } .other-spread { stroke: #666; stroke-width: 2; opacity: .45 } .back { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .small { fill: #999 } .axis { stroke: #555 } .grid { stroke: #2c2c2c } .back { fill: #171717 }
    .mark { stroke: #fb923c } .spread { stroke: #93c5fd } .dot { fill: #93c5fd } .plain { stroke: #93c5fd }
    .other { fill: #aaa } .other-spread { stroke: #aaa }
  }
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def scale(low, high):
    """Ends of an axis, in percent, and the step of its marks."""
    for step in (2, 5, 10, 20, 25):
        first, last = int(low // step) * step, -int(-high // step) * step
        if last - first <= 5 * step:
            break
    return max(0, first), min(100, last) if 100 % step == 0 else last, step


def panel(records, scenario, rows, left, top):
    """One scenario. The scale fits its values."""
    means = {name: list(report.values(records, scenario.name, name).values()) for name in rows}
    plains = {name: [value for value in report.values(records, scenario.name, name, "plain").values()
                     if value is not None] for name in rows}
    ends = [statistics.mean(own) + side * report.spread(own) for own in means.values() for side in (-1, 1)]
    ends += [statistics.mean(own) for own in plains.values() if own]
    low, high, step = scale(100 * min(ends), 100 * max(ends))

    def at(value):
        return left + PANEL * (min(max(100 * value, low), high) - low) / (high - low)

    bottom = top + LINE * len(rows)
    parts = [text(left, top - 26, scenario.name, "title"), text(left, top - 11, scenario.title, "small"),
             line(left, bottom, left + PANEL, bottom, "axis")]
    for value in range(low, high + 1, step):
        parts += [line(at(value / 100), top, at(value / 100), bottom, "grid"),
                  text(at(value / 100), bottom + 14, str(value), "small", "middle")]
    yard = at(statistics.mean(means[report.YARDSTICK]))
    parts.append(line(yard, top, yard, bottom, "mark"))
    for place, name in enumerate(rows):
        y, own = top + LINE * place + LINE / 2, means[name]
        middle, wide = statistics.mean(own), report.spread(own)
        is_rule = bool(plains[name])
        parts.append(line(at(middle - wide), y, at(middle + wide), y, "spread" if is_rule else "other-spread"))
        parts.append(f'<circle cx="{at(middle):.1f}" cy="{y:.1f}" r="4" class="{"dot" if is_rule else "other"}"/>')
        if is_rule:
            parts.append(f'<circle cx="{at(statistics.mean(plains[name])):.1f}" cy="{y:.1f}" r="3.5" class="plain"/>')
    return parts


def write(path, records, scenarios):
    rows = report.names(records)
    high = LINE * len(rows) + TOP + 24
    bands = (len(scenarios) + PER_ROW - 1) // PER_ROW
    width, height = LEFT + PER_ROW * (PANEL + GAP), HEAD + bands * high
    parts = ['<!-- SPDX-License-Identifier: Apache-2.0 -->', f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             f'width="{width}" height="{height}" role="img" aria-label="Test accuracy of every rule in every scenario">',
             f"<style>{STYLE}</style>", f'<rect class="back" width="{width}" height="{height}"/>',
             text(12, 24, "Test accuracy (percent) on handwritten digits after merging seven sites", "large"),
             text(12, 42, "Filled: step and parameters chosen on validation data; mean and standard deviation over "
                  "seeds. Ring: no search, beta 1.", "small"),
             text(12, 58, "Dashed: task arithmetic at its best step. Grey: no merge. Scales differ.", "small")]
    for place, scenario in enumerate(scenarios):
        left, top = LEFT + place % PER_ROW * (PANEL + GAP), HEAD + TOP + place // PER_ROW * high
        if place % PER_ROW == 0:
            parts += [text(LEFT - 10, top + LINE * row + LINE / 2 + 4, name, "", "end")
                      for row, name in enumerate(rows)]
        parts += panel(records, scenario, rows, left, top)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts + ["</svg>", ""]))

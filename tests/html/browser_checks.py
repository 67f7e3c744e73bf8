# SPDX-License-Identifier: Apache-2.0
"""The script by which a copy of the page measures itself (test_html.py)."""

# Windows of a browser have a least width, frames have none. The scheme reaches a frame through the
# colour scheme of what holds it.
FRAME = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="color-scheme" content="light dark"><style>body{margin:0}
iframe{display:block;border:0;color-scheme:light dark;width:%dpx;height:900px}</style></head>
<body><iframe srcdoc="%s"></iframe></body></html>"""

# Details are opened, so that what they hold is measured as well. Labels of one drawing must not lie on
# one another; text may be cut off by boxes that scroll, by nothing else.
MEASURE = r"""
document.querySelectorAll('details').forEach(d => { d.open = true; });
const root = document.documentElement;
const result = {client: root.clientWidth, scroll: root.scrollWidth, outside: [], clipped: [],
                overlaps: [], smallest: null,
                dark: matchMedia('(prefers-color-scheme: dark)').matches,
                ground: +getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]};
for (const e of document.body.querySelectorAll('*')) {
    if (e.closest('.scroll') && !e.classList.contains('scroll') || e.closest('svg')) { continue; }
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > root.clientWidth + 0.5 || box.left < -0.5)) {
        result.outside.push(e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40));
    }
}
for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    const labels = [];
    for (const text of svg.querySelectorAll('text')) {
        const box = text.getBoundingClientRect();
        const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
        const words = text.lastChild ? text.lastChild.textContent : '';
        if (words === '') { continue; }
        result.smallest = result.smallest === null ? size : Math.min(result.smallest, size);
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 3 ||
            box.bottom > frame.bottom + 3) {
            result.clipped.push(words);
        }
        for (const other of labels) {
            /* Boxes of text hold its full line height: a third of it is air. */
            const air = Math.min(box.height, other.box.height) / 3;
            if (box.left < other.box.right - 0.5 && other.box.left < box.right - 0.5 &&
                box.top < other.box.bottom - air && other.box.top < box.bottom - air) {
                result.overlaps.push(words + ' / ' + other.words);
            }
        }
        labels.push({box, words});
    }
}
const pre = document.createElement('pre');
pre.id = 'measured';
pre.textContent = JSON.stringify(result);
parent.document.body.append(pre);
"""

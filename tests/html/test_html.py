#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTML pages of `onefold compare` and `onefold bench`, read and shown. Prints TAP.

usage: test_html.py MAKE_PAGE page|browser [KEEP_FOLDER]     make_bench_page lies beside MAKE_PAGE

page: structure, names, references, contrasts and how the file is written. browser: headless Chromium
measures the page at the widths of a telephone and a desk, light and dark; screenshots are left in
KEEP_FOLDER for people to look at. What the machine lacks is skipped.
"""
import html
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zlib

from browser_checks import FRAME, MEASURE

MAKE_PAGE = sys.argv[1]
# name: inputs, layers, kind
PAGES = {
    "plain": (8, 32, "plain"),
    "odd": (8, 48, "odd"),
    "one": (1, 4, "plain"),
    "two": (2, 12, "far"),
    "loose": (3, 0, "plain"),
    "many": (64, 400, "plain"),
    "huge": (200, 600, "plain"),
    "empty": (4, 3, "empty"),
}
# Of bench, by kind.
BENCH = {"bench-plain": "plain", "bench-odd": "odd", "bench-bare": "bare"}
PLAIN = ["math-instruct", "code", "medical-notes-v2", "law", "chat", "translation-de-en",
         "summaries", "math-instruct-b"]
ODD = ["<script>alert(1)</script>", "a&b \"quoted\" 'single'", "--><!-- ]]> </title></style>",
       "a-very-long-name-that-somebody-gave-to-a-model-because-long-names-say-more-and-cannot-be-broken",
       "\u6a21\u578b\u5408\u5e76\u540d\u5b57\u5f88\u957f", "bytes \ufffd\ufffd\ufffd and \ufffd\ufffd controls",
       "right \ufffd to left", ""]
BYTES_MAX = 2000000
FOLDER = tempfile.mkdtemp(prefix="onefold-html-")
count = 0
failed = 0


def report(name, problems):
    global count, failed
    count += 1
    failed += 1 if problems else 0
    print("%s %d - %s" % ("not ok" if problems else "ok", count, name))
    for problem in problems[:20]:
        print("# " + str(problem).encode("ascii", "backslashreplace").decode())
    sys.stdout.flush()


def make(path, inputs, layers, kind, **more):
    return subprocess.run([MAKE_PAGE, path, str(inputs), str(layers), kind], capture_output=True,
                          check=False, **more)


def page(name):
    path = os.path.join(FOLDER, name + ".html")
    if not os.path.exists(path):
        if name in BENCH:
            maker = os.path.join(os.path.dirname(MAKE_PAGE), "make_bench_page")
            done = subprocess.run([maker, path, BENCH[name]], capture_output=True, check=False)
        else:
            done = make(path, *PAGES[name])
        if done.returncode != 0:
            raise RuntimeError("make_page: " + done.stderr.decode())
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def tree(name):
    return ElementTree.fromstring(read(page(name)))


def text_of(element):
    return "".join(element.itertext())


# ---- Structure ----


def check_structure(name):
    text = read(page(name))
    problems = []
    if not text.startswith("<!DOCTYPE html>\n"):
        problems.append("no doctype")
    if len(text.encode()) > BYTES_MAX:
        problems.append("%d bytes" % len(text.encode()))
    root = ElementTree.fromstring(text)
    if root.tag != "html" or root.get("lang") != "en" or not root.find("head/title").text:
        problems.append("no html, language or title")
    metas = [m.attrib for m in root.iter("meta")]
    if {"charset": "utf-8"} not in metas or not any(m.get("name") == "viewport" for m in metas):
        problems.append("no charset or viewport")
    ids = [e.get("id") for e in root.iter() if e.get("id") is not None]
    problems += ["id twice: " + i for i in set(ids) if ids.count(i) > 1]
    for element in root.iter():
        named = (element.get("aria-labelledby") or "").split()
        href = element.get("href")
        if href is not None:
            named.append(href[1:])
            if not href.startswith("#"):
                problems.append("a link leads outside: " + href)
        problems += ["nothing has the id " + i for i in named if i not in ids]
    levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch("h[1-6]", e.tag)]
    if levels.count(1) != 1 or any(b > a + 1 for a, b in zip(levels, levels[1:])):
        problems.append("heading levels: %s" % levels)
    return problems


ALLOWED = set("""html head meta title style body header h1 h2 h3 p nav ul li a main section b code dl
div dt dd strong table caption thead tbody tr th td span br wbr figure figcaption details summary
footer svg g rect text line circle path use desc""".split())
ATTRIBUTES = set("""lang charset http-equiv content name id class href aria-label aria-labelledby
aria-hidden role tabindex scope viewBox width height x y rx x1 x2 y1 y2 cx cy r d style text-anchor
font-size""".split())


def check_alone(name):
    """Nothing is loaded and nothing can run: only known elements and attributes, a closed policy."""
    root = tree(name)
    problems = []
    for element in root.iter():
        if element.tag not in ALLOWED:
            problems.append("element " + element.tag)
        problems += ["attribute " + a for a in element.attrib if a not in ATTRIBUTES]
    style = root.find("head/style").text
    problems += ["style has " + word for word in ("url(", "@import", "@font-face", "//", "expression")
                 if word in style]
    policy = [m.get("content") for m in root.iter("meta") if m.get("http-equiv")]
    if policy != ["default-src 'none'; style-src 'unsafe-inline'"]:
        problems.append("policy %s" % policy)
    return problems


def check_drawings(name):
    problems = []
    for svg in tree(name).iter("svg"):
        box = (svg.get("viewBox") or "").split()
        if len(box) != 4 or float(box[2]) <= 0 or float(box[3]) <= 0:
            problems.append("viewBox %s" % box)
        if svg.get("aria-hidden") != "true":
            title, desc = svg.find("title"), svg.find("desc")
            if svg.get("role") != "img" or title is None or not title.text or desc is None:
                problems.append("a drawing without role, title or description")
        for path in svg.iter("path"):
            if not re.fullmatch(r"([MLhz]|-?\d+(\.\d+)?|,)*", path.get("d")):
                problems.append("path " + path.get("d")[:80])
    return problems


def check_tables(name):
    problems = []
    for table in tree(name).iter("table"):
        head = table.findall("thead/tr/th")
        if not head or any(th.get("scope") != "col" for th in head):
            problems.append("a table without column headers")
        for row in table.findall("tbody/tr"):
            cells = list(row)
            if len(cells) != len(head):
                problems.append("a row has %d cells, the head %d" % (len(cells), len(head)))
            if cells[0].get("scope") != "row" or any(c.tag != "td" for c in cells[1:]):
                problems.append("a row without its header")
            problems += ["an empty cell" for c in cells[1:] if not text_of(c)]
    return problems


def check_numbers(name):
    """What is not finite is a dash or the sign of infinity, a minus is a true one."""
    body = text_of(tree(name).find("body"))
    found = re.findall(r"(?<![\w-])-?(?:nan|inf)(?![\w-])|(?<![\w-])-\d", body)
    return ["%s in the text" % f for f in found]


def check_names(name):
    inputs, kind = PAGES[name][0], PAGES[name][2]
    expected = (ODD if kind == "odd" else PLAIN)[:inputs]
    expected = ["%d\u00a0%s" % (i + 1, n) for i, n in enumerate(expected)]
    root = tree(name)
    models = [text_of(th) for th in root.findall(".//section[@id='models']//th[@scope='row']")]
    problems = ["not among the models: " + e for e in expected if e not in models]
    if len(models) < inputs:
        problems.append("%d of %d models" % (len(models), inputs))
    base = "<base> & \"co\"" if kind == "odd" else "open-8b-base"
    if text_of(root.find("body/header/p/b")) != base or base not in root.find("head/title").text:
        problems.append("the base is not named")
    return problems


def check_sections(name):
    """What has no meaning for these inputs is left out, and links agree with sections."""
    inputs, layers, kind = PAGES[name]
    expected = ["findings"]
    if kind != "empty":
        expected += ["overview", "models"]
        expected += ["directions", "signs"] if inputs > 1 else []
        expected += ["layers", "kinds", "steps", "terms"]
    root = tree(name)
    sections = [s.get("id") for s in root.iter("section")]
    links = [a.get("href")[1:] for a in root.findall("body/nav//a")]
    problems = []
    if sections != expected or links != expected:
        problems.append("sections %s, links %s" % (sections, links))
    panels = root.findall(".//div[@class='panels']/figure")
    if kind != "empty" and len(panels) != (min(inputs, 64) if layers > 0 else 0):
        problems.append("%d panels" % len(panels))
    cells = root.findall(".//figure[@class='map']//g/rect")
    if inputs > 1 and kind != "empty" and len(cells) != min(inputs, 64) ** 2 + 21:
        problems.append("%d cells in the map" % len(cells))
    return problems


def check_values():
    """Some numbers, where they belong: the made-up data has a near copy and a model like the base."""
    problems = []
    root = tree("plain")
    best = text_of(root.find(".//ul[@class='key']/li"))
    if not re.match(r"math-instruct \(1\) and math-instruct-b \(8\)0\.9\d\d$", best):
        problems.append("most alike: " + best)
    planned = [text_of(c) for c in root.find(".//tr[@class='planned']")]
    if planned != ["planned here", "0.125", "1.00"]:
        problems.append("planned: %s" % planned)
    levels = [li.get("class") for li in tree("odd").findall(".//ul[@class='findings']/li")]
    if levels != ["error", "warning", "note", "note"]:
        problems.append("findings: %s" % levels)
    rows = {text_of(r[0]): [text_of(c) for c in r] for r in
            tree("odd").findall(".//section[@id='models']//tbody/tr")}
    if rows["3\u00a0" + ODD[2]][1:4] != ["0", "\u2013", "\u2013"]:
        problems.append("like the base: %s" % rows["3\u00a0" + ODD[2]])
    if rows["base: <base> & \"co\""][5:7] != ["0", "12,345"]:
        problems.append("base: %s" % rows["base: <base> & \"co\""])
    if "\u221e" not in text_of(tree("odd").find(".//dl[@class='tiles']")):
        problems.append("no infinite norm ratio")
    return problems


def check_bench():
    """A panel for each rule and one for what it is compared with, a row for each job; skips are said."""
    problems = []
    root = tree("bench-plain")
    merges = root.findall(".//section[@id='merges']//figure")
    if len(merges) != 2 * 4 or len(root.findall(".//section[@id='time']//figure")) != 2 * 3:
        problems.append("%d panels of ratios" % len(merges))
    if len(root.findall(".//section[@id='merges']//rect")) != 2 * (3 * 6 + 6):
        problems.append("not a bar for each job")
    if len(root.findall(".//section[@id='numbers']//tbody/tr")) != 2 * 26:
        problems.append("not a row for each job")
    if len(root.findall(".//section[@id='kernels']//rect")) != 27:
        problems.append("not a bar for each kernel")
    odd = [text_of(li) for li in tree("bench-odd").findall(".//ul[@class='findings']/li")]
    if len(odd) != 6 or "<b>no</b> & \"no\": uring" not in odd[0]:
        problems.append("skipped: %s" % odd)
    if [s.get("id") for s in tree("bench-bare").iter("section")] != ["machine", "kernels", "terms"]:
        problems.append("sections without merges")
    return problems


# ---- Colours ----


def luminance(colour):
    colour = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(colour[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def check_contrast():
    style = tree("one").find("head/style").text
    light, dark = style.split("prefers-color-scheme:dark", 1)
    problems = []
    for scheme, rules in (("light", light), ("dark", dark)):
        colours = dict(re.findall(r"--(\w+):(#\w+)", rules))
        pairs = [(text, ground) for text in ("ink", "soft", "one", "two") for ground in ("bg", "card")]
        pairs += [(text, text + "bg") for text in ("note", "warn", "bad")]
        pairs += [(text, ground) for text in ("ink", "soft") for ground in
                  ("notebg", "warnbg", "badbg", "grid")]
        for text, ground in pairs:
            value = contrast(colours[text], colours[ground])
            if value < 4.5 and ground != "grid":
                problems.append("%s: %s on %s: %.2f" % (scheme, text, ground, value))
        steps = re.findall(r"\.(\w+) rect\{fill:(#\w+)\}\.\w+ text\{fill:(#\w+)\}", rules)
        if len(steps) != 21:
            problems.append("%s: %d steps of the map" % (scheme, len(steps)))
        problems += ["%s: step %s" % (scheme, step) for step, ground, text in steps
                     if contrast(ground, text) < 4.5]
    return problems


# ---- The file ----


def check_file():
    problems = []
    folder = os.path.join(FOLDER, "file")
    os.mkdir(folder)
    path = os.path.join(folder, "page.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write("old")
    os.symlink("page.html", os.path.join(folder, "link.html"))
    make(os.path.join(folder, "link.html"), 2, 2, "plain", umask=0o027)
    if not os.path.islink(os.path.join(folder, "link.html")) or read(path) == "old":
        problems.append("a link did not stay, or its target was not replaced")
    if stat.S_IMODE(os.stat(path).st_mode) != 0o640:
        problems.append("mode %o" % os.stat(path).st_mode)
    for wrong in (folder, os.path.join(folder, "none", "page.html"), "/dev/full",
                  os.path.join(folder, "n" * 300)):
        done = make(wrong, 2, 2, "plain")
        if done.returncode != 1 or not done.stderr:
            problems.append("%s: exit code %d" % (wrong, done.returncode))
    if make("/dev/stdout", 2, 2, "plain").stdout.decode() != read(path):
        problems.append("not the same on standard output")
    if sorted(os.listdir(folder)) != ["link.html", "page.html"]:
        problems.append("left behind: %s" % os.listdir(folder))
    return problems


def run_page():
    for name in PAGES:
        report("structure of " + name, check_structure(name))
        report("nothing is loaded by " + name, check_alone(name))
        report("drawings of " + name, check_drawings(name))
        report("tables of " + name, check_tables(name))
        report("numbers of " + name, check_numbers(name))
        report("sections of " + name, check_sections(name))
        if PAGES[name][2] != "empty":
            report("names of " + name, check_names(name))
    for name in BENCH:
        report("structure of " + name, check_structure(name))
        report("nothing is loaded by " + name, check_alone(name))
        report("drawings of " + name, check_drawings(name))
        report("tables of " + name, check_tables(name))
        report("numbers of " + name, check_numbers(name))
    report("cases of bench", check_bench())
    report("values", check_values())
    report("contrast", check_contrast())
    report("file", check_file())


# ---- The browser ----


def browse(chromium, path, width, dark, *actions):
    profile = tempfile.mkdtemp(prefix="profile-", dir=FOLDER)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               "--no-first-run", "--disable-extensions", "--disable-background-networking",
               "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
               "--user-data-dir=" + profile, "--enable-logging=stderr",
               "--blink-settings=preferredColorScheme=%d" % (0 if dark else 1),
               "--window-size=%d,1000" % width, *actions, "file://" + path]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120,
                          env=dict(os.environ, HOME=FOLDER))
    shutil.rmtree(profile, ignore_errors=True)
    complaints = [line for line in done.stderr.decode(errors="replace").split("\n")
                  if "CONSOLE" in line]
    return done, complaints


def check_layout(chromium, name, width, dark):
    """A copy of the page measures itself; the policy of the original would forbid that."""
    text = read(page(name))
    copy = os.path.join(FOLDER, "measured.html")
    measured = re.sub(r"<meta http-equiv[^>]*>", "", text).replace(
        "</body>", "<script>%s</script></body>" % MEASURE)
    with open(copy, "w", encoding="utf-8") as file:
        file.write(FRAME % (width, html.escape(measured)))
    done, problems = browse(chromium, copy, width, dark, "--dump-dom")
    found = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout.decode(errors="replace"), re.S)
    if not found:
        return problems + ["nothing was measured", done.stderr.decode(errors="replace")[-400:]]
    data = json.loads(html.unescape(found.group(1)))
    if data["client"] != width:
        problems.append("the window is %d wide, not %d" % (data["client"], width))
    if data["scroll"] > data["client"]:
        problems.append("the page is %d wide in %d" % (data["scroll"], data["client"]))
    problems += ["out of the window: " + what for what in data["outside"]]
    problems += ["out of its drawing: " + what for what in data["clipped"]]
    problems += ["one label on another: " + what for what in data["overlaps"]]
    if data["smallest"] is not None and data["smallest"] < 8:
        problems.append("text of %.1f pixels" % data["smallest"])
    if data["dark"] != dark or (data["ground"] < 128) != dark:
        problems.append("scheme: %s, ground %d" % (data["dark"], data["ground"]))
    return problems


def mean_of_png(path):
    """Size and the mean of all bytes of an 8-bit picture without interlace."""
    with open(path, "rb") as file:
        data = file.read()
    place, packed = 8, b""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place:place + 8])
        packed += data[place + 8:place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    step = {2: 3, 6: 4}[colour] if depth == 8 else 0
    raw, row, total, shades = zlib.decompress(packed), bytearray(width * step), 0, set()
    for y in range(height):
        begin = y * (width * step + 1)
        how, line = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * step])
        for x, byte in enumerate(line):
            left = line[x - step] if x >= step else 0
            up, corner = row[x], row[x - step] if x >= step else 0
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                          (abs(guess - corner), 2, corner))[2]
            line[x] = (byte + (0, left, up, (left + up) // 2, nearest)[how]) & 255
        total += sum(line[0::step]) + sum(line[1::step])
        shades.update(line[0::step])
        row = line
    return width, height, total / (2 * width * height), len(shades)


def check_picture(chromium, name, width, dark, keep):
    """The page as it is, with its policy: no complaint, not blank, light or dark."""
    picture = os.path.join(keep, "%s-%d-%s.png" % (name, width, "dark" if dark else "light"))
    done, problems = browse(chromium, page(name), width, dark, "--screenshot=" + picture)
    if not os.path.exists(picture):
        return problems + ["no picture", done.stderr.decode(errors="replace")[-400:]]
    size = mean_of_png(picture)
    if size[0] != width or (size[2] < 128) != dark or size[3] < 40:
        problems.append("width %d, height %d, mean %.0f, %d shades" % size)
    return problems


def check_print(chromium):
    path = os.path.join(FOLDER, "page.pdf")
    done, problems = browse(chromium, page("plain"), 1200, False, "--print-to-pdf=" + path)
    if not os.path.exists(path):
        return problems + ["nothing was printed", done.stderr.decode(errors="replace")[-400:]]
    with open(path, "rb") as file:
        pages = len(re.findall(rb"/Type\s*/Page\b", file.read()))
    if not 2 <= pages <= 12:
        problems.append("%d pages" % pages)
    return problems


def run_browser():
    chromium = next((c for c in map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
                     if c), None)
    if chromium is None:
        print("1..0 # SKIP no chromium")
        sys.exit(0)
    keep = sys.argv[3] if len(sys.argv) > 3 else FOLDER
    for name in ("plain", "odd", "one", "two", "many"):
        for width, dark in ((360, name != "plain"), (1200, name == "plain")):
            scheme = "dark" if dark else "light"
            report("layout of %s, %d wide, %s" % (name, width, scheme),
                   check_layout(chromium, name, width, dark))
    for name in BENCH:
        for width, dark in ((360, name != "bench-plain"), (1200, name == "bench-plain")):
            report("layout of %s, %d wide, %s" % (name, width, "dark" if dark else "light"),
                   check_layout(chromium, name, width, dark))
    for width in (360, 1200):
        for dark in (False, True):
            report("picture, %d wide, %s" % (width, "dark" if dark else "light"),
                   check_picture(chromium, "plain", width, dark, keep))
    report("picture of bench-plain", check_picture(chromium, "bench-plain", 1200, False, keep))
    report("print", check_print(chromium))


try:
    {"page": run_page, "browser": run_browser}[sys.argv[2]]()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
print("1..%d" % count)
sys.exit(1 if failed else 0)

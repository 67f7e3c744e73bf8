# SPDX-License-Identifier: Apache-2.0
# On a terminal that can show them: blocks and shades; without NO_COLOR also colours.
mkst base/model.safetensors h.0.w:F32:2:0
mkst a/model.safetensors h.0.w:F32:2:3,4
mkst b/model.safetensors h.0.w:F32:2:6,0
cat >look.py <<'PYTHON'
import os
import pty
import sys

def show(**more):
    seen = []
    def read(fd):
        data = os.read(fd, 65536)
        seen.append(data)
        return data
    os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **more})
    status = pty.spawn(["onefold", "compare", "--base", "base", "a", "b"], read)
    assert status == 0, status
    return b"".join(seen).decode()

colour = show()
assert "█" in colour and "▓" in colour, colour
assert "\033[31m" in colour
plain = show(NO_COLOR="1")
assert "█" in plain and "\033[3" not in plain, plain
dumb = show(TERM="dumb")
assert dumb.isascii() and "#" in dumb, dumb
latin = show(LC_ALL="C")
assert latin.isascii(), latin
PYTHON
python3 look.py >/dev/null

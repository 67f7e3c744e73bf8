# SPDX-License-Identifier: Apache-2.0
"""Runs the tool on one case and looks at what must hold for every case; prints TAP."""
import json
import os
import re
import subprocess
import tempfile
import threading

# Generous: a sanitized build on a busy machine needs seconds where a plain one needs milliseconds.
SECONDS_MAX = 120
# The bound every case is run with, and the resident memory allowed to a plain build.
MEMORY = "64MiB"
RESIDENT_KIB_MAX = 64 * 1024
# What is kept of a run's output. The kernel counts the memory of this process to that of the programs
# it starts, so it has to stay small itself.
OUT_BYTES_MAX = 1 << 20
ID = re.compile(r"\[([a-z0-9]+(?:-[a-z0-9]+)*)\]\s*$", re.MULTILINE)


class Result:
    """What one run of the tool did."""

    def __init__(self, code, out, err, resident_kib):
        self.code = code
        self.out = out
        self.err = err
        self.resident_kib = resident_kib
        self.text = err.decode("utf-8", "replace")
        self.ids = ID.findall(self.text)

    def tensor_count(self):
        found = re.search(rb'"tensor_count":(\d+)', self.out)
        return int(found.group(1)) if found else -1

    def checkpoint(self):
        return json.loads(self.out)["data"]["checkpoints"][0]


class Tool:
    """The program under test, and the folder it is run in."""

    def __init__(self, path, is_sanitized):
        self.path = os.path.abspath(path)
        self.is_sanitized = is_sanitized

    def run(self, arguments, folder, environment):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen([self.path] + arguments, cwd=folder, env=environment,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            timer = threading.Timer(SECONDS_MAX, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            return Result(process.returncode, out.read(OUT_BYTES_MAX), err.read(OUT_BYTES_MAX),
                          usage.ru_maxrss)

    def problems(self, result, code):
        """What is wrong with a run whatever it was about. `code`: allowed exit codes."""
        found = []
        if result.code < 0:
            found.append("ended by signal %d (or after %d seconds)" % (-result.code, SECONDS_MAX))
        elif result.code not in code:
            found.append("exit %d, expected %s" % (result.code, " or ".join(map(str, code))))
        if "Sanitizer" in result.text or "runtime error:" in result.text:
            found.append("a sanitizer complained")
        if result.code > 0 and not result.ids:
            found.append("no error id in the message")
        if any(byte < 0x20 and byte != 0x0A or byte == 0x7F for byte in result.err):
            found.append("a control character in the message")
        if not self.is_sanitized and result.resident_kib > RESIDENT_KIB_MAX:
            found.append("%d KiB resident" % result.resident_kib)
        return found


class Tap:
    """Numbers and prints results."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def report(self, name, problems, result=None, remark=""):
        self.count += 1
        if problems:
            self.failed += 1
        print("%sok %d - %s%s" % ("not " if problems else "", self.count,
                                  name.encode("ascii", "backslashreplace").decode(),
                                  "  (%s)" % remark if remark else ""))
        for line in problems:
            print("# " + line)
        if problems and result is not None:
            for line in result.text.splitlines()[:20]:
                print("#   " + line.encode("ascii", "backslashreplace").decode())

    def end(self):
        print("1..%d" % self.count)
        return 1 if self.failed else 0


def environment(folder):
    """The caller's, with an empty Hugging Face cache and home."""
    result = {name: value for name, value in os.environ.items()
              if not name.startswith(("HF_", "HUGGINGFACE_", "XDG_"))}
    result["HF_HOME"] = folder
    result["HOME"] = folder
    result["LC_ALL"] = "C"
    return result


def everything(root):
    """All paths below a folder with size and time, to see that nothing was written."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[path] = (status.st_size, status.st_mtime_ns)
    return found

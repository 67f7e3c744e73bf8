# SPDX-License-Identifier: Apache-2.0
"""Cases that a repository cannot carry: links, pipes, sparse and very large files, files damaged in
every place. Usage: made.py ONEFOLD [--sanitized]"""
import json
import os
import stat
import struct
import sys
import tempfile

import program
from generate import entry, safetensors

SMALL = safetensors(b'{"__metadata__":{"k":"v"},' + entry("a", 0, 8, "F32", [2]) + b"," +
                    entry("b", 8, 12, "BF16", [2, 1]) + b"}", bytes(range(12)))
MIB = 1 << 20


class Made:
    """One folder, one tool, one TAP stream."""

    def __init__(self, tool, root):
        self.tool = tool
        self.root = root
        self.tap = program.Tap()
        os.mkdir(os.path.join(root, "none"))

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def folder(self, name, shards, index=None):
        """A checkpoint folder: {file name: bytes}, and the map of its index."""
        os.mkdir(self.path(name))
        for shard, data in shards.items():
            self.write(os.path.join(name, shard), data)
        if index is not None:
            self.write(os.path.join(name, "model.safetensors.index.json"),
                       json.dumps({"weight_map": index}).encode())

    def inspect(self, target, *options):
        if "--memory" not in options:
            options += ("--memory", program.MEMORY)
        return self.tool.run(["inspect", "--json", *options, target],
                             self.root, program.environment(self.path("none")))

    def expect(self, title, target, code, error_id=None, tensors=None, options=()):
        """One case, one verdict."""
        result = self.inspect(target, *options)
        problems = self.tool.problems(result, code if isinstance(code, list) else [code])
        if error_id is not None and error_id not in result.ids:
            problems.append("no [%s] in the message" % error_id)
        if not problems and tensors is not None and result.tensor_count() != tensors:
            problems.append("%d tensors" % result.tensor_count())
        self.tap.report(title, problems, result)


def meaning(data):
    """What Python's JSON makes of a header: name to (type, shape, first byte in the file)."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length].decode())
    header.pop("__metadata__", None)
    return {name: (value["dtype"], value["shape"], 8 + length + value["data_offsets"][0])
            for name, value in header.items()}


def damaged(made):
    """A file cut at every byte is refused; with any bit of it turned it is refused, or accepted with
    exactly the meaning its bytes have."""
    for length in range(len(SMALL)):
        made.write("cut.safetensors", SMALL[:length])
        result = made.inspect("cut.safetensors")
        problems = made.tool.problems(result, [3])
        if problems:
            made.tap.report("cut after %d bytes" % length, problems, result)
    made.tap.report("cut after every byte: refused", [])

    header_end = 8 + struct.unpack("<Q", SMALL[:8])[0]
    for bit in range(header_end * 8):
        data = bytearray(SMALL)
        data[bit // 8] ^= 1 << bit % 8
        made.write("bit.safetensors", bytes(data))
        result = made.inspect("bit.safetensors")
        problems = made.tool.problems(result, [0, 3])
        if result.code == 0:
            got = {tensor["name"]: (tensor["dtype"], tensor["shape"], tensor["offset"])
                   for tensor in result.checkpoint()["tensors"]}
            if got != meaning(bytes(data)):
                problems.append("another meaning: %s" % got)
        if problems:
            made.tap.report("bit %d turned" % bit, problems, result)
    made.tap.report("every bit of the header turned: refused, or read as it stands", [])


def kinds(made):
    """Whatever else may stand under a name."""
    os.mkfifo(made.path("pipe.safetensors"))
    made.expect("a pipe", "pipe.safetensors", 3, "input-kind")
    os.mkdir(made.path("folder.safetensors"))
    made.expect("a folder named like a file", "folder.safetensors", 3, "checkpoint-none")
    made.expect("/dev/zero", "/dev/zero", 3, "input-kind")
    made.expect("/dev/null", "/dev/null", 3, "input-kind")
    made.expect("nothing", "absent.safetensors", 3, "checkpoint-missing")
    made.expect("a path through a file", "bit.safetensors/x", 3)
    made.expect("a name that is too long", "x" * 5000, 3, "checkpoint-missing")
    made.write("secret.safetensors", SMALL)
    os.chmod(made.path("secret.safetensors"), 0)
    if os.geteuid() != 0:
        made.expect("no permission", "secret.safetensors", 3, "input-access")
    os.chmod(made.path("secret.safetensors"), stat.S_IRUSR | stat.S_IWUSR)
    made.write("x.incomplete", SMALL)
    made.expect("a download in progress", "x.incomplete", 3, "checkpoint-incomplete")


def links(made):
    """A cache links its snapshots to blobs; only the last component is followed, and only to a file."""
    shard = safetensors(b"{" + entry("a", 0, 4) + b"}", bytes(4))
    name = "model-00001-of-00001.safetensors"
    os.mkdir(made.path("blobs"))
    made.write("blobs/0123", shard)
    made.folder("snapshot", {}, {"a": name})
    os.symlink("../blobs/0123", made.path("snapshot", name))
    made.expect("a shard is a link into blobs", "snapshot", 0, tensors=1)
    made.expect("the same with --no-symlinks", "snapshot", 3, options=["--no-symlinks"])
    made.folder("dangling", {}, {"a": name})
    os.symlink("../blobs/absent", made.path("dangling", name))
    made.expect("a shard is a dangling link", "dangling", 3)
    made.folder("loop", {}, {"a": name})
    os.symlink(name, made.path("loop", name))
    made.expect("a shard is a link to itself", "loop", 3)
    made.folder("device", {}, {"a": name})
    os.symlink("/dev/zero", made.path("device", name))
    made.expect("a shard is a link to a device", "device", 3)


def names(made):
    """Odd file names work, and are escaped where they are shown."""
    for title, name in [("newline", b"new\nline"), ("escape", b"\x1b[31mred"),
                        ("not UTF-8", b"\xff\xfe"), ("255 bytes", b"n" * 243)]:
        good = os.fsdecode(name + b".safetensors")
        made.write(good, SMALL)
        made.expect("file name with " + title, good, 0)
        made.write(good, SMALL + b"x")
        made.expect("the same, damaged", good, 3, "st-trailing")


def write_many(made):
    """The files of sizes()."""
    many = [entry("t%d" % i, i, i + 1) for i in range(100000)]
    made.write("many.safetensors", safetensors(b"{" + b",".join(many) + b"}", bytes(100000)))
    many = [entry("t%d" % i, 0, 0) for i in range(100000)]
    made.write("empty.safetensors", safetensors(b"{" + b",".join(many) + b"}"))

    mine = {}
    for i in range(100000):
        mine.setdefault("model-%05d-of-00600.safetensors" % (i * 600 // 100000 + 1), []).append(i)
    shards = {name: safetensors(b"{" + b",".join(entry("t%d" % i, at, at + 1)
                                                 for at, i in enumerate(numbers)) + b"}",
                                bytes(len(numbers))) for name, numbers in mine.items()}
    made.folder("sharded", shards,
                {"t%d" % i: name for name, numbers in mine.items() for i in numbers})

    made.folder("shards", {}, {"t%d" % i: "s%d.safetensors" % i for i in range(5000)})
    made.folder("large", {})
    made.write("large/model.safetensors.index.json", b"")
    os.truncate(made.path("large", "model.safetensors.index.json"), 129 * MIB)

    entries = [b'"%d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}' % (i, i, i + 1)
               for i in range(1400000)]
    made.write("tiny.safetensors",
               safetensors(b"{" + b",".join(entries) + b"}", bytes(len(entries))))
    entries = [b'"%d":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}' % i
               for i in range(1200000)]
    made.write("same.safetensors", safetensors(b"{" + b",".join(entries) + b"}", bytes(1)))


def sizes(made):
    """Limits, and the memory bound of --memory. The files are written by a process of its own."""
    child = os.fork()
    if child == 0:
        write_many(made)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the large files could not be written")
    made.expect("100,000 tensors", "many.safetensors", 0, tensors=100000)
    made.expect("100,000 tensors without bytes", "empty.safetensors", 0, tensors=100000)
    made.expect("100,000 tensors in 600 shards", "sharded", 0, tensors=100000)
    made.expect("5,000 shards", "shards", 3, "index-limit")
    made.expect("an index of 129 MiB", "large", 3, "index-size")
    # inspect's bound is that of the records; the program itself comes on top of it.
    records = ["--memory", "64MiB"]
    made.expect("a header of 95 MB of tiny entries", "tiny.safetensors", 4, "memory-header",
                options=records)
    made.expect("1.2 million entries on the same byte", "same.safetensors", [3, 4],
                options=records)


def sparse(made):
    """A tensor larger than any memory: only its header is read."""
    terabyte = 1 << 40
    header = b"{" + entry("t", 0, terabyte, "U8", [terabyte]) + b"}"
    made.write("sparse.safetensors", safetensors(header))
    try:
        os.truncate(made.path("sparse.safetensors"), 8 + len(header) + terabyte)
    except OSError:
        made.tap.report("a sparse file of 1 TiB # SKIP the file system has no such files", [])
        return
    made.expect("a sparse file of 1 TiB", "sparse.safetensors", 0, tensors=1)


def recipes(made):
    """Recipes that are no files, and one that is slow for its parser unless it is stopped early."""
    made.write("deep.yml", b"a: " + b"[" * 100000)
    os.mkfifo(made.path("pipe.yml"))
    for title, name, codes in [("100,000 open brackets", "deep.yml", [2]),
                               ("a recipe that is a pipe", "pipe.yml", [2, 3]),
                               ("a recipe that is /dev/zero", "/dev/zero", [2, 3])]:
        result = made.tool.run(["plan", name], made.root, program.environment(made.path("none")))
        made.tap.report(title, made.tool.problems(result, codes), result)


def main():
    tool = program.Tool(sys.argv[1], "--sanitized" in sys.argv[2:])
    with tempfile.TemporaryDirectory(prefix="onefold-inputs-") as root:
        made = Made(tool, root)
        for group in (damaged, kinds, links, names, sizes, sparse, recipes):
            group(made)
        return made.tap.end()


sys.exit(main())

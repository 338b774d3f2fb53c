#!/usr/bin/python3
"""floors.py finds what it is there to find."""
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).with_name("floors.py")


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, "lib", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
        return done.returncode, done.stdout


def expect(name, files, code, words):
    got, out = run(files)
    if got != code or words not in out:
        sys.exit(f"{name}: expected exit {code} and {words!r}, got exit {got} and:\n{out}")


expect("downward is fine", {"net/a.hpp": '#include "base/b.hpp"\n', "base/b.hpp": ""}, 0, "ok")
expect("upward", {"base/a.hpp": '#include "mirror/b.hpp"\n'}, 1, "base (floor 0) includes mirror (floor 3)")
expect("circle on one floor", {"net/a.hpp": '#include "port/b.hpp"\n', "port/b.hpp": '#include "net/a.hpp"\n'}, 1,
       "circle: net -> port -> net")
expect("unknown module", {"extra/a.hpp": ""}, 1, "has no floor")
expect("offload and dataplane", {"offload/a.cpp": '#include "dataplane/b.hpp"\n'}, 1, "never include each other")

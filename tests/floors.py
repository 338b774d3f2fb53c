#!/usr/bin/python3
"""Checks the floors of doc/architecture.md: a module includes only lower floors, and no circle exists on any floor.

usage: floors.py [REPOSITORY]      exit 1 and one line a finding
"""
import pathlib
import re
import sys

FLOOR = {
    "base": 0,
    "net": 1, "rcu": 1, "port": 1,
    "tunnel": 2, "netlink": 2, "fib": 2,
    "config": 3, "mirror": 3,
    "gid": 4, "resolver": 4,
    "offload": 5, "dataplane": 5,
    "control": 6, "telemetry": 6,
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def edges(lib):
    """Yields (module, included module, file) for each include that leaves its module."""
    for path in sorted(lib.rglob("*.[ch]pp")):
        module = path.relative_to(lib).parts[0]
        for name in INCLUDE.findall(path.read_text()):
            target = name.split("/")[0]
            if target != module:
                yield module, target, path


def circle(graph):
    """A circle as a list of modules, or None."""
    done = set()

    def walk(node, trail):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        for target in sorted(graph.get(node, ())):
            found = walk(target, trail + [node])
            if found:
                return found
        done.add(node)
        return None

    return next((found for node in sorted(graph) if (found := walk(node, []))), None)


def findings(lib):
    graph = {}
    for directory in sorted(p for p in lib.iterdir() if p.is_dir()):
        if directory.name not in FLOOR:
            yield f"{directory}: the module has no floor: add it to {sys.argv[0]} and doc/architecture.md"
    for module, target, path in edges(lib):
        if target not in FLOOR:
            yield f'{path}: includes "{target}/...", which is no module of lib/'
            continue
        graph.setdefault(module, set()).add(target)
        if FLOOR.get(module, 0) < FLOOR[target]:
            yield f"{path}: {module} (floor {FLOOR[module]}) includes {target} (floor {FLOOR[target]})"
        if {module, target} == {"offload", "dataplane"}:
            yield f"{path}: offload and dataplane never include each other"
    if loop := circle(graph):
        yield "circle: " + " -> ".join(loop)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(findings(root / "lib"))
    print("\n".join(found) or "floors: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Prints the map of the house: its rooms, and the arrows between them, from the code's own imports.

python tools/house_map.py                  print it
python tools/house_map.py --write FILE     put it between the two marks of a page
python tools/house_map.py --check FILE     exit 1 if the page shows another map

A room is a folder of modules, or a module that lies beside the folders of its package. An arrow
says that one room imports from another; imports for types alone count. Rooms stand on floors: each
uses only rooms below it. Rooms that use each other, directly or by way of others, are a circle; a
circle is printed instead of the map, and the exit code is 1.
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- the map of the house: `make docs` writes it -->"
END = "<!-- end of the map -->"
WIDTH = 96

Arrows = dict[str, set[str]]
"""What each room uses."""


@dataclass(frozen=True, slots=True)
class House:
    """Packages, and the rooms in each.

    Attributes:
        packages: What each package uses of the others.
        rooms: Package to its rooms; a room's name ends with "/" where it is a folder, and is
            followed by what the room uses of its own package.
    """

    packages: Arrows
    rooms: dict[str, Arrows]


def read(folders: Iterable[Path]) -> House:
    """Reads the packages in these `src` folders."""
    modules = {
        name: path
        for folder in folders
        for path, name in _modules(folder)
        if path.name != "__init__.py" or "import " in path.read_text()
    }
    packages: Arrows = {}
    rooms: dict[str, Arrows] = {}
    for name, path in modules.items():
        package, room = _place(name, path)
        uses = rooms.setdefault(package, {}).setdefault(room, set())
        beside = packages.setdefault(package, set())
        for target in _imported(path, modules):
            other, used = _place(target, modules[target])
            if other != package:
                beside.add(other)
            elif used != room:
                uses.add(used)
    return House(packages, rooms)


def circles(house: House) -> list[str]:
    """One circle of each package that has any, and of the packages; each as "a -> b -> a"."""
    found = []
    for arrows in (house.packages, *house.rooms.values()):
        try:
            TopologicalSorter(arrows).prepare()
        except CycleError as error:
            found.append(" -> ".join(reversed(error.args[1])))
    return found


def floors(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms by floor, the lowest first; the arrows have no circle."""
    floor: dict[str, int] = {}
    for room in TopologicalSorter(arrows).static_order():
        floor[room] = max((floor[used] + 1 for used in arrows.get(room, ())), default=0)
    return [
        sorted(room for room, number in floor.items() if number == level)
        for level in range(max(floor.values(), default=-1) + 1)
    ]


def page(house: House) -> str:
    """The map as Markdown: packages as a graph, the rooms of each as floors."""
    lines = ["```mermaid", "graph TD"]
    lines += [
        f"  {package} --> {used}"
        for package, direct in sorted(house.packages.items())
        for used in sorted(direct - _indirect(package, house.packages))
    ]
    lines += ["```", "", "```text"]
    for package in sorted(house.rooms):
        if len(house.rooms[package]) > 1:
            lines += [package, *_rows(house.rooms[package]), ""]
    lines[-1:] = ["```"]
    return "\n".join(lines) + "\n"


def _rows(arrows: Arrows) -> Iterator[str]:
    """Floors from the top; folders with their arrows to folders, then the modules beside them."""
    levels = floors(arrows)
    for level in reversed(range(len(levels))):
        mark = f"{level:>3}  "
        for folder in (room for room in levels[level] if room.endswith("/")):
            used = sorted(room for room in arrows[folder] if room.endswith("/"))
            yield f"{mark}{folder:<16} -> {'  '.join(used)}" if used else f"{mark}{folder}"
            mark = " " * len(mark)
        line = ""
        for module in (room for room in levels[level] if not room.endswith("/")):
            if len(line) + len(module) + 2 > WIDTH:
                yield mark + line
                mark, line = " " * len(mark), ""
            line += f"  {module}" if line else module
        if line:
            yield mark + line


def _indirect(package: str, arrows: Arrows) -> set[str]:
    """What a package uses that another package, which it uses, uses too: arrows left out."""
    seen: set[str] = set()
    waiting = [room for used in arrows[package] for room in arrows.get(used, ())]
    while waiting:
        found = waiting.pop()
        if found not in seen:
            seen.add(found)
            waiting += arrows.get(found, ())
    return seen


def _modules(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files with their dotted names; a package's own name stands for its `__init__`."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _place(name: str, path: Path) -> tuple[str, str]:
    """Package and room of a module."""
    package, *inner = name.split(".")
    if path.name == "__init__.py":
        return package, "/".join(inner) + "/" if inner else "__init__"
    return package, "/".join(inner[:-1]) + "/" if inner[1:] else inner[0]


def _imported(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Modules of the house that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module


def _spliced(text: str, inner: str) -> str:
    """The page with the map between the two marks. Raises ValueError without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the two lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{inner}\n{END}{after}"


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Prints, writes or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the map into this page")
    parser.add_argument("--check", metavar="FILE", type=Path, help="compare with this page")
    wishes = parser.parse_args(argv)
    stubs = root / "libs" / "hasten_protos" / "src"
    house = read(folder for folder in sorted(root.glob("*/*/src")) if folder != stubs)
    found = circles(house)
    for circle in found:
        print(f"circle: {circle}", file=sys.stderr)
    if found:
        return 1
    made = page(house)
    target: Path | None = wishes.write or wishes.check
    if target is None:
        print(made, end="")
        return 0
    present = target.read_text("utf-8")
    wanted = _spliced(present, made)
    if wishes.write:
        target.write_text(wanted, "utf-8")
    elif present != wanted:
        print(f"the map in {target} is not current: run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

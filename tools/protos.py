"""Generates the committed Python stubs from `protos/`, or checks that they are current.

python tools/protos.py           write them
python tools/protos.py --check   exit 1, naming the files, if any would change

`protos/` is what the wire speaks, for every language. A Python process has one registry of
descriptors, so Python's stubs of public protocols have a package of their own: here the files
are given another one, and the stubs go on calling the services by their public names. What others
publish for Python, `google.rpc` and `grpc.health`, is not generated again.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "libs" / "hasten_protos" / "src"
PRIVATE: Final = {"inference": "hasten.inference.v2", "externalscaler": "hasten.externalscaler.v1"}
"""Package and folder of a protocol that others publish, to its package in Python."""
OTHERS: Final = ("google", "grpc")
"""Folders of files whose Python stubs are packages of others."""


def private_sources(folder: Path) -> list[str]:
    """Copies the files that Python's stubs are made of, renamed where they are public, into a
    folder that equals their package, so that generated imports need no rewriting.

    Returns:
        Their names below the folder.
    """
    names: list[str] = []
    for path in sorted(PROTOS.rglob("*.proto")):
        name = path.relative_to(PROTOS)
        if name.parts[0] in OTHERS:
            continue
        text = path.read_text()
        public = name.parts[0]
        private = PRIVATE.get(public)
        if private is not None:
            place = private.replace(".", "/")
            name = Path(place, *name.parts[1:])
            text = text.replace(f"\npackage {public};", f"\npackage {private};")
            text = text.replace(f'\nimport "{public}/', f'\nimport "{place}/')
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        names.append(str(name))
    return sorted(names)


def generate(target: Path) -> None:
    """Writes all stubs below `target`."""
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder), private_sources(Path(folder)), target)


def _generate(folder: Path, sources: list[str], target: Path) -> None:
    code = protoc.main(
        [
            "protoc",
            f"-I{folder}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--grpc_python_out={target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if code != 0:
        sys.exit(code)
    # A file without services yields an empty service module: leave it out.
    for source in sources:
        stem = target / source.removesuffix(".proto")
        code_of_services = stem.with_name(stem.name + "_pb2_grpc.py")
        if "\nservice " not in (folder / source).read_text():
            code_of_services.unlink(missing_ok=True)
            code_of_services.with_suffix(".pyi").unlink(missing_ok=True)
        else:
            text = code_of_services.read_text()
            for public, private in PRIVATE.items():
                for quote in ("'/", "'"):
                    text = text.replace(f"{quote}{private}.", f"{quote}{public}.")
            code_of_services.write_text(text)
    (target / "hasten" / "py.typed").touch()


def differences(wanted: Path, present: Path) -> list[str]:
    """Stub files that are missing, stray or different."""
    names = {
        path.relative_to(base)
        for base in (wanted, present)
        for path in base.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(
        str(name)
        for name in names
        if not (wanted / name).exists()
        or not (present / name).exists()
        or not filecmp.cmp(wanted / name, present / name, shallow=False)
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Generate the Python stubs of protos/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on drift")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        generate(target)
        if check:
            stale = differences(target, STUBS)
            if stale:
                sys.exit("stubs differ from protos/, run `make protos`:\n  " + "\n  ".join(stale))
            return
        shutil.rmtree(STUBS / "hasten", ignore_errors=True)
        shutil.copytree(target / "hasten", STUBS / "hasten")


if __name__ == "__main__":
    main()

"""Generates the committed Python stubs from `protos/`, or checks that they are current.

python tools/protos.py           write them
python tools/protos.py --check   exit 1, naming the files, if any would change
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "libs" / "hasten_protos" / "src"


def generate(target: Path) -> None:
    """Writes all stubs below `target`; the proto package equals its folder, so that the
    generated imports need no rewriting.
    """
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"-I{PROTOS}",
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
        if "\nservice " not in (PROTOS / source).read_text():
            stem = target / source.removesuffix(".proto")
            stem.with_name(stem.name + "_pb2_grpc.py").unlink(missing_ok=True)
            stem.with_name(stem.name + "_pb2_grpc.pyi").unlink(missing_ok=True)
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

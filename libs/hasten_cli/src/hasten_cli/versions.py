"""The verb `version`."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from hasten_cli.output import print_json

PACKAGES: Final = (
    "hasten-cli",
    "hasten-router",
    "hasten-worker",
    "grpcio",
    "onnxruntime",
    "onnxruntime-gpu",
)


def versions(*, as_json: bool) -> None:
    """Prints them; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if as_json:
        print_json(found)
        return
    for name, number in found.items():
        print(f"{name} {number}")

"""The map of the house: rooms, arrows, floors and circles, of a small house made for the test."""

from pathlib import Path

import pytest

from tools import house_map

FILES = {
    "libs/hasten_low/src/hasten_low/__init__.py": "",
    "libs/hasten_low/src/hasten_low/leaf.py": "import os\n",
    "libs/hasten_low/src/hasten_low/parts/wheel.py": "from hasten_low.leaf import x\n",
    "libs/hasten_low/src/hasten_low/parts/axle.py": "from hasten_low.parts import wheel\n",
    "libs/hasten_low/src/hasten_low/cars/car.py": "from hasten_low.parts.axle import a\n",
    "services/top/src/hasten_top/main.py": "def main():\n    import hasten_low.cars.car\n",
}
CAR = "libs/hasten_low/src/hasten_low/cars/car.py"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def read(root: Path) -> house_map.House:
    return house_map.read(sorted(root.glob("*/*/src")))


def test_a_folder_is_a_room_and_what_it_imports_is_an_arrow(house: Path) -> None:
    found = read(house)
    assert found.packages == {"hasten_low": set(), "hasten_top": {"hasten_low"}}
    low = found.rooms["hasten_low"]
    assert low == {"leaf": set(), "parts/": {"leaf"}, "cars/": {"parts/"}}
    assert house_map.floors(low) == [["leaf"], ["parts/"], ["cars/"]]
    assert house_map.circles(found) == []


@pytest.mark.parametrize(
    "line",
    ["import hasten_low.cars.car", "if TYPE_CHECKING:\n    from hasten_low.cars import car"],
)
def test_a_planted_circle_is_found(
    house: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (house / "libs/hasten_low/src/hasten_low/leaf.py").write_text(line + "\n")
    (circle,) = house_map.circles(read(house))
    assert set(circle.split(" -> ")) == {"leaf", "parts/", "cars/"}
    assert house_map.main([], root=house) == 1
    assert "circle: " in capsys.readouterr().err


def test_packages_that_use_each_other_are_a_circle_too(house: Path) -> None:
    (house / CAR).write_text("from hasten_top import main\n")
    assert any("hasten_top" in circle for circle in house_map.circles(read(house)))


def test_a_page_is_current_until_an_arrow_is_added(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = house / "page.md"
    page.write_text(f"Before.\n{house_map.BEGIN}\n{house_map.END}\nAfter.\n")
    assert house_map.main(["--check", str(page)], root=house) == 1
    assert house_map.main(["--write", str(page)], root=house) == 0
    assert house_map.main(["--check", str(page)], root=house) == 0
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "hasten_top --> hasten_low" in text
    assert "cars/            -> parts/" in text
    (house / CAR).write_text("")
    assert house_map.main(["--check", str(page)], root=house) == 1
    assert "make docs" in capsys.readouterr().err


def test_an_arrow_that_follows_from_others_is_not_drawn(house: Path) -> None:
    middle = house / "libs/hasten_middle/src/hasten_middle/m.py"
    middle.parent.mkdir(parents=True)
    middle.write_text("import hasten_low.leaf\n")
    (house / "services/top/src/hasten_top/main.py").write_text(
        "import hasten_low.leaf, hasten_middle.m\n"
    )
    drawn = house_map.page(read(house))
    assert "hasten_top --> hasten_middle" in drawn
    assert "hasten_top --> hasten_low" not in drawn

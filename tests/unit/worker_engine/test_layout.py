import os
from pathlib import Path

import pytest

from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.files.layout import (
    FALLBACKS_MAX,
    check_name,
    file_name_of,
    list_models,
    look,
    wanted_versions,
)
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import FileLimits
from tests.unit.worker_engine.zoo import Repository

LIMITS = FileLimits()


NAMES = ("a", "A-1_b.c", "0", "x" * 128, "_a", "a b", "ä", "c++", "a@2", "mod\u00e8le", "模型")
SIGNS = ("[red]x", "a,b", "a:b", "100%", "it's")
BAD_NAMES = ("", ".", "..", ".a", "-a", "a/b", " a", "a ", "x" * 129, "*", 'a"', "a\\b")
UNSEEN = ("a\n", "a\0", "a\u0301", "a\u200bb", "\u202ea", "a\udcff", "a\u00a0b", "\ue000")


@pytest.mark.parametrize("name", [*NAMES, *SIGNS])
def test_a_model_may_have_this_name(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", [*BAD_NAMES, *UNSEEN])
def test_a_model_may_not_have_this_name(name: str) -> None:
    with pytest.raises(ModelRefused, match="is no model name"):
        check_name(name)


def test_models_are_the_folders_and_what_cannot_be_one_is_listed(repository: Repository) -> None:
    outside = repository.path.parent / "outside"
    outside.mkdir()
    for name in ("b", "a", "good name", ".hidden", "lost+found", "bad\nname", "back\\slash"):
        (repository.path / name).mkdir()
    (repository.path / "file").write_text("")
    (repository.path / "lone.onnx").write_text("")
    (repository.path / "to-file").symlink_to(repository.path / "file")
    for name, target in (("link", "a"), ("gone", "nothing"), ("out", str(outside))):
        (repository.path / name).symlink_to(target)
    listing = list_models(repository.path, LIMITS)
    # A look at a link says what is wrong with it.
    assert listing.names == ("a", "b", "gone", "good name", "link", "out")
    assert listing.unusable.keys() == {"bad\\nname", "back\\slash", "lone.onnx"}
    assert "printed" in listing.unusable["bad\\nname"]
    assert "lone/1/model.onnx" in listing.unusable["lone.onnx"]
    short = list_models(repository.path, FileLimits(models_max=5))
    assert (len(short.names), short.unusable["out"]) == (5, "the worker takes the first 5 models")


def test_a_name_that_is_no_text_is_listed_as_it_can_be_shown(repository: Repository) -> None:
    (repository.path / os.fsdecode(b"caf\xe9")).mkdir()
    assert list_models(repository.path, LIMITS).unusable.keys() == {"caf\\udce9"}


def test_versions_are_the_numbered_folders(repository: Repository) -> None:
    for version in ("1", "10", "2", "0", "01", "-1", "v3", "\u0661", "1.0", "warmup", ".git"):
        (repository.path / "m" / version).mkdir(parents=True)
    (repository.path / "m" / "3").write_text("a file")
    state = look(repository.path / "m", LIMITS)
    assert set(state.versions) == {"1", "2", "10"}
    named = "".join(state.ignored)
    for version in ("'0'", "'01'", "'-1'", "'v3'", "'\u0661'", "'1.0'"):
        assert version in named
    assert "warmup" not in named
    assert ".git" not in named


def test_a_look_changes_with_the_files_and_only_then(repository: Repository) -> None:
    folder = repository.write("m", b"abc", config="")
    states = [look(repository.path / "m", LIMITS)]

    def changed() -> bool:
        states.append(look(repository.path / "m", LIMITS))
        return states[-1] != states[-2]

    assert not changed()
    (folder / "model.onnx").write_bytes(b"abcd")
    assert changed()
    stamp = (folder / "model.onnx").stat().st_mtime_ns
    (folder / "new").write_bytes(b"wxyz")
    os.utime(folder / "new", ns=(stamp, stamp))
    (folder / "new").replace(folder / "model.onnx")
    assert changed(), "another file of the same size and time"
    (repository.path / "m" / "labels.txt").write_text("a")
    assert changed()
    (repository.path / "m" / ".config.pbtxt.swp").write_text("an editor's")
    assert not changed()
    (repository.path / "m" / "warmup").mkdir()
    assert not changed()
    (repository.path / "m" / "warmup" / "x").write_text("a")
    assert changed()
    repository.write("m", b"abc", version=2)
    assert changed()


def test_a_folder_that_is_away_or_a_link_is_refused(repository: Repository) -> None:
    (repository.path / "real").mkdir()
    (repository.path / "link").symlink_to(repository.path / "real")
    with pytest.raises(ModelRefused, match="no folder 'none'"):
        look(repository.path / "none", LIMITS)
    with pytest.raises(ModelRefused, match="'link' is a link"):
        look(repository.path / "link", LIMITS)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc", "leads out of the repository"),
        ("..", "leads out of the repository"),
        ("nothing", "leads to nothing"),
        ("m", "round in a circle"),
        (".", "a folder around it"),
        ("file", "is a link or a file"),
    ],
)
def test_a_linked_folder_is_followed_inside_of_the_repository_only(
    repository: Repository, target: str, reason: str
) -> None:
    root = repository.path
    repository.write("real", b"abc")
    (root / "file").write_text("")
    (root / "alias").symlink_to("real")
    assert look(root / "alias", LIMITS, root) == look(root / "real", LIMITS, root)
    (root / "m").symlink_to(target)
    with pytest.raises(ModelRefused, match=reason):
        look(root / "m", LIMITS, root)


def test_a_change_behind_a_link_changes_the_look(repository: Repository) -> None:
    root = repository.path
    store = root / ".store"
    for number, content in enumerate((b"abc", b"abd")):
        (store / str(number)).mkdir(parents=True)
        (store / str(number) / "model.onnx").write_bytes(content)
    (root / "m").mkdir()
    (root / "m" / "1").symlink_to("../.store/0")
    before = look(root / "m", LIMITS, root)
    (root / "m" / "1").unlink()
    (root / "m" / "1").symlink_to("../.store/1")
    swapped = look(root / "m", LIMITS, root)
    assert swapped != before
    (store / "1" / "model.onnx").write_bytes(b"abcd")
    assert look(root / "m", LIMITS, root) != swapped


def test_a_folder_that_changes_under_the_look_is_looked_at_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository.write("m", b"abc")
    found = [(str(folder), [], ["model.onnx", "vanished"])]
    monkeypatch.setattr("hasten_worker.engine.files.layout.os.walk", lambda _: found)
    with pytest.raises(ModelRefused, match="'m' changed while it was looked at") as caught:
        look(repository.path / "m", LIMITS)
    assert caught.value.passing


def test_too_many_versions_are_refused(tmp_path: Path) -> None:
    for version in range(1, 5):
        (tmp_path / "m" / str(version)).mkdir(parents=True)
    with pytest.raises(ModelRefused, match="limit of 3"):
        look(tmp_path / "m", FileLimits(versions_max=3))


@pytest.mark.parametrize(
    ("policy", "wanted", "count"),
    [
        ("", ["10", "9", "3", "2"], 1),
        ("version_policy { latest { } }", ["10", "9", "3", "2"], 1),
        ("version_policy { latest { num_versions: 2 } }", ["10", "9", "3", "2", "1"], 2),
        ("version_policy { all { } }", ["10", "9", "3", "2", "1"], 5),
        ("version_policy { specific { versions: [ 2, 9, 2 ] } }", ["9", "2"], 2),
    ],
)
def test_the_version_policy_chooses(policy: str, wanted: list[str], count: int) -> None:
    config = config_from_text(policy).config
    assert FALLBACKS_MAX == 3
    assert wanted_versions(config, ["1", "10", "2", "9", "3"]) == (wanted, count)


def test_a_version_that_the_policy_names_must_be_there() -> None:
    config = config_from_text("version_policy { specific { versions: [ 4 ] } }").config
    with pytest.raises(ModelRefused, match="version 4, but the folder has 1, 10"):
        wanted_versions(config, ["10", "1"])


@pytest.mark.parametrize(
    "name", ["../model.onnx", "a/b", "..", ".", "/etc/passwd", "a\\\\b", "a\\000"]
)
def test_the_model_file_lies_in_the_version_s_folder(name: str) -> None:
    config = config_from_text(f'default_model_filename: "{name}"').config
    with pytest.raises(ModelRefused, match="default_model_filename"):
        file_name_of(config)
    assert file_name_of(config_from_text("").config) == "model.onnx"

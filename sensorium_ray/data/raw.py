"""Find published mice, of either release, in folders and in zips."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..storage import PARTIAL, StrPath
from ..storage import names as names_in
from .mouse import RawMouse, RawTrial
from .raw2022 import ImageMouse
from .raw2023 import VideoMouse
from .source import Tree, is_visible, open_folder, open_zip

__all__ = ["RawMouse", "RawTrial", "find_mice", "open_mouse"]

_TRUTH = "truth"
_NO_MOUSE = "holds no mouse: neither it nor a folder or a zip in it has data/ or meta/"
_MEND = "name a folder with the published archives, or one of them"


def find_mice(path: StrPath) -> list[RawMouse]:
    """Mice in `path`, which is a mouse (a folder or a zip) or a folder that holds some; sorted by name.

    Hidden files, `__MACOSX` and `truth` are passed over. A mouse that is there both as a folder and as a zip is
    taken from the folder.

    Raises
    ------
    DataError : there is no mouse, a zip is damaged, or a mouse's meta files are at fault.
    """
    path = Path(path)
    if not path.exists():
        raise DataError("folder is missing", str(path), "name a folder of mice")
    tree = open_folder(path) if path.is_dir() else open_zip(path)
    trees = [tree] if tree else _trees_in(path) if path.is_dir() else []
    if not trees:
        raise DataError(_NO_MOUSE, str(path), _MEND)
    return [open_mouse(tree) for tree in sorted(trees, key=lambda tree: tree.name)]


def open_mouse(tree: Tree) -> RawMouse:
    """The mouse of a tree of files; its stimuli tell its release, or its name where there are none.

    Raises
    ------
    DataError : a meta file or a trial's file is missing or at fault.
    """
    images, videos = (bool(tree.files(f"data/{mouse.stimulus}")) for mouse in (ImageMouse, VideoMouse))
    static = images or (not videos and tree.name.startswith("static"))
    return ImageMouse(tree) if static else VideoMouse(tree)


def _trees_in(folder: Path) -> list[Tree]:
    names = sorted(name for name in names_in(folder) if name != _TRUTH and is_visible(name))
    entries = [folder / name for name in names if not name.endswith(PARTIAL)]
    found: dict[str, Tree] = {}
    for entry in entries:
        if entry.is_dir() and (tree := open_folder(entry)):
            found[tree.name] = tree
    unpacked = set(found)
    for entry in entries:
        if entry.suffix.lower() != ".zip" or not entry.is_file() or entry.stem in unpacked:
            continue
        packed = open_zip(entry)
        if packed and packed.name in found and packed.name not in unpacked:
            what = f"holds the mouse {packed.name}, and so does {found[packed.name].path.name}"
            raise DataError(what, str(entry), "remove one of the two")
        if packed:
            found.setdefault(packed.name, packed)
    return list(found.values())

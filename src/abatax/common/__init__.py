"""Tools that all layers share: complete files and parts of error messages."""

from ._messages import choose as choose, nearest as nearest, shortened as shortened
from ._writing import (
    check_writable as check_writable,
    complete_file as complete_file,
    discard_incomplete as discard_incomplete,
    make_folder as make_folder,
    remove_leftovers as remove_leftovers,
)

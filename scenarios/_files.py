"""Files appear under their name only when they are complete."""

from .._writing import complete_file as complete_file

"""Problems in discrete time: a path as a smooth program, solved by an interior-point method."""

from ._interior_point import InteriorPointLoop as InteriorPointLoop
from ._path_solver import AbstractPathSolver as AbstractPathSolver, InteriorPoint as InteriorPoint
from ._program import Local as Local, Program as Program

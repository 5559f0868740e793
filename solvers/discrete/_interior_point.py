"""A primal-dual interior-point method in numpy for smooth problems with bounds, followed by Newton's method on the active set."""

import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ._program import Local, Program


@dataclasses.dataclass
class Point:
    """The unknowns x, the slack variables w (values of the constraints), and the multipliers."""

    z: np.ndarray  # x and w together
    y: np.ndarray  # multipliers of w = constraints(x)
    below: np.ndarray  # multipliers of z >= low
    above: np.ndarray  # multipliers of z <= high


class Optimum(NamedTuple):
    """The last point, its multipliers (positive at the upper bound), and the violation of the optimality conditions."""

    x: np.ndarray
    multipliers: np.ndarray
    error: float
    exact: bool  # whether the active set was identified and its equations were solved


_FIRST_BARRIER, _LEAST_BARRIER = 1e-2, 1e-13
_ARMIJO = 1e-4
_WORTH_POLISHING = 1e-4  # largest error at which the active set is identified
_POLISHING_STEPS = 20  # a regular optimum needs few steps; a control without effect has a flat optimum
_EXACT = 1e-13
_ROUNDING = 1e-13  # relative rounding error of the value; smaller decreases cannot be measured


class InteriorPointLoop:
    r"""Newton's method on the optimality conditions with $z_i d_i = \beta$, for a barrier $\beta$ that falls to zero.

    The method follows Wächter and Biegler 2006, doi:10.1007/s10107-004-0559-y, with a merit function instead of the filter. The
    constraints are slack variables w with bounds, so that only bounds have a barrier, and the step in w is eliminated. The barrier of
    a bound is proportional to the weight of its group, so that it does not dominate periods that are discounted over 400 years.
    """

    def __init__(self, program: Program, start: np.ndarray):
        self.program = program
        self.free = program.low < program.high
        self.base = np.where(self.free, start, program.low)
        self.low = np.concatenate([program.low[self.free], program.constraint_low])
        self.high = np.concatenate([program.high[self.free], program.constraint_high])
        self.count = int(self.free.sum())
        self.barrier, self.penalty = _FIRST_BARRIER, 1.0
        x = self._inside(start[self.free], slice(None, self.count))
        value, constraints = program.values(self.full(x))
        if not np.isfinite(value):
            raise ValueError("`guess`: welfare is not finite along this path; start from more abatement.")
        z = np.concatenate([x, self._inside(constraints, slice(self.count, None))])
        self.scale = 1.0
        local = program.derivatives(self.full(x), np.zeros(constraints.size))
        self.scale, self.weights = self._weights(local)
        barrier = self.barrier * self.weights
        self.point = Point(z, np.zeros(constraints.size), *(barrier / d for d in self._distances(z)))
        self.steps = 0
        self.local = self._evaluate()

    def _weights(self, here: Local) -> tuple[float, np.ndarray]:
        """A scale of the value, and the weight of the group of each bounded unknown, at most one.

        The weight is the largest second-order change of the scaled value when one member of the group moves between its bounds.
        """
        program, width = self.program, self.program.high - self.program.low
        change = np.abs(here.gradient) * width + 0.5 * np.abs(np.diag(here.hessian)) * width**2
        groups = np.zeros(1 + int(np.max(program.groups)))
        np.maximum.at(groups, program.groups[self.free], change[self.free])
        steepest = float(np.max(np.abs(here.gradient[self.free])))
        scale = 1.0 / max(steepest, 0.01 * float(np.max(groups)), np.finfo(float).tiny)
        groups = np.clip(scale * groups, 1e-12, 1.0)
        return scale, groups[np.concatenate([program.groups[self.free], program.constraint_groups])]

    # -- one step ----------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Take one Newton step; return whether the point has moved."""
        point, local = self.point, self.local
        while self._error(self.barrier) < 10.0 * self.barrier and self.barrier > _LEAST_BARRIER:
            self.barrier = max(_LEAST_BARRIER, min(0.2 * self.barrier, self.barrier**1.5))
        below, above = self._distances(point.z)
        barrier = self.barrier * self.weights
        sigma = point.below / below + point.above / above
        slope = np.concatenate([local.gradient, np.zeros(point.y.size)]) - barrier * (1.0 / below - 1.0 / above)
        gap = local.constraints - point.z[self.count :]
        J, sigma_w = local.jacobian, sigma[self.count :]
        matrix = local.hessian + np.diag(sigma[: self.count]) + (J.T * sigma_w) @ J
        slack_slope = sigma_w * gap + slope[self.count :]
        dx = -_solve_positive(matrix, slope[: self.count] + J.T @ slack_slope)
        dw = J @ dx + gap
        y = sigma_w * dw + slope[self.count :]
        dz = np.concatenate([dx, dw])
        d_below = barrier / below - point.below - point.below / below * dz
        d_above = barrier / above - point.above + point.above / above * dz
        keep = max(0.99, 1.0 - self.barrier)
        reach = min(_reach(below, dz, keep), _reach(above, -dz, keep))
        dual = min(_reach(point.below, d_below, keep), _reach(point.above, d_above, keep))
        if y.size:
            self.penalty = max(self.penalty, 1.5 * float(np.max(np.abs(y))))
        length = self._search(dz, float(slope @ dz) - self.penalty * float(np.sum(np.abs(gap))), reach)
        self.point = Point(
            point.z + length * dz,
            point.y + length * (y - point.y),
            point.below + dual * d_below,
            point.above + dual * d_above,
        )
        self._keep_central()
        self.steps += 1
        self.local = self._evaluate()
        return length > 0.0

    def _search(self, dz: np.ndarray, descent: float, length: float) -> float:
        start = self._merit(self.point.z)
        for _ in range(40):
            allowed = start + _ARMIJO * length * descent + _ROUNDING * abs(self.local.value)
            if self._merit(self.point.z + length * dz) <= allowed:  # false for NaN
                return length
            length *= 0.5
        return 0.0

    def _merit(self, z: np.ndarray) -> float:
        value, constraints = self.program.values(self.full(z[: self.count]))
        below, above = self._distances(z)
        if min(np.min(below), np.min(above)) <= 0.0:
            return np.inf
        barrier = self.barrier * float(self.weights @ (np.log(below) + np.log(above)))
        return self.scale * value - barrier + self.penalty * float(np.sum(np.abs(constraints - z[self.count :])))

    def _keep_central(self) -> None:
        """Bring back multipliers that have drifted far from the ratio of barrier to distance."""
        for name, distance in zip(("below", "above"), self._distances(self.point.z), strict=True):
            centre = self.barrier * self.weights / distance
            setattr(self.point, name, np.clip(getattr(self.point, name), 1e-10 * centre, 1e10 * centre))

    # -- optimality ------------------------------------------------------------------------------------------

    @property
    def error(self) -> float:
        """The largest violation of the optimality conditions relative to the weight of the group."""
        return self._error(0.0)

    def _error(self, barrier: float) -> float:
        """The largest violation of the optimality conditions at a given barrier."""
        point, local = self.point, self.local
        slope = np.concatenate([local.gradient + local.jacobian.T @ point.y, -point.y]) - point.below + point.above
        gap = local.constraints - point.z[self.count :]
        below, above = self._distances(point.z)
        weights = np.tile(self.weights, 2)
        complementarity = np.concatenate([below * point.below, above * point.above]) - barrier * weights
        parts = slope / self.weights, gap, complementarity / weights
        return max(float(np.max(np.abs(v), initial=0.0)) for v in parts)

    def optimum(self) -> Optimum:
        """The point; if possible, the equations of the active set are solved exactly."""
        error = self._error(0.0)
        x, y = self.point.z[: self.count], self.point.y
        polished = self._polish() if error < _WORTH_POLISHING else None
        if polished is not None:
            x, y, error = polished
        return Optimum(self.full(x), y / self.scale, error, polished is not None)

    def _polish(self) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Apply Newton's method to the equations of the active set; None if the result is not an optimum."""
        point = self.point
        below, above = self._distances(point.z)
        at_low, at_high = point.below > below, point.above > above
        fixed, x = (at_low | at_high)[: self.count], point.z[: self.count].copy()
        x[at_low[: self.count]] = self.low[: self.count][at_low[: self.count]]
        x[at_high[: self.count]] = self.high[: self.count][at_high[: self.count]]
        rows = np.flatnonzero((at_low | at_high)[self.count :])
        target = np.where(at_low, self.low, self.high)[self.count :][rows]
        y, move = np.where((at_low | at_high)[self.count :], point.y, 0.0), ~fixed
        weights = self.weights[: self.count][move]
        for _ in range(_POLISHING_STEPS):
            local = self._local(x, y)
            slope, J = local.gradient + local.jacobian.T @ y, local.jacobian[rows][:, move]
            gap = local.constraints[rows] - target
            error = max(float(np.max(np.abs(v), initial=0.0)) for v in (slope[move] / weights, gap))
            if not error > _EXACT:
                break
            top = np.hstack([local.hessian[np.ix_(move, move)], J.T])
            matrix = np.vstack([top, np.hstack([J, np.zeros((rows.size, rows.size))])])
            try:
                step = np.linalg.solve(matrix, -np.concatenate([slope[move], gap]))
            except np.linalg.LinAlgError:
                return None
            x[move] += step[: int(move.sum())]
            y[rows] += step[int(move.sum()) :]
        else:
            return None
        slack = 1e-9
        signs = np.where(at_low[: self.count], slope, -slope)[fixed]
        signs_y = np.where(at_low[self.count :], -y, y)[rows]
        inside = self._distances(np.concatenate([x, local.constraints]))
        is_optimum = all(np.all(v > -slack) for v in (signs, signs_y, *inside))
        return (x, y, error) if is_optimum and np.isfinite(error) else None

    # -- helper functions -----------------------------------------------------------------------------------------

    def full(self, x: np.ndarray) -> np.ndarray:
        """All unknowns, including the fixed ones."""
        unknowns = self.base.copy()
        unknowns[self.free] = x
        return unknowns

    def _evaluate(self) -> Local:
        return self._local(self.point.z[: self.count], self.point.y)

    def _local(self, x: np.ndarray, y: np.ndarray) -> Local:
        """Values and derivatives at a point with respect to the free unknowns, with a scaled value."""
        local, free = self.program.derivatives(self.full(x), y / self.scale), self.free
        scale = self.scale
        return Local(
            scale * local.value,
            local.constraints,
            scale * local.gradient[free],
            local.jacobian[:, free],
            scale * local.hessian[np.ix_(free, free)],
        )

    def _distances(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return z - self.low, self.high - z

    def _inside(self, z: np.ndarray, part: slice) -> np.ndarray:
        low, high = self.low[part], self.high[part]
        margin = 0.01 * (high - low)
        return np.clip(z, low + margin, high - margin)


def _reach(distance: np.ndarray, move: np.ndarray, keep: float) -> float:
    """The largest step of at most one that uses up at most the fraction `keep` of every distance."""
    shrinking = move < 0.0
    return min(1.0, float(np.min(-keep * distance[shrinking] / move[shrinking], initial=1.0)))


def _solve_positive(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a linear system; if the matrix is not positive definite, replace it by its absolute value in unit scaling.

    A direction of negative curvature then has the same step length as a direction of the same positive curvature.
    """
    if not np.all(np.isfinite(matrix)):
        raise FloatingPointError("the second derivatives are not finite")
    scale = np.sqrt(np.abs(np.diag(matrix)) + np.finfo(float).tiny)
    unit = matrix / np.outer(scale, scale)
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(unit), right / scale) / scale
    except scipy.linalg.LinAlgError:
        roots, vectors = np.linalg.eigh(unit)
        return vectors @ ((vectors.T @ (right / scale)) / np.maximum(np.abs(roots), 1e-6)) / scale

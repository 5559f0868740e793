"""Indicators of a problem without a finite value: the flow along the optimal paths contradicts the value of the paths."""

import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ._branch import in_region
from ._godunov import Local

# Flows and values below this share of the largest are rounding.
_ROUNDING = 1e-6


def flow_of(local: Local, slopes: np.ndarray, hessians: np.ndarray) -> Float[np.ndarray, "family node"]:
    r"""The flow along the optimal path, $f = \rho V - b\cdot V_x - \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx})$ per year.

    The flow is utility plus the expected value after jumps and the penalty term of the worst case. If the value is finite, it is
    the discounted integral of the flow under the worst-case measure.
    """
    transport = np.sum(local.drift * slopes, axis=-1) + np.sum(local.variance * hessians, axis=(-2, -1))
    return local.residual - local.discount * local.value - transport


class Flow:
    """The flow on a tensor grid, and the faces through which paths leave the grid."""

    def __init__(self, problem: HJBProblem, nodes, local: Local, slopes: np.ndarray, hessians: np.ndarray):
        self.problem, self.nodes, self.local = problem, list(nodes), local
        self.shape = tuple(len(x) for x in self.nodes)
        self.points = np.stack([m.ravel() for m in np.meshgrid(*self.nodes, indexing="ij")], axis=-1)
        self.flow = flow_of(local, slopes, hessians)
        closures = problem.model.closures()  # closures of the model; slopes chosen by the solver are not given data
        self.has_asymptote = any(closure.has_asymptote for sides in closures for closure in sides)
        self.exits = [
            (a, side)
            for a, sides in enumerate(closures)
            for side, closure in enumerate(sides)
            if not closure.keeps_inside
        ]

    def contradicts(self) -> bool:
        """Whether a value in the region has the opposite sign of all flows in the box and of their trend beyond it.

        Where paths leave the box, the magnitude of the flow must not decrease. The result is False if the model gives a slope at any
        face, because a given slope accounts for flows outside.
        """
        inside = in_region(self.problem, self.points)
        if self.has_asymptote or not inside.any():
            return False
        for f, flow in enumerate(self.flow):
            sign, value = self._sign(flow), self.local.value[f]
            wrong = np.min(sign * value[inside]) < -_ROUNDING * np.max(np.abs(value))
            leaving = self._leaving(f)
            if sign and wrong and np.all(sign * self._along(f, flow)[leaving] >= -_ROUNDING * np.max(np.abs(flow))):
                return True
        return False

    def grows(self) -> bool:
        """Whether positive flows grow at least at the discount rate at every node of a face through which paths leave.

        If this growth continues beyond the face, the discounted integral along such paths is unbounded.
        """
        rates = np.maximum(-self.local.discount, 0.0)
        for f, flow in enumerate(self.flow):
            if self._sign(flow) != 1.0:
                continue
            fast = self._along(f, flow, noise=True) >= rates[f] * flow
            for a, side in self.exits:
                on = self._on_face(a, side)
                out = (2 * side - 1) * self.local.drift[f, on, a] > 0.0
                if not self.has_asymptote and np.all(out) and np.all(fast[on]):
                    return True
        return False

    def _sign(self, flow) -> float:
        """1 if no flow is negative, -1 if no flow is positive, otherwise 0."""
        least, most = np.min(flow), np.max(flow)
        size = _ROUNDING * max(-least, most)
        return (1.0 if least >= -size else -1.0 if most <= size else 0.0) if size > 0.0 else 0.0

    def _leaving(self, f) -> np.ndarray:
        leaving = np.zeros(len(self.points), dtype=bool)
        for a, side in self.exits:
            on = self._on_face(a, side)
            leaving |= on & ((2 * side - 1) * self.local.drift[f, :, a] > 0.0)
        return leaving

    def _on_face(self, axis: int, side: int) -> np.ndarray:
        return self.points[:, axis] == self.nodes[axis][-1 if side else 0]

    def _along(self, f, flow, noise: bool = False) -> np.ndarray:
        """The rate of change of the flow along the optimal path, per year; with `noise`, the expected rate of change."""
        grid, change = flow.reshape(self.shape), np.zeros(len(flow))
        for a, x in enumerate(self.nodes):
            slope = np.gradient(grid, x, axis=a, edge_order=2)
            change += self.local.drift[f, :, a] * slope.ravel()
            if noise:
                change += self.local.variance[f, :, a, a] * np.gradient(slope, x, axis=a, edge_order=2).ravel()
        return change

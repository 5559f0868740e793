"""Marks of a problem without a finite value: what flows in along the optimal paths contradicts what the paths are said to be worth."""

import numpy as np
from jaxtyping import Float

from ...models import Growth, HJBProblem, StateConstraint
from ._branch import in_region
from ._godunov import Local

# Flows and values of less than this share of the largest are rounding.
_ROUNDING = 1e-6


def flow_of(local: Local, slopes: np.ndarray, hessians: np.ndarray) -> Float[np.ndarray, "family node"]:
    r"""What the equation adds along the path, $f = \rho V - b\cdot V_x - \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx})$ per year.

    Utility with what may be met after a jump and what nature pays for her distortions: the value is its discounted sum under the worst
    case, if it has one.
    """
    transport = np.sum(local.drift * slopes, axis=-1) + np.sum(local.variance * hessians, axis=(-2, -1))
    return local.residual - local.discount * local.value - transport


class Flow:
    """What flows in on a tensor grid, and where paths leave the grid."""

    def __init__(self, problem: HJBProblem, nodes, local: Local, slopes: np.ndarray, hessians: np.ndarray):
        self.problem, self.nodes, self.local = problem, list(nodes), local
        self.shape = tuple(len(x) for x in self.nodes)
        self.points = np.stack([m.ravel() for m in np.meshgrid(*self.nodes, indexing="ij")], axis=-1)
        self.flow = flow_of(local, slopes, hessians)
        closures = problem.model.closures()  # slopes that the solver has found are not told
        self.told = any(isinstance(closure, Growth) for sides in closures for closure in sides)
        self.exits = [
            (a, side)
            for a, sides in enumerate(closures)
            for side, closure in enumerate(sides)
            if not isinstance(closure, StateConstraint)
        ]

    def contradicts(self) -> bool:
        """Whether any value in the region has the other sign than every flow in the box, and beyond it as far as that is to be seen.

        Where paths leave the box the flow must not be on its way to zero. Nothing is said where a face has a known slope, which
        stands for flows outside.
        """
        inside = in_region(self.problem, self.points)
        if self.told or not inside.any():
            return False
        for f, flow in enumerate(self.flow):
            sign, value = self._sign(flow), self.local.value[f]
            wrong = np.min(sign * value[inside]) < -_ROUNDING * np.max(np.abs(value))
            leaving = self._leaving(f)
            if sign and wrong and np.all(sign * self._along(f, flow)[leaving] >= -_ROUNDING * np.max(np.abs(flow))):
                return True
        return False

    def grows(self) -> bool:
        """Whether positive flows grow at least as fast as they are discounted wherever paths leave through a face.

        The discounted sum along such paths has no bound, if what is found at the face goes on beyond it.
        """
        rates = np.maximum(-self.local.discount, 0.0)
        for f, flow in enumerate(self.flow):
            if self._sign(flow) != 1.0:
                continue
            fast = self._along(f, flow, noise=True) >= rates[f] * flow
            for a, side in self.exits:
                on = self._on_face(a, side)
                out = (2 * side - 1) * self.local.drift[f, on, a] > 0.0
                if not self.told and np.all(out) and np.all(fast[on]):
                    return True
        return False

    def _sign(self, flow) -> float:
        """1 if no flow is negative, -1 if none is positive, else 0."""
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
        """How the flow changes along the optimal path, per year; in the mean over the noise of each state, if asked for."""
        grid, change = flow.reshape(self.shape), np.zeros(len(flow))
        for a, x in enumerate(self.nodes):
            slope = np.gradient(grid, x, axis=a, edge_order=2)
            change += self.local.drift[f, :, a] * slope.ravel()
            if noise:
                change += self.local.variance[f, :, a, a] * np.gradient(slope, x, axis=a, edge_order=2).ravel()
        return change

"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

# Steps between power iterations on the bases, and the largest dimension of a factor that is rotated.
_EVERY, _LARGEST = 10, 256


class _Leaf(NamedTuple):
    """Optimiser state of one parameter array, reshaped to a matrix (rows, columns)."""

    moment: Float[Array, "*leaf"]  # first moment of the gradient
    square: Float[Array, "row column"]  # second moment in the eigenbases
    factors: tuple[Float[Array, "row row"], Float[Array, "column column"]]
    bases: tuple[Float[Array, "row row"], Float[Array, "column column"]]


class SOAPState(NamedTuple):
    """Number of steps, and the state of each parameter array."""

    count: Array
    leaves: tuple[_Leaf, ...]


def soap(learning_rate: float, b1: float = 0.95, b2: float = 0.95, eps: float = 1e-8) -> optax.GradientTransformation:
    r"""Adam in the slowly changing eigenbasis of $L = \overline{GG^\top}$ and $R = \overline{G^\top G}$ of every matrix.

    $$\Delta W = -\eta\,Q_L\frac{Q_L^\top\bar GQ_R}{\sqrt{\overline{(Q_L^\top GQ_R)^2}}+\epsilon}Q_R^\top$$

    Bars denote exponential means with the bias correction of Adam. $Q$ tracks the eigenvectors by one power iteration with QR every
    ten steps. Vectors and sides above 256 use the unit matrix, as in Adam.

    **Arguments:** `learning_rate`: $\eta$. `b1`, `b2`: decay rates of the means of gradients, and of squares and factors. `eps`:
    $\epsilon$.

    **Returns:** an optax transformation.

    **Good values:** a learning rate of 3e-3.

    **Reference:** Vyas et al. 2025, arXiv:2409.11321.
    """

    def init(params):
        return SOAPState(jnp.zeros((), dtype=jnp.int32), tuple(map(_remember, jax.tree.leaves(params))))

    def update(updates, state, params=None):
        del params
        count = state.count + 1
        gradients, structure = jax.tree.flatten(updates)
        advanced = [_advance(g, old, count, b1, b2, eps) for g, old in zip(gradients, state.leaves, strict=True)]
        moves = [-learning_rate * move for move, _ in advanced]
        return jax.tree.unflatten(structure, moves), SOAPState(count, tuple(leaf for _, leaf in advanced))

    return optax.GradientTransformation(init, update)


def _matrix(leaf: Array) -> Array:
    return leaf.reshape(-1, leaf.shape[-1]) if leaf.ndim > 1 else leaf.reshape(1, -1)


def _remember(leaf: Array) -> _Leaf:
    square = jnp.zeros_like(_matrix(leaf))
    rows, columns = _sides(leaf)
    factors = jnp.zeros((rows, rows), leaf.dtype), jnp.zeros((columns, columns), leaf.dtype)
    bases = jnp.eye(rows, dtype=leaf.dtype), jnp.eye(columns, dtype=leaf.dtype)
    return _Leaf(jnp.zeros_like(leaf), square, factors, bases)


def _sides(leaf: Array) -> tuple[int, int]:
    """Sizes of the two bases; 1 denotes a side that is not rotated."""
    rows, columns = _matrix(leaf).shape
    if leaf.ndim < 2:
        return 1, 1
    return rows if rows <= _LARGEST else 1, columns if columns <= _LARGEST else 1


def _turn(matrix, bases, back=False):
    left_basis, right_basis = bases
    if left_basis.shape[0] > 1:
        matrix = (left_basis if back else left_basis.T) @ matrix
    return matrix @ (right_basis.T if back else right_basis) if right_basis.shape[0] > 1 else matrix


def _advance(gradient, leaf: _Leaf, count, b1, b2, eps) -> tuple[Array, _Leaf]:
    """The update direction of one array (to be multiplied by minus the learning rate) and its new state."""
    g = _matrix(gradient)
    due = (count % _EVERY == 0) | (count == 1)
    rows = _follow(leaf.factors[0], leaf.bases[0], g @ g.T, due, b2)
    columns = _follow(leaf.factors[1], leaf.bases[1], g.T @ g, due, b2)
    factors, bases = (rows[0], columns[0]), (rows[1], columns[1])
    moment = b1 * leaf.moment + (1.0 - b1) * gradient
    square = b2 * leaf.square + (1.0 - b2) * jnp.square(_turn(g, bases))
    mean = _turn(_matrix(moment), bases) / (1.0 - b1**count)
    move = _turn(mean / (jnp.sqrt(square / (1.0 - b2**count)) + eps), bases, back=True)
    return move.reshape(gradient.shape), _Leaf(moment, square, factors, bases)


def _follow(factor: Array, basis: Array, outer: Array, due: Array, b2: float) -> tuple[Array, Array]:
    """Update the mean of a factor and, if due, its basis by one power iteration."""
    if len(factor) == 1:
        return factor, basis
    factor = b2 * factor + (1.0 - b2) * outer
    return factor, jax.lax.cond(due, lambda: jnp.linalg.qr(factor @ basis)[0], lambda: basis)

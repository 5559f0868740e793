"""The solution of a problem: value functions, policies, their evaluation at any state, and coupled regimes."""

from ._beyond import MOST_BEYOND as MOST_BEYOND, left_beyond as left_beyond
from ._box_map import BoxMap as BoxMap, box_map as box_map
from ._bracket import Bracket as Bracket
from ._chebyshev import (
    ChebyshevAxis as ChebyshevAxis,
    PiecewiseChebyshev as PiecewiseChebyshev,
    cardinals as cardinals,
    chebyshev_axis as chebyshev_axis,
    chebyshev_values as chebyshev_values,
    lobatto as lobatto,
    polynomials as polynomials,
    tables_at as tables_at,
)
from ._closed_form import closed_form as closed_form
from ._constraints import Choice as Choice, kept_within as kept_within
from ._coupled import (
    BESIDE as BESIDE,
    Landing as Landing,
    Recurrent as Recurrent,
    Regimes as Regimes,
    Stored as Stored,
    filled as filled,
    is_coupled as is_coupled,
    landings as landings,
    near_group as near_group,
    rebuilt as rebuilt,
    stored_beside as stored_beside,
    unfilled as unfilled,
)
from ._evaluation import (
    Evaluation as Evaluation,
    evaluate as evaluate,
    fields_at as fields_at,
)
from ._identity import (
    MARK as MARK,
    PATH as PATH,
    question_hash as question_hash,
    question_of as question_of,
    read_back_as as read_back_as,
    solution_fingerprint as solution_fingerprint,
)
from ._interpolation import (
    TensorSpline as TensorSpline,
    derivatives_on_axes as derivatives_on_axes,
    splines_through as splines_through,
)
from ._near import Near as Near, near as near
from ._policy import MAXIMISER as MAXIMISER, AbstractRule as AbstractRule, Maximiser as Maximiser, Value as Value
from ._solution import (
    After as After,
    Continuation as Continuation,
    GreedyPolicy as GreedyPolicy,
    Policy as Policy,
    Return as Return,
    Solution as Solution,
    on_host as on_host,
    on_tensor_grid as on_tensor_grid,
    reshape_family as reshape_family,
    reshape_leading as reshape_leading,
)
from ._storage import describe as describe, restore as restore
from ._trajectory import Trajectory as Trajectory, follow as follow

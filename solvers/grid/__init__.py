"""Finite differences: grids, stencils, upwind schemes, linear systems, and the closing of open faces."""

from ._discretisation import Discretisation as Discretisation, FaceSlopes as FaceSlopes
from ._downstream import Downstream as Downstream, downstream_order as downstream_order
from ._faces import close_faces as close_faces, finite_reach as finite_reach, is_open as is_open, is_shut as is_shut
from ._fear import across_the_aggregator as across_the_aggregator, down_the_exponential as down_the_exponential
from ._finite_difference import FiniteDifference as FiniteDifference, FiniteDifferenceState as FiniteDifferenceState
from ._gridded import check_nodes as check_nodes
from ._linear import (
    AbstractLinearSolver as AbstractLinearSolver,
    Automatic as Automatic,
    Direct as Direct,
    Downwind as Downwind,
    LinearSystem as LinearSystem,
    Multigrid as Multigrid,
    Sweep as Sweep,
    one_thread as one_thread,
)
from ._monotone_start import (
    bends_of as bends_of,
    bent_start as bent_start,
    can_start_from as can_start_from,
    coarse_start as coarse_start,
    finer as finer,
    monotone_start as monotone_start,
)
from ._stencils import (
    Axis as Axis,
    centred as centred,
    downstream as downstream,
    fornberg as fornberg,
    make_axis as make_axis,
    one_sided as one_sided,
    slope_jump as slope_jump,
)
from ._workspace import Workspace as Workspace
from ._zigzag import zigzags as zigzags

"""The HJB equation at a batch of nodes, and indicators of wrong solutions."""

from ._branch import (
    MOSTLY_WRONG as MOSTLY_WRONG,
    false_branch as false_branch,
    in_region as in_region,
    left_open as left_open,
    share_pinned as share_pinned,
    share_wrong_sign as share_wrong_sign,
)
from ._godunov import (
    Local as Local,
    Upwind as Upwind,
    after_jumps as after_jumps,
    at_node as at_node,
    evaluate_nodes as evaluate_nodes,
    face_slope as face_slope,
    lowest_after as lowest_after,
    missed_gains as missed_gains,
    on_nodes as on_nodes,
    with_faces_only as with_faces_only,
)
from ._infinite import Flow as Flow
from ._layers import Layer as Layer, layer_in as layer_in, noise_across as noise_across
from ._markov_chain import (
    SAFETY as SAFETY,
    UNRESOLVED as UNRESOLVED,
    MarkovChain as MarkovChain,
    chain_grid as chain_grid,
)
from ._time_like import Transport as Transport, sample_motion as sample_motion, time_like_states as time_like_states

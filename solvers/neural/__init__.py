"""Neural solvers: networks as value functions and policies, points, optimisers and training."""

from ._deep_galerkin import DeepGalerkin as DeepGalerkin
from ._gauss_newton import GaussNewton as GaussNewton
from ._labels import labels_of as labels_of
from ._least_squares import jacobian as jacobian, linearised as linearised, residual_rows as residual_rows
from ._levenberg_marquardt import levenberg_marquardt_step as levenberg_marquardt_step
from ._network_parameters import expanded as expanded, fit as fit
from ._network_start import first_basis as first_basis, kinks_of as kinks_of
from ._network_value import NetworkValue as NetworkValue
from ._neural import AbstractNeural as AbstractNeural
from ._optimizers import learning_rates as learning_rates, make_optimizer as make_optimizer
from ._policy_iteration import PolicyIteration as PolicyIteration
from ._residual_loss import losses as losses, pool_of as pool_of
from ._sampling import Sampler as Sampler
from ._start import Start as Start
from ._stopping import Stopping as Stopping
from ._workspace import TrainingSet as TrainingSet

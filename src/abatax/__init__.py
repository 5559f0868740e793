import jax
jax.config.update("jax_enable_x64", True)
from . import models, solvers
from .models import HJBProblem
from .solvers import solve, simulate

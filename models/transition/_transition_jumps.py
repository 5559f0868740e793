"""What may come in the models with dirty and green capital: better green capital, in one step or two, and known damages."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar

from ..base import Point, Scalar, is_traced
from ..climate import AbstractPhysicalClimate
from ..economy import DamageJump, FixedHazard, KnowledgeHazard, ThresholdDamages, TwoCapitals
from ..equation import AbstractModel, AbstractPreferences, Ambiguity, Jump

_NAMES = {"parity": "parity_jump", "mature": "technology_jump"}


class TransitionJumps(AbstractModel):
    """Regimes and the jumps between them; see `TwoCapital` and `NetZero`."""

    preferences: AbstractVar[AbstractPreferences]
    ambiguity: AbstractVar[Ambiguity]
    economy: AbstractVar[TwoCapitals]
    climate: AbstractVar[AbstractPhysicalClimate]
    damages: AbstractVar[ThresholdDamages]
    damage_jump: AbstractVar[DamageJump | None]
    technology: AbstractVar[KnowledgeHazard | FixedHazard | None]
    reset_temperature: AbstractVar[bool]
    phase: AbstractVar[str]

    def __post_init__(self):
        # one penalty is that of the damage jump
        given, names = self.ambiguity.jumps, self._jump_names()
        if given.size == 1 and names and (given.ndim == 0 or len(names) > 1):
            one = given.reshape(())
            if "damage_jump" not in names and not is_traced(one) and float(one) > 0.0:
                raise ValueError(
                    f"`ambiguity.jumps` is one penalty, {1.0 / float(one):g}, that of the damage jump, which is left out; the"
                    f" technology has its own: give a list of {len(names)} ({', '.join(names)})."
                )
            each = [one if name == "damage_jump" else jnp.zeros_like(one) for name in names]
            self.ambiguity = eqx.tree_at(lambda a: a.jumps, self.ambiguity, jnp.stack(each))

    # -- where in history ---------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def stage(self) -> str:
        """How far the technology is: `before`, `parity` or `mature`."""
        return self.phase.removesuffix("_revealed")

    @property
    def revealed(self) -> bool:
        """Whether the damage function is known."""
        return self.phase.endswith("_revealed")

    @property
    def awaits_revelation(self) -> bool:
        """Whether a jump will reveal the damage function."""
        return self.damage_jump is not None and not self.revealed

    @property
    def has_knowledge(self) -> bool:
        """Whether knowledge is a state."""
        return isinstance(self.technology, KnowledgeHazard)

    # -- the jumps --------------------------------------------------------------------------------------

    def idle_controls(self) -> tuple[str, ...]:
        """Research, once there is nothing left to find or where it finds nothing."""
        if not isinstance(self.technology, KnowledgeHazard):
            return ()
        fruitless = not np.any(np.asarray(self.technology.research.efficiency) > 0.0)
        return ("research",) if fruitless or not self._steps() else ()

    def _steps(self) -> tuple[str, ...]:
        """The stages that the technology may reach next."""
        return () if self.technology is None else self.technology.steps(self.stage)

    def _jump_names(self) -> tuple[str, ...]:
        steps = tuple(_NAMES[stage] for stage in self._steps())
        return (*steps, "damage_jump") if self.awaits_revelation else steps

    def jumps(self) -> tuple[Jump, ...]:
        steps = [self._improvement(stage) for stage in self._steps()]
        return tuple(steps) if len(steps) == len(self._jump_names()) else (*steps, self._revelation())

    def _after(self, **changes: Any) -> "TransitionJumps":
        """The model after a jump: what is left to fear keeps its aversions."""
        names, given = self._jump_names(), jnp.atleast_1d(self.ambiguity.jumps)
        # one number is for all of them
        aversions = dict(zip(names, jnp.broadcast_to(given, (len(names),)) if given.size == 1 else given, strict=False))
        moved = dataclasses.replace(self, ambiguity=dataclasses.replace(self.ambiguity, jumps=0.0), **changes)
        left = [aversions[name] for name in moved._jump_names()]
        return eqx.tree_at(lambda m: m.ambiguity.jumps, moved, jnp.stack(left)) if left else moved

    def _improvement(self, stage: str) -> Jump:
        def improved(productivity):
            economy = eqx.tree_at(lambda e: e.green.productivity, self.economy, productivity)
            return self._after(economy=economy, phase=stage + self.phase.removeprefix(self.stage))

        assert self.technology is not None
        return Jump(
            intensity=lambda t, x, u: self._arrival(stage, x),
            land=lambda x: x,
            probabilities=jnp.ones(1),
            destination=eqx.filter_vmap(improved)(jnp.atleast_1d(self.technology.after(stage))),
            name=_NAMES[stage],
        )

    def _arrival(self, stage: str, x: Point) -> Scalar:
        technology = self.technology
        if isinstance(technology, KnowledgeHazard):
            rate = technology.research.intensity(x.log_knowledge)
        else:
            assert technology is not None
            rate = technology.rate
        return technology.share(self.stage, stage) * rate

    def _land(self, x: Point) -> Point:
        """Where the damage jump puts the state."""
        return x._replace(temperature=self.damages.threshold) if self.reset_temperature else x

    def _revelation(self) -> Jump:
        jump = self.damage_jump
        assert jump is not None

        def known(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            return self._after(damages=damages, phase=f"{self.phase}_revealed")

        return Jump(
            intensity=lambda t, x, u: jump.intensity(x.temperature),
            land=self._land,
            probabilities=jump.prior,
            destination=eqx.filter_vmap(known)(jump.curvatures),
            name="damage_jump",
        )

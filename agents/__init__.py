"""Dispatchers: whatever answers a `Decision` with the models to send the tasks at hand to."""

from agents.analytic import (
    ErrorProne,
    FixedModel,
    Myopic,
    Oracle,
    RandomModel,
    ScalingLaw,
    slot_distribution,
    slot_for_theory,
    slot_law,
)
from agents.deferral import GreedyDeferral, SurplusDeferral
from agents.dispatcher import Dispatcher
from agents.registry import NAMES, make_dispatcher
from agents.variance_aware import VarianceAware

__all__ = [
    "NAMES",
    "Dispatcher",
    "ErrorProne",
    "FixedModel",
    "GreedyDeferral",
    "Myopic",
    "Oracle",
    "RandomModel",
    "ScalingLaw",
    "SurplusDeferral",
    "VarianceAware",
    "make_dispatcher",
    "slot_distribution",
    "slot_for_theory",
    "slot_law",
]

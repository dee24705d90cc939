"""Dispatchers: whatever answers a `Decision` with the models to send the tasks at hand to."""

from agents.analytic import (
    ErrorProne as ErrorProne,
    FixedModel as FixedModel,
    Myopic as Myopic,
    Oracle as Oracle,
    RandomModel as RandomModel,
    Router as Router,
    ScalingLaw as ScalingLaw,
    choices as choices,
    motion_for_theory as motion_for_theory,
    slot_distribution as slot_distribution,
    slot_for_theory as slot_for_theory,
)
from agents.deferral import (
    CheapHours as CheapHours,
    GreedyDeferral as GreedyDeferral,
    SurplusDeferral as SurplusDeferral,
)
from agents.dispatcher import Dispatcher as Dispatcher
from agents.optimal import Optimal as Optimal
from agents.orders import (
    BestOrder as BestOrder,
    Calibrated as Calibrated,
    Cascade as Cascade,
    Hindsight as Hindsight,
    LargestFirst as LargestFirst,
    Ordered as Ordered,
)
from agents.receding import OnClimatology as OnClimatology, OnFuture as OnFuture, OnPersistence as OnPersistence
from agents.registry import NAMES as NAMES, make_dispatcher as make_dispatcher
from agents.variance_aware import VarianceAware as VarianceAware

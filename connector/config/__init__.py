"""The configuration: clients' files, the daemon's settings, and the JSON Schema for editors."""

from connector.config.countries import country_in, policy_for
from connector.config.coupon import StepCoupon
from connector.config.describe import describe
from connector.config.load import Loaded, changed, load, reload
from connector.config.model import ClientConfig, LeadPolicy, Step
from connector.config.problems import ConfigProblems, Problem
from connector.config.settings import HttpSettings, LogSettings, Settings

__all__ = [
    "ClientConfig",
    "ConfigProblems",
    "HttpSettings",
    "LeadPolicy",
    "Loaded",
    "LogSettings",
    "Problem",
    "Settings",
    "Step",
    "StepCoupon",
    "changed",
    "country_in",
    "describe",
    "load",
    "policy_for",
    "reload",
]

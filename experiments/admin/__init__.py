"""The admin's pages of experiments."""

from experiments.admin import evaluations as evaluations
from experiments.admin import experiments as experiments
from experiments.admin import shared as shared

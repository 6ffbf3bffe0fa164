"""The admin's pages of experiments."""

from experiments.admin import experiments as experiments

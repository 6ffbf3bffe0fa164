"""Use cases of understanding: models trained from a flow's own examples, and what users say that no flow has understood."""

from conversations.understanding.training import KIND, follow_publish, start_training, train, train_forgotten, trainable
from conversations.understanding.unhandled import Group, Utterance, known_intents, learn_from, unhandled

__all__ = [
    "KIND",
    "Group",
    "Utterance",
    "follow_publish",
    "known_intents",
    "learn_from",
    "start_training",
    "train",
    "train_forgotten",
    "trainable",
    "unhandled",
]

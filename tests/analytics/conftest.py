from tests.playbook import play

__all__ = ["play"]

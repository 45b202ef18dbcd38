from tests.conformance.conftest import other_emsp, rival

__all__ = ["other_emsp", "rival"]

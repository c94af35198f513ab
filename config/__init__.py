"""plant.toml and its one loader."""

from pathlib import Path

from config.loader import load_plant
from config.trial import Trial, load_trial

__all__ = ["EXAMPLE", "HIDALGO", "Trial", "load_plant", "load_trial"]

EXAMPLE = Path(__file__).with_name("plant.toml")
"""Springfield: the demo plant, and the commented example to copy."""

HIDALGO = Path(__file__).with_name("hidalgo") / "plant.toml"
"""The 485 stamps of the 1872 Hidalgo issue: real readings, with their configuration."""

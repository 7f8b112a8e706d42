"""What a person sees in a terminal: live progress, tables, sentences."""

from fishnet_search.terminal.console import make_console
from fishnet_search.terminal.live import LiveProgress
from fishnet_search.terminal.tables import description, measured_table, model_cost_table, results

__all__ = ["LiveProgress", "description", "make_console", "measured_table", "model_cost_table", "results"]

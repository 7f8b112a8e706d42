"""The command line: parses words and calls one function each."""

from fishnet_search.cli.app import app, main

# in the order of the help
from fishnet_search.cli import studies  # isort: skip
from fishnet_search.cli import training  # isort: skip
from fishnet_search.cli import exporting  # isort: skip
from fishnet_search.cli import images  # isort: skip
from fishnet_search.cli import networks  # isort: skip
from fishnet_search.cli import overview  # isort: skip

__all__ = ["app", "exporting", "images", "main", "networks", "overview", "studies", "training"]

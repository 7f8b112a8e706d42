"""Latencies that a study asks for, each measured once: noise must not let a candidate in today and out tomorrow."""

from __future__ import annotations

import json
from pathlib import Path

from fishnet_search.graph.build import build_graph
from fishnet_search.network.measure import measure
from fishnet_search.spec.architecture import Architecture
from fishnet_search.study.store import write_whole
from fishnet_search.train.device import choose_device, device_name


class Gauge:
    """Measures a forward pass of one image, and remembers it in the study's folder by device and architecture."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "latency.json"
        self._device = choose_device()
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            known = {}
        self._known: dict[str, float] = known if isinstance(known, dict) else {}

    def latency_ms(self, spec: Architecture) -> float:
        """Return the median time of a pass, in milliseconds."""
        key = f"{device_name(self._device)}, {spec.image_size} pixels, {spec.identity()}"
        if key not in self._known:
            self._known[key] = round(measure(build_graph(spec), device=self._device, batch=1).latency_ms, 4)
            write_whole(self._file, json.dumps(self._known, indent=1).encode())
        return self._known[key]

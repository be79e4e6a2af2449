"""Graphs: work that is described once and launched often.

    with stream.capture() as graph:           # what the stream is given becomes the graph
        kernel[grid, block](a, b)
    executable = graph.instantiate()
    executable.launch(stream)

or node by node, with `Graph.add_kernel` and the like.

https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__GRAPH.html
"""

from __future__ import annotations

from .definition import Condition, Edge, Graph
from .executable import GraphExec
from .nodes import Node

__all__ = ["Condition", "Edge", "Graph", "GraphExec", "Node"]

"""A graph as a Dagster job; the environment names the graph's JSON."""

import json
import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from dagster import DependencyDefinition, GraphDefinition, In, MultiDependencyDefinition, NodeInvocation
from dagster import Nothing, OpExecutionContext, Out, op
from task import stamp

with open(os.environ["PEERS_GRAPH"], encoding="utf-8") as file:
    GRAPH = json.load(file)


@op(ins={"before": In(Nothing)}, out=Out(Nothing))
def work(context: OpExecutionContext) -> None:
    stamp(GRAPH["stamps"], context.op_handle.name)


peers = GraphDefinition(
    name="peers",
    node_defs=[work],
    dependencies={
        NodeInvocation("work", alias=name): {
            "before": MultiDependencyDefinition([DependencyDefinition(need) for need in needs])
        }
        if needs
        else {}
        for name, needs in GRAPH["needs"].items()
    },
).to_job()

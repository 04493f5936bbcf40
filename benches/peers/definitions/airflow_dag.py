"""A graph as an Airflow DAG; copied into the DAG folder once for each graph, beside the graph as JSON."""

import json
import pathlib
import sys

from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator

HERE = pathlib.Path(__file__)
GRAPH = json.loads(HERE.with_suffix(".json").read_text(encoding="utf-8"))
sys.path.append(GRAPH["definitions"])

from task import stamp  # noqa: E402

with DAG(GRAPH["id"], schedule=None, catchup=False, max_active_tasks=len(GRAPH["needs"])):
    made = {
        task: PythonOperator(task_id=task, python_callable=stamp, op_args=[GRAPH["stamps"], task])
        for task in GRAPH["needs"]
    }
    for task, needs in GRAPH["needs"].items():
        for need in needs:
            made[need] >> made[task]

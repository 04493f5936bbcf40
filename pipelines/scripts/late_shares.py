"""Share of late flights by carrier.

Needs nothing but Python: inputs and outputs are files named by environment variables, parameters
are JSON, and numbers written to the metrics output show up with the run.
"""

import csv
import json
import os
from collections import defaultdict

with open(os.environ["TRAINYARD_PARAMS"]) as file:
    params = json.load(file)

with open(os.environ["IN_airlines"], newline="") as file:
    names = {row["carrier"]: row["name"] for row in csv.DictReader(file)}

flights = defaultdict(int)
late = defaultdict(int)
with open(os.environ["IN_delays"], newline="") as file:
    for row in csv.DictReader(file):
        flights[row["carrier"]] += 1
        late[row["carrier"]] += float(row["arr_delay"]) > params["late_minutes"]

kept = sorted(carrier for carrier, count in flights.items() if count >= params["least_flights"])
shares = {carrier: late[carrier] / flights[carrier] for carrier in kept}

with open(os.environ["OUT_shares"], "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["carrier", "name", "flights", "late_share"])
    for carrier, share in shares.items():
        writer.writerow([carrier, names.get(carrier, ""), flights[carrier], f"{share:.4f}"])

with open(os.environ["OUT_metrics"], "w") as file:
    json.dump({"carriers": len(shares), "worst_share": max(shares.values())}, file)

print(f"{len(shares)} carriers, {sum(flights.values())} flights")

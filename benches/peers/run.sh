#!/bin/sh
# All of it, on a quiet machine: builds Trainyard, installs the peers, measures, prints the table.
# Options are those of compare.py, e.g. `--tasks 50 --only trainyard,prefect`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
(cd "$root" && cargo build --release --no-default-features)
exec python3 "$here/compare.py" --trainyard "$root/target/release/trainyard" "$@"

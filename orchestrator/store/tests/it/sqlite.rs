//! The SQLite backend: it conforms, and it says clearly what is wrong with its file or its disk.

mod damage;
mod disk_full;
mod failing_flush;
mod migrations;
mod mount;
mod power_cut;
mod read_only;

use crate::conformance::Open;
use trainyard_store::Home;

fn with_sqlite(claim: &dyn Fn(Open<'_>)) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    claim(&|| home.store().unwrap());
}

conformance!(crate::sqlite::with_sqlite);

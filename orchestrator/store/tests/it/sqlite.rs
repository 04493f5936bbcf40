//! The SQLite backend: it conforms, and it says clearly what is wrong with its file or its disk.

mod damage;
mod disk_full;
mod failing_flush;
mod locks;
mod migrations;
mod mount;
mod power_cut;
mod read_only;
mod removal;

use crate::conformance::{Backend, Open};
use trainyard_store::Home;

fn with_sqlite(claim: &dyn Fn(Open<'_>)) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    claim(&Backend {
        open: &|| home.store().unwrap(),
        set_clock: &|_| {},
    });
}

conformance!(crate::sqlite::with_sqlite);

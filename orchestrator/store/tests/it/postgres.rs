//! The PostgreSQL backend: it conforms, and it loses and repeats nothing when its server or the way to it fails.

mod faults;
mod migrations;

use crate::conformance::{Backend, Open};
use std::sync::OnceLock;
use trainyard_store::Store;
use trainyard_test_postgres::Server;

/// One server for all claims, each in a database of its own. It ends with this process.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref()
}

/// The name of the database that a URL names.
fn database_of(url: &str) -> &str {
    let path = url.rsplit_once('/').unwrap().1;
    path.split('?').next().unwrap()
}

fn with_postgres(claim: &dyn Fn(Open<'_>)) {
    let Some(server) = server() else { return };
    let url = server.database();
    claim(&Backend {
        open: &|| Store::connect(&url).unwrap(),
        set_clock: &|at| {
            drop(Store::connect(&url).unwrap());
            let clock = format!(
                "CREATE OR REPLACE FUNCTION clock_us() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT {}::bigint'",
                at.0
            );
            server.run(&clock, database_of(&url));
        },
    });
}

conformance!(crate::postgres::with_postgres);

//! Making, recognising and refusing databases.

use super::{database_of, server};
use crate::material::{create, run_id};
use trainyard_store::{Store, StoreError};

#[test]
fn many_that_come_first_make_one_schema() {
    let Some(server) = server() else { return };
    let url = server.database();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(Store::connect(&url).unwrap()));
        }
    });
    let made = server.run(
        "SELECT string_agg(name, ' ' ORDER BY version) FROM trainyard_schema",
        database_of(&url),
    );
    assert_eq!(
        made,
        "0001_runs 0002_registry 0003_lineage 0004_serve 0005_plans 0006_ends 0007_usage 0008_token_roles 0009_pools 0010_retention 0011_backfills 0012_features"
    );
}

#[test]
fn a_newer_database_is_refused() {
    let Some(server) = server() else { return };
    let url = server.database();
    drop(Store::connect(&url).unwrap());
    server.run(
        "INSERT INTO trainyard_schema (version, name) VALUES (99, 'later')",
        database_of(&url),
    );
    for refused in [Store::connect(&url), Store::connect_read_only(&url)] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, StoreError::Newer { found: 99, .. }),
            "{refused}"
        );
        assert!(
            !refused.to_string().contains("tester"),
            "neither user nor password is shown: {refused}"
        );
    }
}

#[test]
fn a_database_of_another_application_is_refused_and_left_alone() {
    let Some(server) = server() else { return };
    let url = server.database();
    server.run("CREATE TABLE invoices (id int)", database_of(&url));
    let refused = Store::connect(&url).unwrap_err();
    assert!(
        matches!(&refused, StoreError::NotADatabase { why, .. } if why.contains("invoices")),
        "{refused}"
    );
    let tables = server.run(
        "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'",
        database_of(&url),
    );
    assert_eq!(tables, "invoices");
}

#[test]
fn a_reader_neither_makes_nor_writes() {
    let Some(server) = server() else { return };
    let url = server.database();
    let refused = Store::connect_read_only(&url).unwrap_err();
    assert!(matches!(&refused, StoreError::NotADatabase { .. }), "{refused}");
    let run = create(&mut Store::connect(&url).unwrap(), 1, "flights");
    let mut reader = Store::connect_read_only(&url).unwrap();
    assert_eq!(reader.load_run(&run).unwrap().id, run);
    let refused = reader.release_lease(&run_id(1), 1).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused}");
}

#[test]
fn a_url_that_cannot_be_read_is_not_repeated() {
    for url in [
        "postgres://ada:secret@",
        "postgres://ada:secret@host/db?sslmode=maybe",
        "postgres://ada:secret@host:port/db",
        "postgres://ada:secret@host/db?sslrootcert=/no/such/file",
    ] {
        let refused = Store::connect(url).unwrap_err();
        assert!(matches!(refused, StoreError::InvalidUrl(_)), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused}");
    }
}

#[test]
fn a_server_that_risks_what_it_acknowledges_is_named() {
    let Some(server) = server() else { return };
    let url = server.database();
    let store = Store::connect(&url).unwrap();
    let condition = store.condition().unwrap();
    assert!(condition.product.starts_with("PostgreSQL "), "{condition:?}");
    let newest = server.run("SELECT max(version) FROM trainyard_schema", database_of(&url));
    assert_eq!(condition.schema.to_string(), newest);
    assert_eq!(condition.risks.len(), 1, "{condition:?}");
    assert!(condition.risks[0].contains("fsync"), "{condition:?}");
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}

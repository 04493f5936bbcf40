use super::*;
use crate::testbed::examples;
use trainyard_contract::DataContract;

fn drafted(text: &str) -> (String, DataContract) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orders.csv"), text).unwrap();
    let draft = draft_contract("orders", "orders.csv", &ReaderOptions::default(), folder.path()).unwrap();
    let contract =
        serde_saphyr::from_str(&draft.yaml).unwrap_or_else(|error| panic!("{error}\n{}", draft.yaml));
    (draft.yaml, contract)
}

#[test]
fn what_all_rows_show_stands_in_the_draft() {
    let mut text = String::from("order_id,at,state,code,share,mail,note\n");
    for n in 0..100 {
        let state = ["new", "sent"][n % 2];
        let note = if n % 4 == 0 { "" } else { "as said" };
        text.push_str(&format!(
            "{n},2020-01-01T00:00:{:02}Z,{state},AB-{n:04},0.5,a{n}@example.com,{note}{n}\n",
            n % 60
        ));
    }
    let (yaml, contract) = drafted(&text);
    assert_eq!(contract.primary_key, ["order_id"]);
    assert_eq!(contract.event_time.as_deref(), Some("at"));
    let column = |name: &str| &contract.columns[name];
    assert_eq!(column("order_id").data_type, DataType::Int16);
    assert_eq!(column("order_id").min, Some(0.0));
    assert_eq!(column("state").accepted_values, ["new", "sent"]);
    assert_eq!(column("code").pattern.as_deref(), Some("^[A-Z]{2}-[0-9]{4}$"));
    assert_eq!((column("share").min, column("share").max), (Some(0.0), Some(1.0)));
    assert!(!column("mail").nullable);
    assert!(
        yaml.contains("classification: personal? its values look like e-mail addresses"),
        "{yaml}"
    );
    assert!(yaml.contains("# Drafted from orders.csv (100 rows)"), "{yaml}");
}

#[test]
fn a_key_of_two_columns_is_found_and_a_missing_value_makes_a_column_nullable() {
    let mut text = String::from("store,day,sales\n");
    for n in 0..60 {
        text.push_str(&format!(
            "{},2020-01-{:02},{}\n",
            n / 30,
            n % 30 + 1,
            if n == 7 {
                String::new()
            } else {
                (n / 7).to_string()
            }
        ));
    }
    let (yaml, contract) = drafted(&text);
    assert_eq!(contract.primary_key, ["store", "day"], "{yaml}");
    assert!(contract.columns["sales"].nullable);
    assert!(yaml.contains("1.7 % missing"), "{yaml}");
}

#[test]
fn the_weather_keeps_its_drafted_contract() {
    let project = examples();
    let draft = draft_contract(
        "weather",
        "data/flights/weather.parquet",
        &ReaderOptions::default(),
        &project,
    )
    .unwrap();
    let contract: DataContract = serde_saphyr::from_str(&draft.yaml).unwrap();
    let bed = crate::testbed::Bed::new().contract(contract).dataset(
        "t",
        &project.join("data/flights/weather.parquet").to_string_lossy(),
        Some("weather"),
    );
    let ended = bed
        .run(
            crate::catalogue().get("ingest.files@v1").unwrap().as_ref(),
            json!({}),
            &[("t", trainyard_contract::ArtifactKind::Table)],
        )
        .unwrap();
    assert_eq!(ended.artifact("t").rows, Some(draft.rows));
}

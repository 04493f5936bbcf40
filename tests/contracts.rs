//! Contracts out of data and out of other tools' documents.

use crate::yard::Yard;

const PIPELINE: &str = "version: 1
name: demo
owner: me
include: [contracts/*.yaml]
datasets: {orders: {path: orders.csv, contract: orders}}
steps:
  ingest:
    uses: ingest.files@v1
    inputs: {orders: orders}
    outputs: {orders: {type: table, contract: orders}}
";

fn yard() -> Yard {
    let yard = Yard::with(PIPELINE);
    let mut rows = String::from("order_id;at;state;amount\n");
    for n in 0..60 {
        rows.push_str(&format!(
            "{n};2020-01-01T00:00:{n:02}Z;{};{n},5\n",
            ["new", "sent"][n % 2]
        ));
    }
    yard.write("orders.csv", &rows);
    yard
}

#[test]
fn a_drafted_contract_passes_the_check() {
    let yard = yard();
    let args = [
        "contracts",
        "infer",
        "orders.csv",
        "-o",
        "decimal=,",
        "--out",
        "contracts",
    ];
    let answer = yard.trainyard(&args).expect(0);
    assert!(
        answer.err.contains("`orders` from 60 rows, 4 columns"),
        "{answer}"
    );
    let draft = yard.read("contracts/orders.yaml");
    assert!(
        draft.contains("amount: {type: float64, nullable: false, min: 0}"),
        "{draft}"
    );
    yard.trainyard(&["check", "pipeline.yaml"]).expect(0);
    let again = yard.trainyard(&args).expect(2);
    assert!(again.err.contains("is there already"), "{again}");
}

#[test]
fn a_contract_goes_out_to_the_open_standard_and_comes_back() {
    let yard = Yard::examples();
    let odcs = yard
        .trainyard(&["contracts", "export", "contracts/flights.yaml"])
        .expect(0)
        .out;
    assert!(
        odcs.starts_with("apiVersion: v3.1.0\nkind: DataContract\n"),
        "{odcs}"
    );
    yard.write("odcs/flights.yaml", &odcs);
    let answer = yard
        .trainyard(&["contracts", "import", "odcs/flights.yaml"])
        .expect(0);
    assert!(answer.err.contains("not carried over: status"), "{answer}");
    let before = yard.trainyard(&["check"]).expect(0);
    yard.write("contracts/flights.yaml", &answer.out);
    let after = yard.trainyard(&["check"]).expect(0);
    assert_eq!(before.err, after.err);
}

#[test]
fn what_is_no_contract_is_refused_with_its_line() {
    let yard = Yard::with(PIPELINE);
    yard.write("bad.yaml", "kind: DataContract\nkind: x\n");
    let answer = yard.trainyard(&["contracts", "import", "bad.yaml"]).expect(2);
    assert!(answer.err.contains("bad.yaml:2:"), "{answer}");
}

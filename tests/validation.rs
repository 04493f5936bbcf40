//! Gates over data: what a failed one leaves behind, and what the next run compares with.

use crate::yard::Yard;

const PIPELINE: &str = "version: 1
name: orders
owner: me
datasets: {orders: {path: orders.csv}}
steps:
  validate:
    uses: validate.contract@v1
    inputs: {orders: orders}
    with:
      checks:
        - {dataset: orders, column: amount, metric: max, must_be_less_than: 1000}
        - dataset: orders
          column: amount
          rule: {distribution: {reference: previous, psi_at_most: 0.2}}
        - {dataset: orders, column: id, rule: unique}
    outputs: {report: {type: report}, failing: {type: table}, distributions: {type: table}}
  after:
    run: echo done
    needs: [validate]
";

fn orders(shift: u32) -> String {
    let rows = (0..100).map(|id| format!("{id},{}\n", id % 10 + shift));
    std::iter::once("id,amount\n".to_owned()).chain(rows).collect()
}

#[test]
fn the_report_and_the_failing_rows_of_a_failed_gate_are_kept_and_nobodys_input() {
    let yard = Yard::with(PIPELINE);
    let mut rows = orders(0);
    rows.push_str("7,5000\n");
    yard.write("orders.csv", &rows);
    let failed = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(
        failed.err.contains("kept: `distributions`, `failing`, `report`"),
        "{failed}"
    );
    let shown = yard.trainyard(&["runs", "show"]).expect(0).out;
    assert!(shown.contains("validate.failing (kept)"), "{shown}");
    let document = yard.json(&["runs", "show"]);
    let step = &document["steps"]["validate"];
    assert_eq!((&step["state"], step.get("outputs")), (&"failed".into(), None));
    assert_eq!(step["kept"]["failing"]["rows"], 2, "{step:#}");
    let hash = step["kept"]["report"]["hash"].as_str().unwrap();
    let hash = hash.rsplit(':').next().unwrap();
    let objects = yard.home().join("objects");
    let page = find(&objects, hash).expect("the report is among the objects");
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("occurs more than once")
    );
    assert_eq!(document["steps"]["after"]["state"], "skipped");
    // The same data fail again instead of taking over what a failure left behind.
    yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert_eq!(yard.json(&["runs", "show"])["steps"]["validate"]["attempts"], 1);
    // The server lists and hands out what was kept, too.
    let served = crate::http::Served::start(&yard);
    let document = served.get("/api/v1/runs/latest").expect(200);
    let steps = document["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "validate").unwrap();
    let kept = step["kept"].as_array().unwrap();
    let report = kept.iter().find(|output| output["name"] == "report").unwrap();
    let page = served.get(report["href"].as_str().unwrap());
    assert!(page.text().contains("occurs more than once"), "{step:#}");
}

/// The file whose path below `folder` is that hash, however it is cut into folders.
fn find(folder: &std::path::Path, hash: &str) -> Option<std::path::PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .strip_prefix(folder)
                .is_ok_and(|rest| rest.to_string_lossy().replace('/', "").ends_with(hash))
            {
                return Some(path);
            }
        }
    }
    None
}

#[test]
fn data_are_compared_with_the_last_good_run_not_with_a_failed_one() {
    let yard = Yard::with(PIPELINE);
    yard.write("orders.csv", &orders(0));
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    yard.write("orders.csv", &orders(50));
    for _ in 0..2 {
        // The second time too: what failed has not become the measure.
        let moved = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
        assert!(
            moved.err.contains("orders.amount beside previous.amount: PSI "),
            "{moved}"
        );
    }
    yard.write("orders.csv", &format!("{}100,3\n", orders(0)));
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let log = yard.trainyard(&["runs", "show"]).expect(0);
    assert!(log.out.contains("3 of 3 checks passed"), "{log}");
}

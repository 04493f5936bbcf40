//! The checks together: the worked example, levels, ignoring, order.

use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, shown};

fn worked_example() -> MemoryFiles {
    let mut files = MemoryFiles::default()
        .with(
            "pipelines/flight_delay.yaml",
            include_str!("worked_example/flight_delay.yaml"),
        )
        .with(
            "contracts/flights.yaml",
            include_str!("worked_example/flights.yaml"),
        )
        .with("lib/steps.yaml", "version: 1\n");
    for name in ["weather", "flight_features"] {
        let contract = format!("version: 1\nname: {name}\ncolumns: {{carrier: {{type: string}}}}\n");
        files = files.with(&format!("contracts/{name}.yaml"), contract);
    }
    for path in [
        "schemas/flight_in.avsc",
        "schemas/flight_out.avsc",
        "tests/flights_3rows.csv",
        "tests/weather_48h.csv",
        "tests/features_3rows.csv",
    ] {
        files = files.with(path, "");
    }
    files
}

#[test]
fn the_worked_example_is_read_whole() {
    let checked = checked(&worked_example(), &["pipelines/flight_delay.yaml"], None);
    // Both are true of the example: its library is empty here, and only a trigger sets the date.
    assert_eq!(
        shown(&checked),
        [
            "S06/unused-include 9:11 ../lib/steps.yaml",
            "S06/unused-param 12:3 run_date"
        ]
    );
    assert_eq!(checked.pipelines.len(), 1);
}

//! Attempts carried out from a file, as other places than this machine do.

use crate::Claim;
use crate::harness::{Place, SECRET, Shorthand};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Output};
use trainyard_contract::{ArtifactKind, FailureClass, OutputValue, TaskReport, TaskSpec};
use trainyard_executors::report_path;

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_task_file_gives_a_report_file", a_task_file_gives_a_report_file),
    (
        "a_failed_attempt_has_a_report_too",
        a_failed_attempt_has_a_report_too,
    ),
    ("a_report_is_never_written_twice", a_report_is_never_written_twice),
    ("what_is_no_task_has_no_report", what_is_no_task_has_no_report),
];

fn carry_out(place: &Place, spec: &TaskSpec) -> (Output, PathBuf) {
    let task = place.path().join("TASK.json");
    std::fs::write(&task, serde_json::to_vec(spec).unwrap()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--task")
        .arg(&task)
        .output()
        .unwrap();
    (output, report_path(&task))
}

fn read(path: &PathBuf) -> TaskReport {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn a_task_file_gives_a_report_file() {
    let place = Place::new();
    let noop = place
        .spec("debug.noop@v1", json!({}))
        .output("done", ArtifactKind::Boolean);
    let (output, report) = carry_out(&place, &noop);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report, place.path().join("TASK.report.json"));
    assert_eq!(read(&report).outputs["done"], OutputValue::Value(json!(true)));
    std::fs::remove_file(&report).unwrap();

    let mut shell =
        place.shell("echo with $TOKEN; printf 'a\\n1\\n' > $OUT_rows; setsid sleep 1000 & echo $! > pid");
    shell
        .process
        .as_mut()
        .unwrap()
        .secrets
        .insert("TOKEN".to_owned(), "canary".to_owned());
    let (output, report) = carry_out(&place, &shell.output("rows", ArtifactKind::Table));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "with ***\n");
    let text = std::fs::read_to_string(&report).unwrap();
    assert!(
        !text.contains(SECRET) && read(&report).failure.is_none(),
        "{text}"
    );
    let pid = std::fs::read_to_string(place.path().join("pid")).unwrap();
    assert!(!crate::harness::is_alive(pid.trim()));
    assert!(
        std::fs::read_dir(place.path().join("scratch"))
            .unwrap()
            .next()
            .is_none()
    );
}

fn a_failed_attempt_has_a_report_too() {
    let place = Place::new();
    let (output, report) = carry_out(&place, &place.shell("echo why; exit 4"));
    assert_eq!(output.status.code(), Some(1));
    let failure = read(&report).failure.unwrap();
    assert_eq!(
        (failure.class, failure.log_tail),
        (FailureClass::ExitCode, vec!["why".to_owned()])
    );
}

fn a_report_is_never_written_twice() {
    let place = Place::new();
    let (_, report) = carry_out(&place, &place.shell("echo x >> count"));
    let first = std::fs::read(&report).unwrap();
    let (output, report) = carry_out(&place, &place.shell("echo x >> count; exit 1"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(&report).unwrap(), first);
    assert_eq!(
        std::fs::read_to_string(place.path().join("count")).unwrap(),
        "x\n"
    );
}

fn what_is_no_task_has_no_report() {
    let place = Place::new();
    let task = place.path().join("TASK.json");
    std::fs::write(&task, "{}").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--task")
        .arg(&task)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is not a task")
    );
    assert!(!report_path(&task).exists());
}

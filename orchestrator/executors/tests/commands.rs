//! Commands: what they find when they start, and what becomes of what they leave.

use crate::Claim;
use crate::harness::{Place, Shorthand, class, failure, succeeded};
use serde_json::{Value, json};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, FailureClass, OutputValue, TaskReport};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_command_runs_in_the_project_and_logs_line_by_line",
        a_command_runs_in_the_project_and_logs_line_by_line,
    ),
    ("no_output_makes_no_log_file", no_output_makes_no_log_file),
    (
        "a_plain_command_does_what_a_shell_makes_of_it",
        a_plain_command_does_what_a_shell_makes_of_it,
    ),
    (
        "every_command_finds_its_temporary_folder_empty",
        every_command_finds_its_temporary_folder_empty,
    ),
    (
        "an_input_is_a_file_and_an_output_becomes_an_artifact",
        an_input_is_a_file_and_an_output_becomes_an_artifact,
    ),
    (
        "values_and_metrics_are_read_from_files",
        values_and_metrics_are_read_from_files,
    ),
    (
        "a_missing_output_is_rejected_by_name",
        a_missing_output_is_rejected_by_name,
    ),
    (
        "an_output_that_is_no_plain_file_is_rejected",
        an_output_that_is_no_plain_file_is_rejected,
    ),
    (
        "a_damaged_input_is_noticed_before_the_command_starts",
        a_damaged_input_is_noticed_before_the_command_starts,
    ),
    (
        "a_command_that_writes_to_its_input_fails",
        a_command_that_writes_to_its_input_fails,
    ),
    (
        "the_environment_is_small_and_has_no_secrets",
        the_environment_is_small_and_has_no_secrets,
    ),
    ("parameters_come_as_a_file", parameters_come_as_a_file),
    (
        "a_collected_input_is_a_folder_with_an_index",
        a_collected_input_is_a_folder_with_an_index,
    ),
    ("an_absent_input_is_empty", an_absent_input_is_empty),
    (
        "a_table_of_a_command_is_looked_into_by_a_worker",
        a_table_of_a_command_is_looked_into_by_a_worker,
    ),
    (
        "a_python_script_runs_with_its_arguments",
        a_python_script_runs_with_its_arguments,
    ),
    (
        "requirements_make_an_environment_once",
        requirements_make_an_environment_once,
    ),
    (
        "a_missing_program_is_rejected_by_name",
        a_missing_program_is_rejected_by_name,
    ),
    (
        "a_container_without_an_engine_is_a_clear_error",
        a_container_without_an_engine_is_a_clear_error,
    ),
];

fn value(report: &TaskReport, output: &str) -> Value {
    match &report.outputs[output] {
        OutputValue::Value(value) => value.clone(),
        OutputValue::Artifact(artifact) => panic!("{artifact:?} is no value"),
    }
}

fn artifact(report: &TaskReport, output: &str) -> ArtifactRef {
    match &report.outputs[output] {
        OutputValue::Artifact(artifact) => (**artifact).clone(),
        OutputValue::Value(value) => panic!("{value} is no artifact"),
    }
}

fn kept(place: &Place, bytes: &[u8], media_type: &str) -> OutputValue {
    OutputValue::Artifact(Box::new(ArtifactRef {
        kind: ArtifactKind::File,
        hash: place.objects().put(bytes).unwrap(),
        size: bytes.len() as u64,
        media_type: media_type.to_owned(),
        rows: None,
        schema: None,
        summary: Value::Null,
    }))
}

fn a_command_runs_in_the_project_and_logs_line_by_line() {
    let mut place = Place::new();
    let report = place.run_shell("pwd; echo to stderr >&2; printf 'no end'");
    succeeded(&report);
    let project = place.path().canonicalize().unwrap();
    assert_eq!(
        place.log(1),
        format!("{}\nto stderr\nno end\n", project.display())
    );
    assert!(!place.path().join("scratch/1").exists());
}

fn a_plain_command_does_what_a_shell_makes_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let mut place = Place::new();
    for (name, text) in [
        ("with_line.sh", "#!/bin/sh\necho \"$0 $1 $PWD\"\n"),
        ("without_line.sh", "echo \"$1 $PWD\"\n"),
    ] {
        let file = place.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    // The second of each pair has a shell between; they are to be the same in all that can be seen.
    for (at, (plain, shell)) in (0..).zip([
        ("env -u X pwd", "env -u X pwd;"),
        ("./with_line.sh a", "./with_line.sh 'a'"),
        ("./without_line.sh a", "./without_line.sh 'a'"),
        ("no-such-program a", "no-such-program 'a'"),
        ("./missing.sh", "./missing.sh;"),
        ("false", "false;"),
    ]) {
        let first = place.run_shell(plain);
        let second = place.run_shell(shell);
        let shown = |report: &TaskReport| report.failure.as_ref().map(|failure| failure.message.clone());
        assert_eq!(shown(&first), shown(&second), "{plain}");
        assert_eq!(place.log(at * 2 + 1), place.log(at * 2 + 2), "{plain}");
    }
}

fn no_output_makes_no_log_file() {
    let mut place = Place::new();
    succeeded(&place.run_shell("true"));
    assert!(!place.path().join("logs").exists());
}

fn every_command_finds_its_temporary_folder_empty() {
    let mut place = Place::with(|config| config.cores = 1);
    for script in [
        "touch $TMPDIR/x $TRAINYARD_METRICS.y",
        "rm -r $TMPDIR",
        "mkdir $TMPDIR/.hidden",
    ] {
        let report = place.run_shell(&format!("[ -z \"$(ls -A $TMPDIR)\" ]; {script}"));
        succeeded(&report);
    }
    drop(place.executor.take());
    assert!(
        std::fs::read_dir(place.path().join("scratch"))
            .unwrap()
            .next()
            .is_none()
    );
}

fn an_input_is_a_file_and_an_output_becomes_an_artifact() {
    let mut place = Place::new();
    let input = kept(&place, b"a,b\n1,2\n", "text/csv");
    let spec = place
        .shell("case $IN_the_rows in *.csv) ;; *) exit 9;; esac; sed s/1/7/ $IN_the_rows > $OUT_more")
        .input("the-rows", input)
        .output("more", ArtifactKind::File);
    let report = place.run(spec);
    succeeded(&report);
    let more = artifact(&report, "more");
    assert_eq!(place.objects().get(&more.hash).unwrap(), b"a,b\n7,2\n");
    assert_eq!((more.size, more.media_type.as_str()), (8, "text/csv"));
}

fn values_and_metrics_are_read_from_files() {
    let mut place = Place::new();
    let spec = place
        .shell(
            r#"echo true > $OUT_yes; echo 2.5 > $OUT_number; echo plain words > $OUT_text
               echo '{"auc": 0.7, "by": {"x": 1}}' > $OUT_scores; echo '{"extra": 3}' > $TRAINYARD_METRICS"#,
        )
        .output("yes", ArtifactKind::Boolean)
        .output("number", ArtifactKind::Number)
        .output("text", ArtifactKind::String)
        .output("scores", ArtifactKind::Metrics);
    let report = place.run(spec);
    succeeded(&report);
    assert_eq!(value(&report, "yes"), json!(true));
    assert_eq!(value(&report, "number"), json!(2.5));
    assert_eq!(value(&report, "text"), json!("plain words"));
    assert_eq!(
        artifact(&report, "scores").summary,
        json!({"auc": 0.7, "by": {"x": 1}})
    );
    let metrics: Vec<_> = report
        .metrics
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_eq!(metrics, [("auc", 0.7), ("extra", 3.0)]);
    for (script, kind) in [
        ("echo yes > $OUT_x", ArtifactKind::Boolean),
        ("echo [1] > $OUT_x", ArtifactKind::Metrics),
    ] {
        let spec = place.shell(script).output("x", kind);
        assert_eq!(class(&place.run(spec)), FailureClass::Rejected, "{script}");
    }
}

fn a_missing_output_is_rejected_by_name() {
    let mut place = Place::new();
    let spec = place.shell("echo did nothing").output("rows", ArtifactKind::File);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Rejected);
    assert_eq!(
        failure(&report).message,
        "the command ended well without writing output `rows`"
    );
    assert_eq!(failure(&report).log_tail, ["did nothing"]);
}

fn an_output_that_is_no_plain_file_is_rejected() {
    let mut place = Place::new();
    for script in ["ln -s /etc/passwd $OUT_x", "mkdir $OUT_x", "mkfifo $OUT_x"] {
        let spec = place.shell(script).output("x", ArtifactKind::File);
        assert_eq!(class(&place.run(spec)), FailureClass::Rejected, "{script}");
    }
    assert!(std::fs::metadata("/etc/passwd").is_ok());
}

fn a_damaged_input_is_noticed_before_the_command_starts() {
    let mut place = Place::new();
    let input = kept(&place, b"good", "text/plain");
    std::fs::write(place.objects().path(&ContentHash::of(b"good")), b"gooe").unwrap();
    let spec = place.shell("touch ran").input("x", input);
    assert_eq!(class(&place.run(spec)), FailureClass::ArtifactDamaged);
    assert!(!place.path().join("ran").exists());
}

fn a_command_that_writes_to_its_input_fails() {
    let mut place = Place::new();
    let input = kept(&place, b"good", "text/plain");
    // As root, the mode of the object keeps nobody out; as another user, the write itself fails.
    let spec = place.shell("echo worse >> $IN_x").input("x", input);
    let report = place.run(spec);
    assert!(
        matches!(
            class(&report),
            FailureClass::ArtifactDamaged | FailureClass::ExitCode
        ),
        "{report:?}"
    );
}

fn the_environment_is_small_and_has_no_secrets() {
    let mut place = Place::new();
    let mut spec = place
        .shell("env | cut -d= -f1 | sort > $OUT_names")
        .output("names", ArtifactKind::File);
    spec.process
        .as_mut()
        .unwrap()
        .env
        .insert("MINE".to_owned(), "1".to_owned());
    let report = place.run(spec);
    let names = place.objects().get(&artifact(&report, "names").hash).unwrap();
    let names = String::from_utf8(names).unwrap();
    let known = "HOME LANG MINE OLDPWD OUT_names PATH PWD SHLVL TMPDIR TRAINYARD_ATTEMPT \
                 TRAINYARD_CACHE TRAINYARD_METRICS TRAINYARD_PROJECT TRAINYARD_RUN \
                 TRAINYARD_STEP TZ _";
    for name in names.lines() {
        assert!(known.split_whitespace().any(|known| known == name), "{name}");
    }
    assert!(names.contains("MINE\n"));
}

fn parameters_come_as_a_file() {
    let mut place = Place::new();
    let spec = place.spec(
        "run.shell@v1",
        json!({"script": "cat $TRAINYARD_PARAMS", "params": {"a": "$(touch canary)"}}),
    );
    succeeded(&place.run(spec));
    assert_eq!(place.log(1), "{\"a\":\"$(touch canary)\"}\n");
    assert!(!place.path().join("canary").exists());
}

fn a_collected_input_is_a_folder_with_an_index() {
    let mut place = Place::new();
    let cells = ["one", "two"].map(|text| {
        let matrix = json!({ "algorithm": text }).as_object().unwrap().clone();
        (matrix, kept(&place, text.as_bytes(), "text/plain"))
    });
    let mut spec = place.shell("cat $IN_all/0000 $IN_all/0001; grep -c algorithm $IN_all/index.json");
    spec.inputs
        .insert("all".to_owned(), TaskInput::Collected(cells.into()));
    succeeded(&place.run(spec));
    assert_eq!(place.log(1), "onetwo1\n");
}

fn an_absent_input_is_empty() {
    let mut place = Place::new();
    let mut spec = place.shell("[ -z \"$IN_champion\" ]");
    spec.inputs.insert("champion".to_owned(), TaskInput::Absent);
    succeeded(&place.run(spec));
}

fn a_table_of_a_command_is_looked_into_by_a_worker() {
    let mut place = Place::with(|config| config.inspects_tables = true);
    let spec = place
        .shell("printf 'a,b\\n1,2\\n3,4\\n' > $OUT_rows")
        .output("rows", ArtifactKind::Table);
    let report = place.run(spec);
    succeeded(&report);
    assert_eq!(artifact(&report, "rows").rows, Some(2));
    let spec = place
        .shell("printf 'PAR1\\377' > $OUT_rows")
        .output("rows", ArtifactKind::Table);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Rejected);
    assert_eq!(failure(&report).message, "`rows` is no CSV");
}

fn a_python_script_runs_with_its_arguments() {
    let mut place = Place::new();
    std::fs::write(
        place.path().join("s.py"),
        "import sys, os\nprint(sys.argv[1:], os.environ['TRAINYARD_STEP'])\n",
    )
    .unwrap();
    let spec = place.spec("run.python@v1", json!({"script": "s.py", "args": ["a b", 2]}));
    succeeded(&place.run(spec));
    assert_eq!(place.log(1), "['a b', '2'] step1\n");
    let spec = place.spec("run.python@v1", json!({"script": "missing.py"}));
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::ExitCode);
    assert!(failure(&report).log_tail.concat().contains("missing.py"));
}

fn requirements_make_an_environment_once() {
    let mut place = Place::new();
    std::fs::write(place.path().join("r.txt"), "# nothing\n").unwrap();
    std::fs::write(
        place.path().join("s.py"),
        "import sys\nprint(sys.prefix != sys.base_prefix)\n",
    )
    .unwrap();
    for step in 1..=2 {
        let spec = place.spec(
            "run.python@v1",
            json!({"script": "s.py", "requirements": "r.txt"}),
        );
        let report = place.run(spec);
        succeeded(&report);
        let made = place.log(step).contains("making a Python environment");
        assert_eq!(made, step == 1, "{}", place.log(step));
        assert!(place.log(step).ends_with("True\n"));
    }
    let spec = place.spec(
        "run.python@v1",
        json!({"script": "s.py", "requirements": "none.txt"}),
    );
    let report = place.run(spec);
    assert!(
        failure(&report)
            .log_tail
            .concat()
            .contains("cannot read requirements none.txt")
    );
}

fn a_missing_program_is_rejected_by_name() {
    let mut place = Place::new();
    let mut spec = place.shell("");
    spec.process.as_mut().unwrap().argv = vec!["no-such-program".to_owned()];
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Rejected);
    assert_eq!(
        failure(&report).message,
        "the program `no-such-program` is not installed"
    );
}

fn a_container_without_an_engine_is_a_clear_error() {
    let mut place = Place::new();
    let spec = place.spec(
        "run.container@v1",
        json!({"image": "no-such-registry.invalid/x:1", "command": ["true"]}),
    );
    let report = place.run(spec);
    // With an engine, the image is what is missing.
    let expected = failure(&report)
        .message
        .starts_with("no container engine answers")
        || class(&report) == FailureClass::ExitCode;
    assert!(expected, "{report:?}");
}

//! Secrets reach the command and nothing else.

use crate::Claim;
use crate::harness::{Place, SECRET, Shorthand, class, failure, succeeded};
use std::path::Path;
use trainyard_contract::{ArtifactKind, FailureClass, TaskSpec};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_secret_reaches_the_command_and_no_file",
        a_secret_reaches_the_command_and_no_file,
    ),
    (
        "a_secret_split_across_writes_is_masked",
        a_secret_split_across_writes_is_masked,
    ),
    (
        "a_secret_in_the_last_lines_of_a_failure_is_masked",
        a_secret_in_the_last_lines_of_a_failure_is_masked,
    ),
    (
        "a_secret_as_an_output_value_is_refused",
        a_secret_as_an_output_value_is_refused,
    ),
    (
        "a_secret_that_is_not_set_is_named",
        a_secret_that_is_not_set_is_named,
    ),
];

fn with_secret(place: &Place, script: &str) -> TaskSpec {
    let mut spec = place.shell(script);
    spec.process
        .as_mut()
        .unwrap()
        .secrets
        .insert("TOKEN".to_owned(), "canary".to_owned());
    spec
}

/// Every file below a folder that holds one of the texts.
fn files_with(folder: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let content = String::from_utf8_lossy(&bytes).into_owned();
            if texts.iter().any(|text| content.contains(text)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn a_secret_reaches_the_command_and_no_file() {
    let mut place = Place::with(|config| config.follow_logs = true);
    let script = r#"[ "$TOKEN" = 'c4n4ry-s3cr3t/value+42' ]
        echo "plain $TOKEN"; printf %s "$TOKEN" | base64; printf %s "x$TOKEN" | base64; echo "$TOKEN" | base64
        printf %s "$TOKEN" | od -An -tx1 | tr -d ' \n'; echo
        python3 -c 'import os, urllib.parse, json; t = os.environ["TOKEN"]
print(urllib.parse.quote(t, safe="")); print(json.dumps({"t": t}))'
        set -x; : $TOKEN; env | grep TOKEN; cat /proc/$PPID/cmdline"#;
    let spec = with_secret(&place, script);
    succeeded(&place.run(spec));
    let encoded = [
        "YzRuNHJ5LXMzY3IzdC92YWx1ZSs0",
        "c4n4ry-s3cr3t%2Fvalue%2B42",
        "63346e3472792d733363723374",
    ];
    let mut forms: Vec<String> = encoded.iter().map(|form| (*form).to_owned()).collect();
    forms.push(SECRET.to_owned());
    assert_eq!(files_with(place.path(), &forms), Vec::<String>::new());
    let log = place.log(1);
    assert!(
        log.starts_with("plain ***\n***") && log.matches("***").count() >= 8,
        "{log}"
    );
    let news = format!("{:?}", place.rest());
    assert!(forms.iter().all(|form| !news.contains(form)));
}

fn a_secret_split_across_writes_is_masked() {
    let mut place = Place::new();
    let script = r#"import os, sys, time
t = os.environ["TOKEN"].encode()
for at in range(len(t)):
    os.write(1 + at % 2, t[at:at + 1])
    if at % 7 == 0: time.sleep(0.002)
os.write(1, b" end\n")"#;
    std::fs::write(place.path().join("s.py"), script).unwrap();
    let spec = with_secret(&place, "python3 s.py");
    succeeded(&place.run(spec));
    assert_eq!(place.log(1), "*** end\n");
}

fn a_secret_in_the_last_lines_of_a_failure_is_masked() {
    let mut place = Place::new();
    let spec = with_secret(&place, "echo no access with $TOKEN; exit 1");
    let report = place.run(spec);
    assert_eq!(failure(&report).log_tail, ["no access with ***"]);
}

fn a_secret_as_an_output_value_is_refused() {
    let mut place = Place::new();
    let spec = with_secret(&place, "echo $TOKEN > $OUT_x").output("x", ArtifactKind::String);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Rejected);
    assert!(!format!("{report:?}").contains(SECRET));
}

fn a_secret_that_is_not_set_is_named() {
    let mut place = Place::new();
    let mut spec = place.shell("true");
    spec.process
        .as_mut()
        .unwrap()
        .secrets
        .insert("TOKEN".to_owned(), "unknown".to_owned());
    let report = place.run(spec);
    assert_eq!(failure(&report).message, "the secret `unknown` is not set");
}

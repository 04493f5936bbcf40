//! What people type and read.

use crate::yard::Yard;

#[test]
fn nothing_has_run_yet_is_said_in_words() {
    let yard = Yard::empty();
    let answer = yard.trainyard(&["runs", "list"]).expect(2);
    assert!(answer.err.contains("nothing has run yet"), "{answer}");
}

#[test]
fn init_never_overwrites() {
    let yard = Yard::empty();
    yard.trainyard(&["init"]).expect(0);
    let before = yard.read("trainyard.yaml");
    let answer = yard.trainyard(&["init"]).expect(2);
    assert!(answer.err.contains("is there already"), "{answer}");
    assert_eq!(yard.read("trainyard.yaml"), before);
}

#[test]
fn a_feature_that_is_known_too_late_is_refused_at_its_word() {
    let yard = Yard::examples();
    let text = yard.read("flight_delay.yaml");
    let changed = text.replacen("keep: [", "keep: [dep_delay, ", 1);
    yard.write("flight_delay.yaml", &changed);
    let line = changed
        .lines()
        .position(|line| line.contains("keep: [dep_delay"))
        .unwrap();
    let column = changed.lines().nth(line).unwrap().find("dep_delay").unwrap() + 1;
    let answer = yard.trainyard(&["check", "flight_delay.yaml"]).expect(1);
    assert!(answer.err.contains("error[M01"), "{answer}");
    assert!(
        answer
            .err
            .contains(&format!("flight_delay.yaml:{}:{column}", line + 1)),
        "{answer}"
    );
    assert!(answer.err.contains("departure"), "{answer}");
}

#[test]
fn unknown_codes_are_refused() {
    let yard = Yard::empty();
    yard.trainyard(&["explain", "M01"]).expect(0);
    yard.trainyard(&["explain", "M0l"]).expect(2);
}

#[test]
fn completions_exist_for_the_usual_shells() {
    let yard = Yard::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            yard.trainyard(&["completions", shell])
                .expect(0)
                .out
                .contains("trainyard")
        );
    }
}

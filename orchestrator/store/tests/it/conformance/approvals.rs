use super::Open;
use crate::material::{append, at, create_owned, ended_run, started_run};
use trainyard_contract::Timestamp;
use trainyard_domain::run::{Event, RunOutcome, What};

fn asked(time: i64) -> Event {
    at(time, What::ApprovalAsked { step: 0 })
}

fn given(time: i64, by: &str, approve: bool) -> Event {
    let (by, role) = (by.to_owned(), Some("risk".to_owned()));
    at(
        time,
        What::ApprovalGiven {
            step: 0,
            by,
            role,
            approve,
            comment: None,
        },
    )
}

pub(crate) fn a_gate_waits_until_enough_people_agree(open: Open<'_>) {
    let mut store = open();
    let later = create_owned(&mut store, 1, "flights");
    let first = create_owned(&mut store, 2, "adult");
    append(&mut store, &first, 0, &[started_run(1), asked(5)]);
    append(&mut store, &later, 0, &[started_run(1), asked(6)]);
    let waiting = open().waiting_approvals().unwrap();
    assert_eq!(
        waiting.iter().map(|gate| &gate.run).collect::<Vec<_>>(),
        [&first, &later],
        "longest first"
    );
    let gate = &waiting[0];
    assert_eq!(
        (gate.instance.as_str(), gate.author.as_str(), gate.asked_at),
        ("s0", "ada", Timestamp(5))
    );
    assert_eq!(gate.rule.as_ref().unwrap().min_approvals, 2);
    append(
        &mut store,
        &first,
        2,
        &[given(7, "eve", true), given(8, "eve", true)],
    );
    let waiting = open().waiting_approvals().unwrap();
    assert_eq!(
        waiting[0]
            .given
            .iter()
            .map(|given| given.by.as_str())
            .collect::<Vec<_>>(),
        ["eve"],
        "once each"
    );
    append(&mut store, &first, 4, &[given(9, "bob", true)]);
    assert_eq!(open().waiting_approvals().unwrap().len(), 1);
    assert_eq!(open().run_summary(&first).unwrap().steps.succeeded, 1);
}

pub(crate) fn a_refusal_closes_the_gate(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    append(&mut store, &run, 0, &[asked(1), given(2, "eve", false)]);
    assert_eq!(open().waiting_approvals().unwrap(), []);
    assert_eq!(open().run_summary(&run).unwrap().steps.failed, 1);
}

pub(crate) fn the_end_of_a_run_closes_its_gates(open: Open<'_>) {
    let mut store = open();
    for (number, end) in [
        (1, ended_run(2, RunOutcome::Cancelled)),
        (2, at(2, What::StepCancelled { step: 0 })),
        (
            3,
            at(
                2,
                What::ApprovalExpired {
                    step: 0,
                    approve: false,
                },
            ),
        ),
    ] {
        let run = create_owned(&mut store, number, "flights");
        append(&mut store, &run, 0, &[started_run(1), asked(1)]);
        assert_eq!(open().waiting_approvals().unwrap().len(), 1);
        append(&mut store, &run, 2, &[end]);
        assert_eq!(open().waiting_approvals().unwrap(), []);
    }
}

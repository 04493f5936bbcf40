//! What commands can do to a machine, and who dies of it: that attempt, and nothing else.

use crate::Claim;
use crate::harness::{
    Place, Shorthand, class, eventually, failure, is_alive, kill_9, line_of, parent_of, run_id, succeeded,
};
use std::process::{Command, Stdio};
use trainyard_contract::{ByteSize, FailureClass, Millis};
use trainyard_executors::{Executor, ExecutorNews, kill_orphans};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_code_other_than_zero_is_exit_code_with_the_last_lines",
        a_code_other_than_zero_is_exit_code_with_the_last_lines,
    ),
    ("an_end_by_signal_is_named", an_end_by_signal_is_named),
    (
        "a_command_that_hangs_runs_into_its_timeout",
        a_command_that_hangs_runs_into_its_timeout,
    ),
    (
        "a_command_that_ignores_sigterm_is_killed_after_the_grace",
        a_command_that_ignores_sigterm_is_killed_after_the_grace,
    ),
    (
        "a_cancelled_command_may_clean_up",
        a_cancelled_command_may_clean_up,
    ),
    (
        "a_command_that_allocates_without_end_is_out_of_memory",
        a_command_that_allocates_without_end_is_out_of_memory,
    ),
    ("memory_of_children_counts", memory_of_children_counts),
    (
        "a_gigabyte_of_log_ends_with_log_limit",
        a_gigabyte_of_log_ends_with_log_limit,
    ),
    (
        "binary_garbage_and_endless_lines_make_a_readable_log",
        binary_garbage_and_endless_lines_make_a_readable_log,
    ),
    (
        "a_command_may_close_its_output_early",
        a_command_may_close_its_output_early,
    ),
    (
        "children_that_daemonise_die_with_their_attempt",
        children_that_daemonise_die_with_their_attempt,
    ),
    (
        "children_that_hide_their_mark_die_too",
        children_that_hide_their_mark_die_too,
    ),
    (
        "a_fork_bomb_costs_its_attempt_only",
        a_fork_bomb_costs_its_attempt_only,
    ),
    (
        "kill_9_of_the_supervisor_loses_its_attempts_and_leaves_nothing",
        kill_9_of_the_supervisor_loses_its_attempts_and_leaves_nothing,
    ),
    (
        "when_the_orchestrator_dies_everything_it_started_dies",
        when_the_orchestrator_dies_everything_it_started_dies,
    ),
    (
        "orphans_of_a_run_are_found_when_everybody_else_is_dead",
        orphans_of_a_run_are_found_when_everybody_else_is_dead,
    ),
    (
        "dropping_the_executor_kills_what_it_runs",
        dropping_the_executor_kills_what_it_runs,
    ),
];

fn a_code_other_than_zero_is_exit_code_with_the_last_lines() {
    let mut place = Place::new();
    let report = place.run_shell("seq 30; exit 3");
    assert_eq!(class(&report), FailureClass::ExitCode);
    assert_eq!(failure(&report).message, "the command ended with exit code 3");
    let expected: Vec<String> = (11..=30).map(|n| n.to_string()).collect();
    assert_eq!(failure(&report).log_tail, expected);
}

fn an_end_by_signal_is_named() {
    let mut place = Place::new();
    let report = place.run_shell("kill -SEGV $$");
    assert_eq!(class(&report), FailureClass::Signal);
    assert_eq!(
        failure(&report).message,
        "the command was ended by SIGSEGV (signal 11)"
    );
}

fn a_command_that_hangs_runs_into_its_timeout() {
    let mut place = Place::new();
    let spec = place.shell("sleep 1000").timeout(50);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::Timeout);
    assert_eq!(failure(&report).message, "it ran longer than its timeout of 50ms");
}

fn a_command_that_ignores_sigterm_is_killed_after_the_grace() {
    let mut place = Place::new();
    let spec = place.shell("trap '' TERM; echo $$ > pid; while true; do sleep 1000; done");
    let key = place.submit(spec);
    let pid = line_of(place.path().join("pid"));
    place.executor.as_mut().unwrap().cancel(&key, Millis(50));
    assert_eq!(failure(&place.report(&key)).message, "cancelled");
    assert!(!is_alive(&pid));
}

fn a_cancelled_command_may_clean_up() {
    let mut place = Place::new();
    let spec =
        place.shell("trap 'echo cleaned up; exit 0' TERM; echo 1 > began; while true; do sleep 0.01; done");
    let key = place.submit(spec);
    line_of(place.path().join("began"));
    place.executor.as_mut().unwrap().cancel(&key, Millis(60_000));
    let report = place.report(&key);
    assert!(
        failure(&report).log_tail.contains(&"cleaned up".to_owned()),
        "{report:?}"
    );
}

const ALLOCATE: &str = "import time\nheld = []\nwhile True: held.append(bytearray(b'x' * 1000000))";

fn a_command_that_allocates_without_end_is_out_of_memory() {
    let mut place = Place::new();
    std::fs::write(place.path().join("s.py"), ALLOCATE).unwrap();
    let spec = place.shell("python3 s.py").memory(200);
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::OutOfMemory);
    assert!(failure(&report).message.ends_with("limit of 200Mi"), "{report:?}");
    assert!(report.resources.peak_memory > ByteSize(200 << 20));
}

fn memory_of_children_counts() {
    let mut place = Place::new();
    let script = "import time\nheld = bytearray(b'x' * 60000000)\ntime.sleep(1000)";
    std::fs::write(place.path().join("s.py"), script).unwrap();
    let spec = place
        .shell("for i in 1 2 3 4; do setsid python3 s.py & done; wait")
        .memory(200);
    assert_eq!(class(&place.run(spec)), FailureClass::OutOfMemory);
}

fn a_gigabyte_of_log_ends_with_log_limit() {
    let mut place = Place::new();
    let spec = place.shell("yes 0123456789 | head -c 1073741824");
    let report = place.run(spec);
    assert_eq!(class(&report), FailureClass::LogLimit);
    assert_eq!(failure(&report).message, "it wrote more than 100Mi of log");
    let size = std::fs::metadata(place.path().join("logs/1.log")).unwrap().len();
    assert!((100 << 20) - 100 < size && size < (100 << 20) + 200, "{size}");
}

fn binary_garbage_and_endless_lines_make_a_readable_log() {
    let mut place = Place::new();
    succeeded(&place.run_shell(
        "head -c 3000000 /dev/urandom; head -c 1000000 /dev/zero | tr '\\0' x; printf '\\033[2Jend'",
    ));
    let log = std::fs::read_to_string(place.path().join("logs/1.log")).unwrap();
    assert!(log.lines().all(|line| line.len() <= 64 << 10));
    assert!(!log.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    assert!(log.contains("[line cut: "));
}

fn a_command_may_close_its_output_early() {
    let mut place = Place::new();
    succeeded(&place.run_shell("echo before; exec >&- 2>&-; sleep 0.1; [ -n \"$TRAINYARD_RUN\" ]"));
    assert_eq!(place.log(1), "before\n");
}

fn children_that_daemonise_die_with_their_attempt() {
    let mut place = Place::new();
    let report = place.run_shell(
        "setsid sh -c 'echo $$ > a; exec sleep 1000' < /dev/null > /dev/null 2>&1 &
         (setsid sh -c 'sleep 1000 & echo $! > b; wait' &) &
         sleep 1000 & echo $! > c
         while ! [ -s a ] || ! [ -s b ]; do sleep 0.01; done",
    );
    succeeded(&report);
    for file in ["a", "b", "c"] {
        let pid = line_of(place.path().join(file));
        assert!(!is_alive(&pid), "{file}");
    }
}

fn children_that_hide_their_mark_die_too() {
    let mut place = Place::new();
    // Other attempts go on meanwhile, so whose child it is has to be found out.
    let other = place.shell("while ! [ -e stop ]; do sleep 0.01; done");
    let other = place.submit(other);
    place.until_began(&other);
    succeeded(&place.run_shell(
        "env -i setsid sh -c 'echo $$ > a; exec sleep 1000' > /dev/null 2>&1 &
         while ! [ -s a ]; do sleep 0.01; done; sleep 0.2",
    ));
    let pid = line_of(place.path().join("a"));
    eventually("the child is dead", || !is_alive(&pid));
    std::fs::write(place.path().join("stop"), "").unwrap();
    succeeded(&place.report(&other));
}

fn a_fork_bomb_costs_its_attempt_only() {
    let mut place = Place::new();
    let other = place.shell("while ! [ -e stop ]; do sleep 0.01; done; echo well");
    let other = place.submit(other);
    place.until_began(&other);
    let spec = place
        .shell("while :; do sleep 1000 & done")
        .limits(|limits| limits.cpu = Some(1));
    let report = place.run(spec);
    assert!(
        failure(&report).message.contains("processes, more than the 1024"),
        "{report:?}"
    );
    std::fs::write(place.path().join("stop"), "").unwrap();
    succeeded(&place.report(&other));
}

fn kill_9_of_the_supervisor_loses_its_attempts_and_leaves_nothing() {
    let mut place = Place::new();
    let spec = place.shell("setsid sleep 1000 & echo $! > child; echo $$ > pid; sleep 1000");
    let key = place.submit(spec);
    let pid = line_of(place.path().join("pid"));
    let child = line_of(place.path().join("child"));
    kill_9(&parent_of(&pid));
    let report = place.report(&key);
    assert_eq!(class(&report), FailureClass::WorkerLost);
    assert!(failure(&report).message.contains("SIGKILL"), "{report:?}");
    eventually("its processes are dead", || !is_alive(&pid) && !is_alive(&child));
    succeeded(&place.run_shell("true"));
    assert!(
        place
            .rest()
            .iter()
            .any(|news| matches!(news, ExecutorNews::Fault { .. }))
    );
}

/// Starts an orchestrator that runs a command and a built-in step; numbers of it, of the command's
/// child, and of the worker.
fn orchestrator(place: &Place, run: &str) -> (std::process::Child, [String; 3]) {
    let script = "setsid sleep 1000 & echo $! > child; echo $PPID > supervisor; sleep 1000";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--parent".as_ref(),
            place.path().as_os_str(),
            run.as_ref(),
            script.as_ref(),
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pids = ["child", "supervisor", "worker.pid"].map(|file| line_of(place.path().join(file)));
    (child, pids)
}

fn when_the_orchestrator_dies_everything_it_started_dies() {
    let place = Place::new();
    let (mut parent, pids) = orchestrator(&place, run_id().as_str());
    parent.kill().unwrap();
    parent.wait().unwrap();
    for pid in pids {
        eventually("everything is dead", || !is_alive(&pid));
    }
}

fn orphans_of_a_run_are_found_when_everybody_else_is_dead() {
    let place = Place::new();
    let run = run_id();
    let (mut parent, [child, supervisor, worker]) = orchestrator(&place, run.as_str());
    // Stopped, it cannot notice that the orchestrator dies.
    assert!(
        Command::new("kill")
            .args(["-STOP", &supervisor])
            .status()
            .unwrap()
            .success()
    );
    parent.kill().unwrap();
    parent.wait().unwrap();
    kill_9(&supervisor);
    eventually("supervisor and worker are dead", || {
        !is_alive(&supervisor) && !is_alive(&worker)
    });
    assert!(is_alive(&child));
    assert_eq!(kill_orphans(&run_id()), 0);
    assert!(kill_orphans(&run) >= 1);
    eventually("the child is dead", || !is_alive(&child));
}

fn dropping_the_executor_kills_what_it_runs() {
    let mut place = Place::new();
    let spec = place.shell("trap '' TERM; setsid sleep 1000 & echo $! > child; echo $$ > pid; sleep 1000");
    let key = place.submit(spec);
    let pids = ["child", "pid"].map(|file| line_of(place.path().join(file)));
    drop(place.executor.take());
    assert!(pids.iter().all(|pid| !is_alive(pid)));
    assert_eq!(failure(&place.report(&key)).message, "cancelled");
}

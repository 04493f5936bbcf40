//! Pools: limits of steps that pipelines and servers share.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};
use std::process::Stdio;
use trainyard_test_postgres::Server;

/// Two pipelines whose steps say when they begin and end; `test` waits for the file `go`.
fn yard(pools: &str) -> Yard {
    let yard = Yard::with("");
    let project = yard.path().display().to_string();
    yard.write(
        "trainyard.yaml",
        &format!("version: 1\nname: test\npools: {pools}\n"),
    );
    let pipeline = |name: &str, wait: &str| {
        format!(
            "version: 1\nname: {name}\nparams:\n  word: {{type: string, default: none}}\nsteps:\n  only:\n    \
             pool: db\n    run: |\n      echo \"begin\" >> \"$PROJECT/ledger\"\n      {wait}\n      \
             echo \"end\" >> \"$PROJECT/ledger\"\n    \
             env: {{PROJECT: {project}, WORD: \"${{{{ params.word }}}}\"}}\n"
        )
    };
    yard.write(
        "pipeline.yaml",
        &pipeline("test", "while [ ! -e \"$PROJECT/go\" ]; do sleep 0.05; done"),
    );
    yard.write("other.yaml", &pipeline("other", "true"));
    yard
}

fn shown(served: &Served, run: &str) -> Value {
    served.get(&format!("/api/v1/runs/{run}")).expect(200)
}

/// The most that went on at once, by a file to which each adds a line when it begins and ends.
pub(crate) fn most_at_once(ledger: &str) -> (usize, usize) {
    let (mut now, mut most, mut begun) = (0usize, 0, 0);
    for line in ledger.lines() {
        match line {
            "begin" => {
                now += 1;
                begun += 1;
            }
            _ => now -= 1,
        }
        most = most.max(now);
    }
    assert_eq!(now, 0);
    (most, begun)
}

/// Two servers on one database; nothing where PostgreSQL is not installed.
pub(crate) fn fleet(yard: &Yard) -> Option<(Server, [Served; 2])> {
    let server = Server::start()?;
    let served = [(); 2].map(|()| {
        let mut command = yard.command(&["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
        command
            .env("TRAINYARD_DATABASE_URL", server.url())
            .stderr(Stdio::null());
        Served::start_command(command)
    });
    Some((server, served))
}

#[test]
fn pipelines_share_a_pool_and_who_waits_says_for_what() {
    let yard = yard("{db: {slots: 1}}");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let first = served.run("test");
    events.until(|told| told.event == "attempt_started" && told.data["run"] == first.as_str());
    let second = served.run("other");
    let told = events.until(|told| told.event == "awaits_slot" && told.data["run"] == second.as_str());
    let reason = "pool `db` has 1 of 1 slots taken";
    assert_eq!(told.data["message"], reason);
    let document = shown(&served, &second);
    assert_eq!(
        (&document["status"], &document["steps"][0]["state"]),
        (&json!("running"), &json!("ready"))
    );
    assert_eq!(document["waits_for"], json!({ "only": reason }));
    assert_eq!(document["not_obeyed"], json!([]));
    let seen = yard.trainyard(&["runs", "show", &second]).expect(0);
    assert!(seen.out.contains(&format!("only waits: {reason}")), "{seen}");
    // More slots count at once, also for runs that wait already.
    yard.edit("trainyard.yaml", "slots: 1", "slots: 2");
    assert_eq!(served.ended(&second)["status"], "succeeded");
    yard.write("go", "");
    assert_eq!(served.ended(&first)["status"], "succeeded");
}

#[test]
fn a_server_that_is_killed_leaves_its_slots_to_others() {
    let yard = yard("{db: {slots: 1}}");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let first = served.run("test");
    events.until(|told| told.event == "attempt_started" && told.data["run"] == first.as_str());
    served.kill();
    yard.trainyard(&["run", "other.yaml"]).expect(0);
}

#[test]
fn steps_on_two_servers_never_have_more_slots_than_there_are() {
    let yard = yard("{db: {slots: 3}}");
    let Some((_server, served)) = fleet(&yard) else {
        return;
    };
    let runs: Vec<(usize, String)> = (0..60)
        .map(|number| {
            let asked =
                json!({ "pipeline": "other", "params": { "word": number.to_string() }, "reuse": false });
            let line = served[number % 2].post("/api/v1/runs", &asked).expect(201);
            (number % 2, line["id"].as_str().unwrap().to_owned())
        })
        .collect();
    for (place, run) in &runs {
        while shown(&served[*place], run)["ended_at"].is_null() {
            std::thread::yield_now();
        }
        assert_eq!(shown(&served[*place], run)["status"], "succeeded");
    }
    let (most, begun) = most_at_once(&yard.read("ledger"));
    println!("{begun} steps on two servers, at most {most} at once");
    assert!(begun == 60 && most <= 3, "{begun} {most}");
}

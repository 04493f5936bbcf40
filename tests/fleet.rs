//! Several engines on one PostgreSQL while engines are killed and frozen, connections are cut, and the
//! server itself is killed.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use trainyard_test_postgres::Server;

/// Of the engines, in seconds.
const LEASE: u64 = 2;
/// Longer than this nothing here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Steps in the order of the file, which is that of their numbers in events.
const STEPS: [&str; 4] = ["a", "b", "c", "d"];
/// A step writes its line when it has done all else.
const PIPELINE: &str = r#"
version: 1
name: test
defaults: {cache: false}
params: {key: {type: string}}
steps:
  a: {run: 'sleep 0.2; echo "$KEY a" >> "$PROJECT/ledger"', env: &env {KEY: "${{ params.key }}", PROJECT: "@PROJECT@"}}
  b: {needs: [a], run: 'sleep 0.3; echo "$KEY b" >> "$PROJECT/ledger"', env: *env}
  c: {needs: [a], run: 'sleep 0.1; echo "$KEY c" >> "$PROJECT/ledger"', env: *env}
  d: {needs: [b, c], run: 'echo "$KEY d" >> "$PROJECT/ledger"', env: *env}
"#;

#[test]
fn engines_on_one_database_lose_and_repeat_nothing_whatever_fails() {
    if let Some(proof) = prove(Duration::from_secs(20), 3, 1) {
        println!("{proof}");
        assert!(proof.runs > 0, "{proof}");
    }
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Proof {
    seed: u64,
    runs: usize,
    steps: usize,
    kills: usize,
    freezes: usize,
    cuts: usize,
    crashes: usize,
    /// Requests that were sent again, because no answer came or none that settled it.
    repeated: usize,
    lost: u64,
    doubled: u64,
    takeovers: Vec<Duration>,
    took: Duration,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.takeovers.clone();
        sorted.sort();
        let limit = Duration::from_secs(2 * LEASE);
        write!(
            f,
            "seed {}: {} runs, {} steps in {:.0} s; {} kills, {} freezes, {} cuts, {} crashes of the server; \
             {} requests sent again, {} attempts lost, {} effects doubled by them; {} runs taken over, after \
             {:.2} s (median) and {:.2} s (at most), {} later than twice the lease of {LEASE} s",
            self.seed,
            self.runs,
            self.steps,
            self.took.as_secs_f64(),
            self.kills,
            self.freezes,
            self.cuts,
            self.crashes,
            self.repeated,
            self.lost,
            self.doubled,
            sorted.len(),
            sorted.get(sorted.len() / 2).map_or(0.0, Duration::as_secs_f64),
            sorted.last().map_or(0.0, Duration::as_secs_f64),
            sorted.iter().filter(|took| **took > limit).count(),
        )
    }
}

/// Lets engines work under faults for that long and judges their record; nothing where PostgreSQL is
/// not installed.
pub(crate) fn prove(time: Duration, engines: usize, seed: u64) -> Option<Proof> {
    let server = Server::start()?;
    let mut fleet = Fleet::start(server, engines, seed);
    let begun = Instant::now();
    while begun.elapsed() < time {
        fleet.fault();
    }
    fleet.finish();
    fleet.proof.took = begun.elapsed();
    fleet.judge();
    let logs = fleet.logs.clone();
    let proof = std::mem::take(&mut fleet.proof);
    drop(fleet);
    std::fs::remove_dir_all(logs).unwrap();
    Some(proof)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn millis(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis((from + self.below(to - from)) as u64)
    }
}

struct Fleet {
    engines: Vec<Served>,
    /// One that does not move, and so is asked nothing.
    frozen: Option<usize>,
    server: Server,
    yard: Yard,
    url: String,
    logs: PathBuf,
    random: Random,
    is_server_up: bool,
    /// Runs by the keys they were asked for under; those without a run have not been acknowledged yet.
    asked: BTreeMap<String, Option<String>>,
    proof: Proof,
}

impl Fleet {
    fn start(server: Server, engines: usize, seed: u64) -> Self {
        let logs = std::env::temp_dir().join(format!("trainyard-fleet-{seed}-{}", std::process::id()));
        std::fs::create_dir_all(&logs).unwrap();
        println!("seed {seed}; logs in {}", logs.display());
        let yard = Yard::with("");
        let text = PIPELINE.replace("@PROJECT@", &yard.path().display().to_string());
        yard.write("pipeline.yaml", &text);
        yard.write("ledger", "");
        let mut fleet = Self {
            engines: Vec::new(),
            frozen: None,
            url: server.url(),
            server,
            yard,
            logs,
            random: Random(seed),
            is_server_up: true,
            asked: BTreeMap::new(),
            proof: Proof {
                seed,
                ..Proof::default()
            },
        };
        for place in 0..engines {
            let engine = fleet.engine(place);
            fleet.engines.push(engine);
        }
        fleet
    }

    fn engine(&self, place: usize) -> Served {
        let lease = LEASE.to_string();
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--format",
            "json",
            "--lease",
            &lease,
        ];
        let path = self.logs.join(format!("engine-{place}.log"));
        let log = File::options().create(true).append(true).open(path).unwrap();
        let mut command = self.yard.command(&args);
        command.env("TRAINYARD_DATABASE_URL", &self.url).stderr(log);
        Served::start_command(command)
    }

    fn sql(&self, statement: &str) -> Vec<Vec<String>> {
        let answer = self.server.run(statement, "postgres");
        let fields = |line: &str| line.split('|').map(str::to_owned).collect();
        answer.lines().map(fields).collect()
    }

    /// Something fails, and what follows from it is waited for.
    fn fault(&mut self) {
        let calm = self.random.millis(300, 1500);
        self.work(calm);
        let place = self.random.below(self.engines.len());
        match self.random.below(8) {
            0..=2 => self.kill(place),
            3..=4 => self.freeze(place),
            5..=6 => {
                self.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
                );
                self.proof.cuts += 1;
            }
            _ => self.crash(),
        }
    }

    fn kill(&mut self, place: usize) {
        let pid = self.engines[place].pid();
        signal(pid, "-KILL");
        let killed = Instant::now();
        let held = self.held(pid);
        self.proof.kills += 1;
        // Another engine, or this one when it is back: both have to.
        if self.random.below(2) == 0 {
            self.frozen = Some(place);
            self.taken(held, killed);
            self.frozen = None;
            self.engines[place] = self.engine(place);
        } else {
            self.engines[place] = self.engine(place);
            self.taken(held, killed);
        }
        // What it had sent last may have been written after it died.
        let late = self.held(pid);
        self.taken(late, killed);
    }

    fn freeze(&mut self, place: usize) {
        let pid = self.engines[place].pid();
        signal(pid, "-STOP");
        let stopped = Instant::now();
        self.proof.freezes += 1;
        // It may have stopped in the middle of something, which the server ends.
        let held = self.held(pid);
        self.frozen = Some(place);
        self.taken(held, stopped);
        let more = self.random.millis(1, 1000);
        self.work(more);
        signal(pid, "-CONT");
        self.frozen = None;
    }

    fn crash(&mut self) {
        self.server.kill();
        self.is_server_up = false;
        let away = self.random.millis(100, 3000);
        self.work(away);
        self.server.restart();
        self.is_server_up = true;
        self.proof.crashes += 1;
    }

    /// What an engine holds: the run's number and the epoch.
    fn held(&self, pid: u32) -> Vec<Vec<String>> {
        self.sql(&format!("SELECT run, epoch FROM leases WHERE pid = {pid}"))
    }

    /// Waits until others have what an engine held, or it has ended.
    fn taken(&mut self, mut held: Vec<Vec<String>>, since: Instant) {
        while !held.is_empty() {
            let now = self.sql("SELECT run, epoch FROM leases");
            let before = held.len();
            held.retain(|lease| now.contains(lease));
            let took = since.elapsed();
            for _ in held.len()..before {
                self.proof.takeovers.push(took);
            }
            assert!(took < PATIENCE, "nobody takes over {held:?}");
            self.work(Duration::from_millis(20));
        }
    }

    /// Asks for runs, as many as the engines can take.
    fn work(&mut self, time: Duration) {
        let begun = Instant::now();
        loop {
            let open = if self.is_server_up {
                let count = self.sql("SELECT count(*) FROM runs WHERE ended_at_us IS NULL");
                count[0][0].parse().unwrap()
            } else {
                0
            };
            if open < 3 * self.engines.len() {
                self.ask();
            }
            if begun.elapsed() >= time {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One request to an engine that lives: a new one, or one that was not answered yet.
    fn ask(&mut self) {
        let place = self.random.below(self.engines.len());
        if self.frozen == Some(place) {
            return;
        }
        let earlier = self.asked.iter().find(|(_, run)| run.is_none());
        let key = earlier.map_or_else(|| format!("k{}", self.asked.len()), |(key, _)| key.clone());
        if self.asked.contains_key(&key) {
            self.proof.repeated += 1;
        }
        let body = json!({ "pipeline": "test", "params": { "key": key } });
        let reply = self.engines[place].ask("/api/v1/runs", &key, &body, Duration::from_secs(2));
        let run = match reply {
            Some(reply) if matches!(reply.status, 200 | 201) => {
                Some(reply.json()["id"].as_str().unwrap().to_owned())
            }
            Some(reply) => {
                assert_eq!(reply.status, 503, "{}", reply.text());
                None
            }
            None => None,
        };
        self.asked.insert(key, run);
    }

    /// Has all that was asked for acknowledged and carried out.
    fn finish(&mut self) {
        let begun = Instant::now();
        while self.asked.values().any(Option::is_none) {
            self.ask();
            assert!(begun.elapsed() < PATIENCE, "requests are not answered");
        }
        loop {
            let open = self.sql("SELECT id, status FROM runs WHERE ended_at_us IS NULL");
            if open.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "runs do not end: {open:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn judge(&mut self) {
        let seed = self.proof.seed;
        let runs = self.sql("SELECT id, status FROM runs");
        assert_eq!(runs.len(), self.asked.len(), "one run for each key; seed {seed}");
        let status: BTreeMap<&str, &str> = runs
            .iter()
            .map(|run| (run[0].as_str(), run[1].as_str()))
            .collect();
        let events =
            self.sql("SELECT runs.id, events.body FROM events JOIN runs ON runs.number = events.id >> 32");
        // Of each run, step and kind of event: how many.
        let mut counts: BTreeMap<(String, Option<u64>, String), u64> = BTreeMap::new();
        for event in &events {
            let body: Value = serde_json::from_str(&event[1..].join("|")).unwrap();
            let kind = body["event"].as_str().unwrap().to_owned();
            let step = body["step"].as_u64();
            *counts.entry((event[0].clone(), step, kind)).or_default() += 1;
        }
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for line in self.yard.read("ledger").lines() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
        for (key, run) in &self.asked {
            let run = run.as_deref().unwrap();
            assert_eq!(status[run], "succeeded", "{run}; seed {seed}");
            let count = |step: Option<u64>, kind: &str| {
                let found = counts.get(&(run.to_owned(), step, kind.to_owned()));
                found.copied().unwrap_or(0)
            };
            assert_eq!(count(None, "run_started"), 1, "{run}; seed {seed}");
            assert_eq!(count(None, "run_ended"), 1, "{run}; seed {seed}");
            for (number, name) in (0..).zip(STEPS) {
                let step = Some(number);
                let (started, lost) = (count(step, "attempt_started"), count(step, "attempt_lost"));
                let done = lines.remove(&format!("{key} {name}")).unwrap_or(0);
                let seen =
                    format!("{run} {name}: {started} started, {lost} lost, {done} effects; seed {seed}");
                assert_eq!(count(step, "attempt_succeeded"), 1, "{seen}");
                assert_eq!(started, lost + 1, "{seen}");
                assert!((1..=started).contains(&done), "{seen}");
                self.proof.lost += lost;
                self.proof.doubled += done - 1;
            }
        }
        assert!(lines.is_empty(), "effects of nobody: {lines:?}; seed {seed}");
        let left = self.sql("SELECT run, pid FROM leases");
        assert!(
            left.is_empty(),
            "leases of runs that are over: {left:?}; seed {seed}"
        );
        self.proof.runs = runs.len();
        self.proof.steps = runs.len() * STEPS.len();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "seed {}; logs of the engines are in {}",
                self.proof.seed,
                self.logs.display()
            );
        }
    }
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

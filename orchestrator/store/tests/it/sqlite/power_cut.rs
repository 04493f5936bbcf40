//! A power cut: a child commits on an ext4 image and says so after each commit; it is stopped, and
//! the image is copied as the disk would hold it, without what the page cache has not flushed. Every
//! turn that was acknowledged before must be in the copy.

use super::mount::Mount;
use crate::leave_out;
use crate::material::{append, at, create_owned, run_id};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use trainyard_domain::run::{Event, What};
use trainyard_store::Home;

const CHILD: &str = "TRAINYARD_TEST_POWER_HOME";
const ROUNDS: u64 = 4;

fn event(number: u64) -> Event {
    at(
        number as i64,
        What::CancelAsked {
            by: format!("{number} {}", "x".repeat((number % 300) as usize)),
        },
    )
}

#[test]
fn a_power_cut_loses_no_acknowledged_event() {
    if let Some(home) = std::env::var_os(CHILD) {
        return child(Path::new(&home));
    }
    let dir = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let (image, copy) = (dir.path().join("image"), dir.path().join("copy"));
        let (live, after) = (dir.path().join("live"), dir.path().join("after"));
        let mount = match Mount::new_ext4(&image, 64, &live) {
            Ok(mount) => mount,
            Err(why) => return leave_out(&why),
        };
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = Running(
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", &name, "--nocapture"])
                .env(CHILD, live.join("home"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut said = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let enough = 40 + round * 150;
        let mut acknowledged = 0;
        while acknowledged < enough {
            let line = said.next().expect("the child ended").unwrap();
            if let Some(number) = line.strip_prefix("kept ") {
                acknowledged = number.parse().unwrap();
            }
        }
        child.stop();
        fs::write(&copy, settled(&image)).unwrap();
        // What it said up to the moment it was stopped counts as well.
        child.signal("KILL");
        for line in said.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("kept ") {
                acknowledged = number.parse().unwrap();
            }
        }
        drop(child);
        drop(mount);

        let recovered = Mount::image(&copy, &after).unwrap();
        let store = Home::open(after.join("home")).unwrap().store().unwrap();
        let events = store.load_run(&run_id(1)).unwrap().events;
        assert!(
            events.len() as u64 >= acknowledged,
            "{} events, {acknowledged} acknowledged",
            events.len()
        );
        assert_eq!(events, (0..events.len() as u64).map(event).collect::<Vec<_>>());
        assert_eq!(store.damage().unwrap(), Vec::<String>::new());
        drop(store);
        drop(recovered);
    }
}

fn child(home: &Path) {
    let mut store = Home::open(home).unwrap().store().unwrap();
    let id = create_owned(&mut store, 1, "flights");
    let mut out = std::io::stdout();
    for number in 0..u64::from(u32::MAX) {
        append(&mut store, &id, number, &[event(number)]);
        writeln!(out, "kept {}", number + 1).unwrap();
        out.flush().unwrap();
        if number % 97 == 96 {
            store.checkpoint().unwrap();
        }
    }
}

/// The image as it was at one moment: the kernel's own threads may still be writing to it, so it is
/// read until two readings agree.
fn settled(image: &Path) -> Vec<u8> {
    let mut before = fs::read(image).unwrap();
    for _ in 0..50 {
        let now = fs::read(image).unwrap();
        if now == before {
            return now;
        }
        before = now;
    }
    panic!("the image of a stopped process goes on changing");
}

struct Running(Child);

impl Running {
    /// Returns when it has stopped; a flush that it waits for comes first.
    fn stop(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.0.id());
        while !fs::read_to_string(&stat)
            .unwrap()
            .rsplit_once(')')
            .unwrap()
            .1
            .starts_with(" T")
        {
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! A PostgreSQL server of a test's own, from the newest binaries that are installed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and whoever reads its log is to know what was left out"
)]

mod proxy;

pub use proxy::{Cut, Proxy};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ended when dropped, and when the process that started it ends in whatever way.
pub struct Server {
    /// A shell that ends the server when its standard input closes.
    keeper: Child,
    bin: PathBuf,
    port: u16,
    folder: tempfile::TempDir,
    settings: Vec<String>,
    databases: AtomicU32,
}

/// Starts the server and ends it (SIGINT: the fast shutdown) when nobody is there any more to want it. Its folder
/// goes with it unless it is to be started again: a server that lives as long as its process is never dropped.
const KEEPER: &str = r#"folder=$1; shift; "$@" 2>&1 & server=$!; exec >/dev/null; cat; kill -INT $server; wait $server
[ -e "$folder/stays" ] || rm -rf "$folder""#;

/// The newest installed binaries.
fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| -> Option<u32> { path.parent()?.file_name()?.to_str()?.parse().ok() };
    glob::glob("/usr/lib/postgresql/*/bin")
        .unwrap()
        .filter_map(Result::ok)
        .max_by_key(version)
}

/// A user that is not root, since the server refuses to run as root.
fn unprivileged(command: &mut Command, folder: &Path) {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        std::os::unix::fs::chown(folder, Some(65_534), Some(65_534)).unwrap();
        command.uid(65_534).gid(65_534);
    }
}

impl Server {
    /// A server that flushes nothing, or nothing where PostgreSQL is not installed; in CI it must be.
    pub fn start() -> Option<Self> {
        Self::with(&["fsync=off"])
    }

    /// A server with those settings, `name=value` each; nothing where PostgreSQL is not installed.
    pub fn with(settings: &[&str]) -> Option<Self> {
        let Some(bin) = binaries() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs PostgreSQL: its binaries are not in /usr/lib/postgresql"
            );
            eprintln!("left out: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut init = Command::new(bin.join("initdb"));
        init.args([
            "--auth=trust",
            "--username=tester",
            "--locale=C",
            "--encoding=UTF8",
            "--no-sync",
            "-D",
        ])
        .arg(&data)
        .current_dir("/");
        unprivileged(&mut init, folder.path());
        let made = init.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Some(Self {
            keeper: launch(&bin, folder.path(), port, &settings),
            bin,
            port,
            folder,
            settings,
            databases: AtomicU32::new(0),
        })
    }

    /// Its own database `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// One of its databases.
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://tester@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}"), "postgres");
        self.url_of(&name)
    }

    /// Runs statements in one of its databases; gives rows as lines.
    pub fn run(&self, sql: &str, database: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-p", &self.port.to_string(), "-U", "tester", "-d", database])
            .args(["-c", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Kills it without warning, as a crash of its machine would.
    pub fn kill(&mut self) {
        let written = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = written.lines().next().unwrap();
        std::fs::write(self.folder.path().join("stays"), "").unwrap();
        let killed = Command::new("kill").args(["-KILL", pid]).status().unwrap();
        assert!(killed.success());
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    /// Starts it again on the same data and port; returns when it has recovered.
    pub fn restart(&mut self) {
        self.keeper = launch(&self.bin, self.folder.path(), self.port, &self.settings);
        std::fs::remove_file(self.folder.path().join("stays")).unwrap();
    }
}

/// Starts the server; returns when it accepts connections.
fn launch(bin: &Path, folder: &Path, port: u16, settings: &[String]) -> Child {
    // After a kill, shared memory may be in use for as long as a child of the old server lives.
    for _ in 0..200 {
        match try_launch(bin, folder, port, settings) {
            Ok(process) => return process,
            Err(said) if said.contains("is still in use") || said.contains("lock file") => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(said) => panic!("PostgreSQL did not come up:\n{said}"),
        }
    }
    panic!("PostgreSQL did not come up again");
}

fn try_launch(bin: &Path, folder: &Path, port: u16, settings: &[String]) -> Result<Child, String> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .arg(bin.join("postgres"))
        .args(["-c", "listen_addresses=127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    unprivileged(&mut command, folder);
    let mut keeper = command.spawn().unwrap();
    let mut log = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    loop {
        // The log ends with the server.
        let Some(Ok(line)) = log.next() else {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
            return Err(said.join("\n"));
        };
        let is_ready = line.contains("ready to accept connections");
        said.push(line);
        if is_ready {
            break;
        }
    }
    // Nobody reads on, but the server must not wait for that.
    std::thread::spawn(move || log.for_each(drop));
    Ok(keeper)
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

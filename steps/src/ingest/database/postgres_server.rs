//! A PostgreSQL server of a test's own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ended when dropped.
pub(super) struct Server {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

/// The newest installed binaries.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = glob::glob("/usr/lib/postgresql/*/bin")
        .unwrap()
        .filter_map(Result::ok)
        .collect();
    found.sort();
    found.pop()
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
    /// A server, or nothing where PostgreSQL is not installed; in CI it must be.
    pub(super) fn start() -> Option<Self> {
        let Some(bin) = binaries() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs PostgreSQL: its binaries are not in /usr/lib/postgresql"
            );
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
        let mut command = Command::new(bin.join("postgres"));
        command
            .args([
                "-F",
                "-c",
                "listen_addresses=127.0.0.1",
                "-p",
                &port.to_string(),
                "-k",
            ])
            .arg(folder.path())
            .arg("-D")
            .arg(&data)
            .current_dir("/")
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        unprivileged(&mut command, folder.path());
        let mut process = command.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let server = Self {
            process,
            port,
            _folder: folder,
        };
        let mut said = Vec::new();
        loop {
            // The log ends with the server.
            let Some(Ok(line)) = log.next() else {
                panic!("PostgreSQL did not come up:\n{}", said.join("\n"));
            };
            let is_ready = line.contains("ready to accept connections");
            said.push(line);
            if is_ready {
                break;
            }
        }
        // Nobody reads on, but the server must not wait for that.
        std::thread::spawn(move || log.for_each(drop));
        Some(server)
    }

    pub(super) fn url(&self) -> String {
        format!(
            "postgres://tester@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: the fast shutdown.
        let _ = Command::new("kill")
            .args(["-INT", &self.process.id().to_string()])
            .status();
        let _ = self.process.wait();
    }
}

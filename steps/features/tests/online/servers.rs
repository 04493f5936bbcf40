//! A Redis server of a test's own.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Redis {
    child: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    /// A server on a socket in a folder of its own, or nothing where Redis is not installed; in CI it must be.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs Redis: there is no redis-server"
            );
            eprintln!("left out: Redis is not installed");
            return None;
        };
        let redis = Self { child, folder };
        let patience = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(redis.folder.path().join("redis.sock")).is_err() {
            assert!(Instant::now() < patience, "Redis does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! File systems made for a test, where that is allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A file system in memory.
    pub(crate) fn in_memory(at: &Path, options: &str) -> Result<Self, String> {
        Self::at(at, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// A new ext4 in the file `image`, of so many MiB.
    pub(crate) fn new_ext4(image: &Path, mebibytes: u64, at: &Path) -> Result<Self, String> {
        let file = std::fs::File::create(image).map_err(|error| error.to_string())?;
        file.set_len(mebibytes << 20).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", text(image)])?;
        Self::image(image, at)
    }

    /// What the file `image` holds.
    pub(crate) fn image(image: &Path, at: &Path) -> Result<Self, String> {
        Self::at(at, &["-o", "loop", text(image)])
    }

    /// The folder `of` once more, where nothing can be written.
    pub(crate) fn read_only(of: &Path, at: &Path) -> Result<Self, String> {
        let mount = Self::at(at, &["--bind", text(of)])?;
        run("mount", &["-o", "remount,bind,ro", text(at)])?;
        Ok(mount)
    }

    fn at(at: &Path, arguments: &[&str]) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        run("mount", &[arguments, &[text(at)]].concat())?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have files open.
        let _ = run("umount", &["-l", text(&self.0)]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

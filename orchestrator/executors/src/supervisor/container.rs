//! Commands inside containers, by whichever of docker and podman answers.

use super::files::{Prepared, Program};
use super::watch::{MOST_PROCESSES, Watch};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{Failure, FailureClass, TaskSpec};

/// An engine that does not answer within this time is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container that must be gone when the attempt is.
pub(super) struct Container {
    engine: PathBuf,
    name: String,
}

impl Container {
    /// Removes it, if the engine has not done so. Killing the engine's client does not.
    pub(super) fn remove(&self, watch: &Watch) {
        answers(&self.engine, &["rm", "--force", &self.name], watch);
    }
}

/// Turns a prepared command into one that runs it inside the image. The values of variables, secret
/// ones among them, stay in the environment and out of the arguments.
///
/// # Errors
/// `Rejected` if no engine answers.
pub(super) fn wrap(
    image: &str,
    spec: &TaskSpec,
    mark: &str,
    secrets: &BTreeMap<String, String>,
    prepared: &mut Prepared,
    watch: &Watch,
) -> Result<Container, Failure> {
    let Some(engine) = find_engine(watch) else {
        let message = format!("no container engine answers, so the image `{image}` cannot run");
        let help = "start docker or podman, or use `run.shell` or `run.python`; both `docker version` and `podman version` were asked";
        return Err(Failure {
            help: Some(help.to_owned()),
            ..Failure::new(FailureClass::Rejected, message)
        });
    };
    if image.starts_with('-') {
        return Err(Failure::new(
            FailureClass::Rejected,
            format!("`{image}` is not an image"),
        ));
    }
    let name: String = format!("trainyard-{mark}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let mut arguments: Vec<OsString> = ["run", "--rm", "--init", "--pull", "missing", "--name"]
        .map(Into::into)
        .into();
    arguments.push(name.clone().into());
    arguments.extend(["--workdir".into(), spec.project.clone().into_os_string()]);
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    arguments.push(format!("--user={}:{}", own.0, own.1).into());
    arguments.push(format!("--pids-limit={MOST_PROCESSES}").into());
    if let Some(memory) = spec.limits.memory {
        arguments.push(format!("--memory={}", memory.0).into());
        arguments.push(format!("--memory-swap={}", memory.0).into());
    }
    if let Some(cpu) = spec.limits.cpu.filter(|cpu| *cpu > 0) {
        let machine = std::thread::available_parallelism().map_or(1, |count| count.get());
        arguments.push(
            format!(
                "--cpus={}",
                machine.min(usize::try_from(cpu).unwrap_or(usize::MAX))
            )
            .into(),
        );
    }
    for (folder, mode) in mounts(spec, prepared) {
        let mut mount = OsString::from("--volume=");
        for part in [
            folder.as_os_str(),
            OsStr::new(":"),
            folder.as_os_str(),
            OsStr::new(mode),
        ] {
            mount.push(part);
        }
        arguments.push(mount);
    }
    // The image has its own; the rest goes in by name only.
    for variable in prepared
        .environment
        .keys()
        .filter(|name| !["PATH", "HOME", "PWD"].contains(&name.to_str().unwrap_or_default()))
    {
        arguments.extend(["--env".into(), variable.clone()]);
    }
    for variable in secrets.keys().filter(|name| *name == "PATH" || *name == "HOME") {
        arguments.extend(["--env".into(), variable.into()]);
    }
    arguments.push(image.into());
    if let Some(program) = spec.process.as_ref().and_then(|process| process.argv.first()) {
        arguments.push(program.into());
    }
    arguments.append(&mut prepared.command.arguments);
    prepared.command = Program {
        path: engine.clone(),
        name: engine.clone().into(),
        arguments,
    };
    for name in [
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "XDG_RUNTIME_DIR",
        "CONTAINER_HOST",
    ] {
        if let Some(value) = std::env::var_os(name) {
            prepared.environment.entry(name.into()).or_insert(value);
        }
    }
    Ok(Container { engine, name })
}

fn mounts(spec: &TaskSpec, prepared: &Prepared) -> BTreeSet<(PathBuf, &'static str)> {
    let mut mounts = BTreeSet::from([(spec.project.clone(), ""), (spec.scratch.clone(), "")]);
    for (_, object, _) in &prepared.inputs {
        mounts.insert((object.clone(), ":ro"));
    }
    for input in spec.inputs.values() {
        if let TaskInput::Dataset(dataset) = input {
            mounts.extend(dataset.folder.clone().map(|folder| (folder, ":ro")));
        }
    }
    mounts
}

fn find_engine(watch: &Watch) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let installed = |name: &str| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    ["docker", "podman"]
        .into_iter()
        .filter_map(installed)
        .find(|engine| {
            // Asks the engine itself, not only its client.
            answers(engine, &["version", "--format", "{{.Server.Version}}"], watch)
        })
}

/// Runs the engine's client for a short question. False if it says no or nothing.
fn answers(engine: &Path, arguments: &[&str], watch: &Watch) -> bool {
    // Held throughout: the watch would take the client for something left behind.
    let _starting = watch.starting();
    let mut command = Command::new(engine);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut client) = command.spawn() else {
        return false;
    };
    let end = Instant::now() + PATIENCE;
    loop {
        match client.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = client.kill();
                let _ = client.wait();
                return false;
            }
        }
    }
}

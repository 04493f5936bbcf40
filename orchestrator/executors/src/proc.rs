//! What `/proc` says of processes. Everything here is a reading of something that may be gone the
//! next moment.

use rustix::process::{Pid, PidfdFlags, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use trainyard_contract::{ByteSize, Millis};

/// Environment variable that names the attempt a process belongs to: `run_…/step/attempt`.
pub(crate) const MARK: &str = "TRAINYARD_ATTEMPT";

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) is_zombie: bool,
    /// Clock ticks since boot: together with the id it names a process for ever.
    pub(crate) started: u64,
    pub(crate) resident: ByteSize,
    /// Processor time of it and of children it has waited for.
    pub(crate) cpu: Millis,
}

/// Reads one process.
pub(crate) fn read(pid: i32) -> Option<Process> {
    // One read gives all of it; asking for the size first, as `fs::read` does, would double the cost.
    let mut buffer = [0; 1024];
    let length = fs::File::open(format!("/proc/{pid}/stat"))
        .ok()?
        .read(&mut buffer)
        .ok()?;
    parse(pid, &buffer[..length])
}

fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    // The name is in parentheses and may hold any character, even `)`: fields start after the last.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(after + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    let ticks: u64 = [11, 12, 13, 14].into_iter().filter_map(number).sum();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        started: number(19)?,
        resident: ByteSize(number(21)? * rustix::param::page_size() as u64),
        cpu: Millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)),
    })
}

/// All processes, by id.
pub(crate) fn all() -> BTreeMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| read(pid).map(|process| (pid, process)))
        .collect()
}

/// Children of this process, those that are over and not waited for among them; nothing where the kernel
/// does not list them.
pub(crate) fn own_children() -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread that ended meanwhile has handed its children on to one that is read before or after
        // it: whoever acts on this list looks again.
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children.extend(
                list.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && thread.path().exists() => {
                return None;
            }
            Err(_) => {}
        }
    }
    Some(children)
}

/// The processes that descend from `roots`, with the roots themselves.
pub(crate) fn descendants(
    table: &BTreeMap<i32, Process>,
    roots: impl IntoIterator<Item = i32>,
) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for process in table.values() {
        children.entry(process.parent).or_default().push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<i32> = roots.into_iter().collect();
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

/// The attempt a process was started for, if its environment can be read and says so.
pub(crate) fn mark(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// Resident memory of one process.
pub(crate) fn resident(pid: i32) -> Option<ByteSize> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(ByteSize(pages * rustix::param::page_size() as u64))
}

/// Lets the own peak of resident memory start again from here.
pub(crate) fn reset_own_peak() {
    // Where it is not allowed, the peak of the whole process is reported.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Own peak of resident memory since [`reset_own_peak`].
pub(crate) fn own_peak() -> ByteSize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    ByteSize(kibibytes.unwrap_or(0) << 10)
}

/// Memory of the machine, or of nothing where it cannot be read.
pub(crate) fn machine_memory() -> Option<ByteSize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(ByteSize(
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()? << 10,
    ))
}

/// How many threads there are on the machine.
pub(crate) fn machine_threads() -> Option<u64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace()
        .nth(3)?
        .split_once('/')?
        .1
        .parse()
        .ok()
}

/// Makes the kernel, when it runs out of memory, look at this process and its children before the
/// orchestrator.
pub(crate) fn volunteer_for_oom_kill() {
    // Raising the own score needs no right; without `/proc` there is nothing to gain.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

/// A handle on a process that cannot come to mean another one.
pub(crate) fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Sends a signal to one process; it may be gone.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal to a process group; true if there was somebody in it.
pub(crate) fn signal_group(group: i32, signal: Signal) -> bool {
    // Group 1 is that of `init`, and its number means "everybody" to the system call.
    Pid::from_raw(group)
        .is_some_and(|pid| group > 1 && rustix::process::kill_process_group(pid, signal).is_ok())
}

/// Whether there is somebody in a process group.
pub(crate) fn has_group(group: i32) -> bool {
    Pid::from_raw(group).is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok())
}

/// Name of a signal as in `kill -l`, with its number.
pub(crate) fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {number}"),
    };
    format!("{name} (signal {number})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_and_spaces_is_read_over() {
        let stat = b"7 (a) R 1 (b) S 5 6 7 0 -1 0 0 0 0 0 100 50 25 25 20 0 1 0 4242 0 10 0";
        let process = parse(7, stat).unwrap();
        assert_eq!(
            (process.parent, process.group, process.started, process.is_zombie),
            (5, 6, 4242, false)
        );
        assert_eq!(
            process.cpu.0,
            200 * 1000 / rustix::param::clock_ticks_per_second()
        );
    }

    #[test]
    fn this_process_is_among_all_and_descends_from_its_parent() {
        let me = i32::try_from(std::process::id()).unwrap();
        let table = all();
        let parent = table[&me].parent;
        assert!(descendants(&table, [parent]).contains(&me));
        assert!(resident(me).unwrap().0 > 0 && own_peak().0 > 0);
    }
}

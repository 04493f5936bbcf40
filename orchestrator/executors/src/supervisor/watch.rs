//! Watches what running commands use and start: memory, processes, and what they leave behind.
//!
//! Everything is read from `/proc` in one walk for all attempts. Attempts of a few milliseconds
//! never meet it; what such a one leaves behind is found by the next walk.

use crate::proc::{self, Process};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use trainyard_contract::ByteSize;

/// How often to look; more rarely where looking takes long.
const INTERVAL: Duration = Duration::from_millis(25);

/// Looking may take one part in so many of a core.
const SHARE: u32 = 20;

/// Younger attempts are not looked at.
const YOUNG: Duration = Duration::from_millis(20);

/// How often to ask how many threads the machine has, which costs next to nothing.
const GLANCE: Duration = Duration::from_millis(8);

/// So many new ones since the last look may be a fork bomb. Looking at one that goes on growing
/// would take longer and longer, so everything is stopped until it is known who it is.
const ALARM: u64 = 256;

/// However long looking takes, it is never left for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// More processes than this are a fork bomb. Each of them takes its share of the processor from the
/// one that is to notice, so it has to be noticed early.
pub(crate) const MOST_PROCESSES: usize = 1024;

/// A machine with less than this share of its memory left kills its largest attempt before the
/// kernel picks one.
const RESERVE: u64 = 32;

/// Why an attempt was killed here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    OutOfMemory { used: ByteSize, limit: ByteSize },
    MachineOutOfMemory { used: ByteSize },
    TooManyProcesses { count: usize },
}

/// What was seen of an attempt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) peak: ByteSize,
    pub(crate) verdict: Option<Verdict>,
}

/// One running command.
struct Watched {
    mark: String,
    main: i32,
    /// Ticks since boot at which the main process started, once known.
    main_started: Option<u64>,
    since: Instant,
    limit: Option<ByteSize>,
    seen: Seen,
}

#[derive(Default)]
struct State {
    active: BTreeMap<u64, Watched>,
    /// (process, start) → attempt it was once seen under.
    owners: BTreeMap<(i32, u64), u64>,
    /// Main processes that ended while a walk was going on: the walk may have seen them.
    just_ended: BTreeSet<i32>,
    is_sweep_wanted: bool,
}

/// The watch over all commands of this process.
pub(crate) struct Watch {
    state: Mutex<State>,
    changed: Condvar,
    /// Held for reading from the start of a process until it is registered: whoever has it for
    /// writing knows every main process.
    starting: RwLock<()>,
    me: i32,
}

impl Watch {
    /// Makes this process the one that inherits orphans, and starts looking.
    ///
    /// # Errors
    /// If the kernel refuses either.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let me = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(me))?;
        let watch = Arc::new(Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            starting: RwLock::new(()),
            me: me.as_raw_nonzero().get(),
        });
        let looking = Arc::clone(&watch);
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || looking.look_for_ever())?;
        Ok(watch)
    }

    /// To be held while a process is started and registered.
    pub(crate) fn starting(&self) -> RwLockReadGuard<'_, ()> {
        self.starting.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the command with that main process.
    pub(crate) fn register(&self, id: u64, mark: &str, main: i32, limit: Option<ByteSize>) {
        let mut state = self.locked();
        let watched = Watched {
            mark: mark.to_owned(),
            main,
            main_started: None,
            since: Instant::now(),
            limit,
            seen: Seen::default(),
        };
        state.active.insert(id, watched);
        if state.active.len() == 1 {
            self.changed.notify_one();
        }
    }

    /// Ends the watch over a command whose main process has been waited for. What it left running
    /// is killed: before this returns if `thorough`, else by the next walk.
    pub(crate) fn unregister(&self, id: u64, thorough: bool) -> Seen {
        let mut state = self.locked();
        let Some(watched) = state.active.remove(&id) else {
            return Seen::default();
        };
        state.just_ended.insert(watched.main);
        if thorough {
            drop(state);
            self.sweep_one(id, &watched);
        } else {
            state.is_sweep_wanted = true;
            self.changed.notify_one();
        }
        watched.seen
    }

    /// Kills every process of an attempt that can be found now.
    pub(crate) fn kill(&self, id: u64) {
        let table = proc::all();
        let mut state = self.locked();
        let Some(watched) = state.active.get(&id) else {
            return;
        };
        let (mark, main) = (watched.mark.clone(), watched.main);
        let mut roots: BTreeSet<i32> = self.orphans_of(&table, &state, id, &mark, main).collect();
        roots.insert(main);
        let members = proc::descendants(&table, roots);
        remember(&mut state, &table, &members, id);
        drop(state);
        kill_all(&table, &members);
    }

    /// Kills every descendant of this process.
    pub(crate) fn kill_everything(&self) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let table = proc::all();
            let mut members = proc::descendants(&table, [self.me]);
            members.remove(&self.me);
            members.retain(|pid| table.get(pid).is_some_and(|process| !process.is_zombie));
            if members.is_empty() {
                return;
            }
            kill_all(&table, &members);
            std::thread::yield_now();
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_for_ever(&self) {
        // Where it is allowed, before whatever may be wrong with the commands. The priority is this
        // thread's alone: commands are started by others.
        let _ = rustix::process::setpriority_process(None, -15);
        let mut pause = INTERVAL;
        let mut threads = u64::MAX;
        loop {
            let mut state = self.locked();
            while state.active.is_empty() && !state.is_sweep_wanted {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            let is_alarmed = wait_or_alarm(pause, threads);
            let mut state = self.locked();
            let has_old = state
                .active
                .values()
                .any(|watched| watched.since.elapsed() > YOUNG);
            let is_quiet = !has_old && !is_alarmed;
            if is_quiet && (!state.is_sweep_wanted || has_only_mains(&state)) {
                state.just_ended.clear();
                state.is_sweep_wanted = false;
                threads = proc::machine_threads().unwrap_or(u64::MAX);
                continue;
            }
            let stopped: Vec<i32> = if is_alarmed {
                state.active.values().map(|watched| watched.main).collect()
            } else {
                Vec::new()
            };
            for group in &stopped {
                proc::signal_group(*group, Signal::STOP);
            }
            state.just_ended.clear();
            state.is_sweep_wanted = false;
            drop(state);
            let before = own_cpu();
            let table = proc::all();
            let mut state = self.locked();
            if self.has_unknown_child(&table, &state) {
                // It may be one that is being started this moment.
                drop(state);
                drop(self.starting.write().unwrap_or_else(PoisonError::into_inner));
                state = self.locked();
            }
            let has_killed = self.judge(&table, &mut state);
            // Whatever was being started by what was just killed shows in the next walk.
            state.is_sweep_wanted |= has_killed;
            for group in stopped
                .iter()
                .filter(|group| state.active.values().any(|watched| watched.main == **group))
            {
                proc::signal_group(*group, Signal::CONT);
            }
            drop(state);
            threads = proc::machine_threads().unwrap_or(u64::MAX);
            pause = (own_cpu().saturating_sub(before) * SHARE).clamp(INTERVAL, LONGEST_PAUSE);
        }
    }

    fn has_unknown_child(&self, table: &BTreeMap<i32, Process>, state: &State) -> bool {
        let is_main = |pid: i32| {
            state.just_ended.contains(&pid) || state.active.values().any(|watched| watched.main == pid)
        };
        table
            .values()
            .any(|process| process.parent == self.me && !is_main(process.pid))
    }

    /// Acts on one walk. True if something was killed.
    fn judge(&self, table: &BTreeMap<i32, Process>, state: &mut State) -> bool {
        state
            .owners
            .retain(|(pid, started), _| table.get(pid).is_some_and(|process| process.started == *started));
        let mains: BTreeSet<i32> = state
            .active
            .values()
            .map(|watched| watched.main)
            .chain(state.just_ended.iter().copied())
            .collect();
        let mut orphans: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
        let mut left_behind = Vec::new();
        for process in table
            .values()
            .filter(|process| process.parent == self.me && !mains.contains(&process.pid))
        {
            if process.is_zombie {
                reap(process.pid);
                continue;
            }
            match self.owner(process, state) {
                Owner::Active(id) => orphans.entry(id).or_default().push(process.pid),
                Owner::Ended => left_behind.push(process.pid),
                Owner::Unknown => {}
            }
        }
        let mut has_killed = !left_behind.is_empty();
        kill_all(table, &proc::descendants(table, left_behind));
        let mut largest: Option<(ByteSize, u64, BTreeSet<i32>)> = None;
        let ids: Vec<u64> = state.active.keys().copied().collect();
        for id in ids {
            let Some(watched) = state.active.get_mut(&id) else {
                continue;
            };
            watched.main_started = table
                .get(&watched.main)
                .map(|main| main.started)
                .or(watched.main_started);
            let roots = orphans
                .remove(&id)
                .unwrap_or_default()
                .into_iter()
                .chain([watched.main]);
            let members = proc::descendants(table, roots);
            let resident = |pid: &i32| table.get(pid).map_or(0, |process| process.resident.0);
            let used = ByteSize(members.iter().map(resident).sum());
            watched.seen.peak = watched.seen.peak.max(used);
            let verdict = match watched.limit {
                _ if members.len() > MOST_PROCESSES => {
                    Some(Verdict::TooManyProcesses { count: members.len() })
                }
                Some(limit) if used > limit => Some(Verdict::OutOfMemory { used, limit }),
                _ => None,
            };
            remember(state, table, &members, id);
            if let Some(verdict) = verdict {
                condemn(state, id, verdict);
                kill_all(table, &members);
                has_killed = true;
            } else if largest.as_ref().is_none_or(|(most, ..)| used > *most) {
                largest = Some((used, id, members));
            }
        }
        if let Some((used, id, members)) = largest
            && is_machine_full()
        {
            condemn(state, id, Verdict::MachineOutOfMemory { used });
            kill_all(table, &members);
            has_killed = true;
        }
        has_killed
    }

    fn owner(&self, process: &Process, state: &State) -> Owner {
        if let Some(id) = state.owners.get(&(process.pid, process.started)) {
            return if state.active.contains_key(id) {
                Owner::Active(*id)
            } else {
                Owner::Ended
            };
        }
        let in_group = |watched: &Watched| watched.main == process.group;
        if let Some((id, _)) = state.active.iter().find(|(_, watched)| in_group(watched)) {
            return Owner::Active(*id);
        }
        if let Some(mark) = proc::mark(process.pid) {
            let active = state.active.iter().find(|(_, watched)| watched.mark == mark);
            return active.map_or(Owner::Ended, |(id, _)| Owner::Active(*id));
        }
        // It took the mark out of its environment. It cannot be of an attempt that started later.
        let may_own = |watched: &Watched| watched.main_started.is_none_or(|start| start <= process.started);
        if state.active.values().any(may_own) {
            Owner::Unknown
        } else {
            Owner::Ended
        }
    }

    /// Processes that this process inherited from one attempt.
    fn orphans_of<'a>(
        &'a self,
        table: &'a BTreeMap<i32, Process>,
        state: &'a State,
        id: u64,
        mark: &'a str,
        main: i32,
    ) -> impl Iterator<Item = i32> + 'a {
        let mains: BTreeSet<i32> = state.active.values().map(|watched| watched.main).collect();
        table
            .values()
            .filter(move |process| process.parent == self.me && !mains.contains(&process.pid))
            .filter(move |process| {
                process.group == main
                    || state.owners.get(&(process.pid, process.started)) == Some(&id)
                    || proc::mark(process.pid).is_some_and(|found| found == mark)
            })
            .map(|process| process.pid)
    }

    /// Kills what one attempt left behind, until a walk finds nothing more.
    fn sweep_one(&self, id: u64, watched: &Watched) {
        let mut killed: BTreeMap<i32, u64> = BTreeMap::new();
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            let table = proc::all();
            let mut state = self.locked();
            let roots: BTreeSet<i32> = self
                .orphans_of(&table, &state, id, &watched.mark, watched.main)
                .collect();
            let mut members = proc::descendants(&table, roots);
            remember(&mut state, &table, &members, id);
            let alone = state.active.is_empty();
            drop(state);
            for (pid, started) in &killed {
                let is_ours = |process: &&Process| process.started == *started && process.parent == self.me;
                if table
                    .get(pid)
                    .filter(is_ours)
                    .is_some_and(|process| process.is_zombie)
                {
                    reap(*pid);
                }
            }
            members.retain(|pid| table.get(pid).is_some_and(|process| !process.is_zombie));
            if members.is_empty() {
                break;
            }
            killed.extend(
                members
                    .iter()
                    .filter_map(|pid| Some((*pid, table.get(pid)?.started))),
            );
            kill_all(&table, &members);
            if !alone {
                std::thread::yield_now();
            }
        }
        // Those that hid their mark are left to the walks.
        let mut state = self.locked();
        state.is_sweep_wanted = true;
        self.changed.notify_one();
    }
}

/// Whether nothing but commands themselves hangs on this process. What a command leaves behind would: so
/// where attempts take a few milliseconds there is nothing to look for among all processes.
fn has_only_mains(state: &State) -> bool {
    let is_main = |pid: &i32| state.active.values().any(|watched| watched.main == *pid);
    proc::own_children().is_some_and(|children| children.iter().all(is_main))
}

/// Waits, but not longer than until there are suspiciously many more threads than `before`. True if
/// there are.
fn wait_or_alarm(pause: Duration, before: u64) -> bool {
    let end = Instant::now() + pause;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(GLANCE));
        if proc::machine_threads().is_some_and(|now| now > before.saturating_add(ALARM)) {
            return true;
        }
    }
}

/// Processor time of this thread. Not the time on the clock: a machine that is too busy to look is
/// one that must be looked at.
fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Whose an inherited process is.
enum Owner {
    Active(u64),
    Ended,
    Unknown,
}

fn remember(state: &mut State, table: &BTreeMap<i32, Process>, members: &BTreeSet<i32>, id: u64) {
    let known = members
        .iter()
        .filter_map(|pid| Some((*pid, table.get(pid)?.started)));
    state.owners.extend(known.map(|process| (process, id)));
}

fn condemn(state: &mut State, id: u64, verdict: Verdict) {
    if let Some(watched) = state.active.get_mut(&id) {
        watched.seen.verdict.get_or_insert(verdict);
    }
}

/// Kills processes, and whole groups where the leader is among them, which leaves no gap in which
/// a member could fork.
fn kill_all(table: &BTreeMap<i32, Process>, members: &BTreeSet<i32>) {
    let groups: BTreeSet<i32> = members
        .iter()
        .filter_map(|pid| table.get(pid))
        .map(|process| process.group)
        .collect();
    for group in groups.intersection(members) {
        proc::signal_group(*group, Signal::KILL);
    }
    for pid in members {
        proc::signal(*pid, Signal::KILL);
    }
}

fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be somebody else's turn to wait for it.
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn is_machine_full() -> bool {
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else {
        return false;
    };
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    match (field("MemTotal:"), field("MemAvailable:")) {
        (Some(total), Some(available)) => available < total / RESERVE,
        _ => false,
    }
}

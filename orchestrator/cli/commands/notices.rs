//! `trainyard notices`, and what commands do that end with notices still to be delivered.

use super::{catalogue, now, user};
use crate::args::notices::{ListArgs, NoticesCommand, ResendArgs, State};
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trainyard_contract::finding::nearest;
use trainyard_domain::notice::{self, Address, Declared};
use trainyard_domain::pipeline::{self, CheckRequest};
use trainyard_engine::DiskFiles;
use trainyard_executors::{LocalSecrets, Secrets};
use trainyard_notices::{Deliverer, Setup};
use trainyard_store::{Notice, NoticeFilter, NoticeState, Owner, Store, StoreError};

/// A command that is over otherwise gives notices so long to be delivered.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn notices(
    command: &NoticesCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let mut store = project.open_home()?.store()?;
    match command {
        NoticesCommand::List(args) => list(args, &store, terminal),
        NoticesCommand::Show { notice } => show(*notice, &store, terminal),
        NoticesCommand::Resend(args) => resend(args, &project, &mut store, terminal),
        NoticesCommand::Test { channel } => test(channel, &project, &mut store, terminal),
        NoticesCommand::Channels => {
            declare(&project, &mut store)?;
            channels(&store, terminal)
        }
        NoticesCommand::Subscriptions => {
            declare(&project, &mut store)?;
            subscriptions(&store, terminal)
        }
    }
}

/// Channels and subscriptions are as `trainyard.yaml` says now, unless it has faults.
fn declare(project: &Project, store: &mut Store) -> Result<(), StoreError> {
    match declared(project) {
        Some(declared) => store.declare_notices(&declared, false, now()),
        None => Ok(()),
    }
}

fn declared(project: &Project) -> Option<Declared> {
    let files = DiskFiles::new(project.root.clone());
    let checked = pipeline::check(&CheckRequest {
        project: project.file.as_deref(),
        entries: &[],
        files: &files,
        catalogue: &catalogue(),
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    });
    checked.notices
}

/// Before a run: whoever is to hear of it is known.
pub(crate) fn declare_for_run(declared: &Declared, store: &mut Store) -> Result<(), StoreError> {
    store.declare_notices(declared, false, now())
}

/// Delivers what waits, for a few seconds at most; a later command or a server delivers the rest.
pub(crate) fn deliver_rest(
    project: &Project,
    secrets: Arc<dyn Secrets>,
    terminal: &mut Terminal,
) -> Result<(), Fault> {
    let mut store = project.open_home()?.store()?;
    if store.next_notice_due()?.is_none() {
        return Ok(());
    }
    let deliverer = deliverer(project, secrets);
    let done = match deliverer.rounds(&mut store, Instant::now() + PATIENCE) {
        Ok(done) => done,
        // The run is over and kept; its notices are kept, too.
        Err(error) => {
            terminal.note(format!("warning: notices wait to be delivered: {error}"));
            return Ok(());
        }
    };
    let waiting: u64 = store
        .notice_counts()?
        .iter()
        .filter(|count| count.state == NoticeState::Waiting)
        .map(|count| count.count)
        .sum();
    if terminal.is_json() {
        terminal.out_json(&json!({
            "event": "notices", "delivered": done.delivered, "waiting": waiting, "dead": done.dead,
        }));
        return Ok(());
    }
    if done.delivered > 0 {
        let plural = if done.delivered == 1 { "" } else { "s" };
        terminal.status(Tone::Good, "Told", format!("{} notice{plural}", done.delivered));
    }
    if waiting + done.dead > 0 {
        let text = format!(
            "{} of {} could not be delivered{}; see `trainyard notices list`",
            waiting + done.dead,
            waiting + done.dead + done.delivered,
            if waiting > 0 { " yet" } else { "" },
        );
        terminal.status(Tone::Warn, "Not told", text);
    }
    Ok(())
}

fn deliverer(project: &Project, secrets: Arc<dyn Secrets>) -> Deliverer {
    let deliverer = Deliverer::new(Setup {
        root: project.root.clone(),
        secrets,
        owner: Owner::this_process("notices"),
        clock: now,
    });
    if let Some(name) = declared(project).and_then(|declared| declared.project) {
        deliverer.set_project(&name);
    }
    deliverer
}

fn list(args: &ListArgs, store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let filter = NoticeFilter {
        channel: args.channel.as_deref().map(bare),
        state: args.state.map(NoticeState::from),
        kind: args.kind.clone(),
        subject: None,
        before: None,
        limit: args.limit,
    };
    let found = store.notices(&filter)?;
    if terminal.is_json() {
        terminal.out_json(&found.iter().map(document).collect());
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        terminal.note("there is no such notice; docs/notices.md says how to subscribe");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|notice| {
            vec![
                notice.number.to_string(),
                human_instant(notice.happening.at),
                notice.to.to_string(),
                notice.happening.kind.to_string(),
                standing(notice),
                notice.happening.title.clone(),
            ]
        })
        .collect();
    terminal.table(
        &["NOTICE", "AT", "CHANNEL", "EVENT", "STATE", "WHAT"],
        &[0],
        &rows,
    );
    Ok(Exit::Done)
}

fn standing(notice: &Notice) -> String {
    match notice.state {
        NoticeState::Waiting if notice.tries > 0 => format!("waiting, {} tries", notice.tries),
        state => state.as_str().to_owned(),
    }
}

fn document(notice: &Notice) -> Value {
    let happening = &notice.happening;
    json!({
        "notice": notice.number, "event": happening.id, "kind": happening.kind, "subject": happening.subject,
        "channel": notice.to.channel, "channel_of": notice.to.pipeline, "state": notice.state.as_str(),
        "at": happening.at.0, "title": happening.title, "text": happening.text, "advice": happening.advice,
        "about": happening.about, "tries": notice.tries, "settled_at": notice.settled_at.map(|at| at.0),
        "error": notice.error,
    })
}

fn show(number: u64, store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let notice = store.notice(number)?.ok_or_else(|| unknown(number))?;
    if terminal.is_json() {
        terminal.out_json(&document(&notice));
        return Ok(Exit::Done);
    }
    for line in notice.happening.lines() {
        terminal.out(line);
    }
    terminal.out("");
    let mut facts = vec![
        ("Event", notice.happening.kind.to_string()),
        ("Id", notice.happening.id.clone()),
        ("Channel", notice.to.to_string()),
        ("State", standing(&notice)),
    ];
    if let Some(at) = notice.settled_at {
        facts.push(("Settled", human_instant(at)));
    }
    if notice.state == NoticeState::Waiting && notice.due_at > now() {
        facts.push(("Next try", human_instant(notice.due_at)));
    }
    if let Some(error) = &notice.error {
        facts.push(("Because", error.clone()));
    }
    for (name, value) in facts {
        terminal.out(format!("{name:<9}{value}"));
    }
    Ok(Exit::Done)
}

fn unknown(number: u64) -> Fault {
    Fault::new(format!("there is no notice {number}")).help("`trainyard notices list` shows them")
}

fn resend(
    args: &ResendArgs,
    project: &Project,
    store: &mut Store,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    declare(project, store)?;
    match args.notice {
        Some(number) => {
            if !store.resend_notice(number)? && store.notice(number)?.is_none() {
                return Err(unknown(number));
            }
        }
        None => {
            let count = store.resend_dead_notices(args.channel.as_deref().map(bare).as_deref())?;
            if count == 0 {
                terminal.note("nothing was given up");
                return Ok(Exit::Done);
            }
        }
    }
    deliver_rest(project, secrets(project)?, terminal)?;
    Ok(Exit::Done)
}

fn secrets(project: &Project) -> Result<Arc<dyn Secrets>, Fault> {
    Ok(Arc::new(LocalSecrets::with_file(
        &project.root.join("secrets.env"),
    )?))
}

fn test(channel: &str, project: &Project, store: &mut Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    declare(project, store)?;
    let known = store.channels()?;
    let text = bare(channel);
    let Some(known) = known
        .iter()
        .map(|known| &known.address)
        .find(|address| address.to_string() == text)
    else {
        let names: Vec<String> = known.iter().map(|known| known.address.to_string()).collect();
        let fault = Fault::new(format!("there is no channel `{text}`"));
        return Err(match nearest(&text, names.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help("declare it under `notify:` of trainyard.yaml"),
        });
    };
    let address: Address = known.clone();
    let mut happening = notice::test(&address.to_string(), &user(), now());
    happening.to.push(address.clone());
    let id = happening.id.clone();
    store.tell(&[happening])?;
    let filter = NoticeFilter {
        channel: Some(address.channel.clone()),
        limit: 100,
        ..NoticeFilter::default()
    };
    let deliverer = deliverer(project, secrets(project)?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        deliverer
            .rounds(store, deadline)
            .map_err(|error| Fault::while_doing("could not deliver notices", &error))?;
        let told = store
            .notices(&filter)?
            .into_iter()
            .find(|notice| notice.happening.id == id);
        let Some(told) = told else {
            return Err(Fault::new("the test is gone"));
        };
        let is_open = told.state == NoticeState::Waiting && told.error.is_none();
        if is_open && Instant::now() < deadline {
            // A server was faster, or what is ahead of it takes its time.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        if terminal.is_json() {
            terminal.out_json(&document(&told));
        } else if told.state == NoticeState::Delivered {
            terminal.status(Tone::Good, "Delivered", format!("a test to `{address}`"));
        } else {
            let why = told.error.as_deref().unwrap_or("it waits for others ahead of it");
            terminal.status(Tone::Bad, "Not told", format!("`{address}`: {why}"));
        }
        return Ok(match told.state {
            NoticeState::Delivered => Exit::Done,
            _ => Exit::Refused,
        });
    }
}

fn channels(store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let known = store.channels()?;
    if terminal.is_json() {
        let documents = known.iter().map(|known| {
            json!({
                "name": known.address.channel, "pipeline": known.address.pipeline, "type": known.channel.kind(),
                "channel": known.channel, "declared_by": known.declared_by.as_str(),
            })
        });
        terminal.out_json(&documents.collect());
        return Ok(Exit::Done);
    }
    if known.is_empty() {
        terminal.note("no channel is declared; `notify:` of trainyard.yaml declares them");
        return Ok(Exit::Done);
    }
    let counts = store.notice_counts()?;
    let count = |address: &Address, state| {
        let of = counts
            .iter()
            .find(|count| count.to == *address && count.state == state);
        of.map_or(0, |count| count.count).to_string()
    };
    let rows: Vec<Vec<String>> = known
        .iter()
        .map(|known| {
            vec![
                known.address.to_string(),
                known.channel.kind().to_owned(),
                known.declared_by.as_str().to_owned(),
                count(&known.address, NoticeState::Waiting),
                count(&known.address, NoticeState::Dead),
            ]
        })
        .collect();
    terminal.table(
        &["CHANNEL", "TYPE", "DECLARED BY", "WAITING", "DEAD"],
        &[3, 4],
        &rows,
    );
    Ok(Exit::Done)
}

fn subscriptions(store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let known = store.subscriptions()?;
    if terminal.is_json() {
        let documents = known.iter().map(|known| {
            json!({
                "name": known.name, "subscription": known.subscription, "declared_by": known.declared_by.as_str(),
            })
        });
        terminal.out_json(&documents.collect());
        return Ok(Exit::Done);
    }
    if known.is_empty() {
        terminal.note("nobody has subscribed; `notifications: {subscriptions: …}` of trainyard.yaml does");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = known
        .iter()
        .map(|known| {
            let of = &known.subscription;
            let filters = [
                ("pipelines", &of.pipelines),
                ("environments", &of.environments),
                ("models", &of.models),
                ("owners", &of.owners),
                ("people", &of.people),
            ];
            let only: Vec<String> = filters
                .iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(name, list)| format!("{name} {}", list.join(", ")))
                .collect();
            let events: Vec<&str> = of.events.iter().map(notice::Kinds::as_str).collect();
            let to: Vec<String> = of.to.iter().map(ToString::to_string).collect();
            vec![
                known.name.clone(),
                events.join(", "),
                only.join("; "),
                to.join(", "),
            ]
        })
        .collect();
    terminal.table(&["SUBSCRIPTION", "EVENTS", "ONLY", "TO"], &[], &rows);
    Ok(Exit::Done)
}

/// A channel's name without `notify.`.
fn bare(name: &str) -> String {
    name.strip_prefix("notify.").unwrap_or(name).to_owned()
}

impl From<State> for NoticeState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Delivered => Self::Delivered,
            State::Folded => Self::Folded,
            State::Dead => Self::Dead,
        }
    }
}

//! `trainyard serve`.

use super::run::{Options, local_config};
use super::{catalogue, now, user};
use crate::args::{Format, ServeArgs};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use crate::telemetry::begin_log;
use std::path::Path;
use std::time::Duration;
use trainyard_api::{Config, ServeError, Server, Stop};
use trainyard_contract::Millis;
use trainyard_executors::{Executor, LocalExecutor};

/// How long a server that was told twice to end may still take.
const INSISTED: Duration = Duration::from_millis(500);

pub(crate) fn serve(args: &ServeArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let project = match &args.project {
        Some(folder) => Project::of(folder, home)?,
        None => Project::here(home)?,
    };
    let config = local_config(
        &project,
        &Options {
            reuse: true,
            no_wait: false,
            workers: args.workers,
        },
    )?;
    let telemetry = crate::telemetry::telemetry(&config.secrets, terminal);
    begin_log(
        Some(args.log_format),
        terminal.verbose(),
        &telemetry,
        &config.secrets,
    );
    let server = Server::prepare(Config {
        home: project.open_home()?,
        online_store: project.online_store()?,
        materialise: crate::commands::features::in_a_process(&project),
        root: project.root.clone(),
        catalogue: catalogue(),
        listen: args.listen,
        hosts: args.hosts.clone(),
        user: user(),
        secrets: config.secrets.clone(),
        make_executor: Box::new(move |news| {
            let executor = LocalExecutor::new(config.clone(), news)?;
            Ok(Box::new(executor) as Box<dyn Executor>)
        }),
        max_runs: args.max_runs,
        lease: Millis(args.lease * 1000),
        telemetry: telemetry.clone(),
        version: env!("CARGO_PKG_VERSION"),
        clock: now,
    })
    .map_err(|error| match &error {
        ServeError::Unprotected(_) => Fault::from(error)
            .help("make a token first: `trainyard tokens create NAME`; or listen on 127.0.0.1"),
        _ => Fault::from(error),
    })?;
    let listening = server.listening()?;
    let address = listening.address;
    if terminal.format() == Format::Json {
        terminal.out_json(&serde_json::json!({
            "event": "listening", "address": address.to_string(), "pipelines": listening.pipelines,
            "broken": listening.broken, "is_protected": listening.is_protected,
        }));
    } else {
        let protected = if listening.is_protected {
            ", tokens wanted"
        } else {
            ""
        };
        let faulty = match listening.broken {
            0 => String::new(),
            count => format!(", {count} with faults"),
        };
        let count = listening.pipelines;
        let plural = if count == 1 { "" } else { "s" };
        terminal.status(
            Tone::Good,
            "Serving",
            format!("http://{address} ({count} pipeline{plural}{faulty}{protected})"),
        );
    }
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "server_listening");
    stop_on_signals(server.stopper())?;
    let served = server.run();
    tracing::info!("server_ended");
    crate::telemetry::close(&telemetry, terminal);
    served?;
    Ok(Exit::Done)
}

/// SIGTERM and Ctrl-C end the server in good order; the second one insists.
fn stop_on_signals(stop: Stop) -> Result<(), Fault> {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
            .map_err(|error| Fault::while_doing("could not listen for signals", &error))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for (count, _) in signals.forever().enumerate() {
                match count {
                    0 => {
                        tracing::info!("server_asked_to_end");
                        stop.stop();
                    }
                    1 => {
                        tracing::warn!("server_told_to_end");
                        stop.stop();
                        // Attempts end with their supervisor, and the next server goes on with them.
                        std::thread::spawn(|| {
                            std::thread::sleep(INSISTED);
                            std::process::exit(130);
                        });
                    }
                    _ => std::process::exit(130),
                }
            }
        })
        .map_err(|error| Fault::while_doing("could not start a thread", &error))?;
    Ok(())
}

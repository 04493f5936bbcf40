//! Log and OpenTelemetry of commands that carry runs out.

use crate::args::LogFormat;
use crate::output::{Terminal, Tone};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use trainyard_executors::Secrets;
use trainyard_telemetry::{Mask, Telemetry};

/// How long the end of a command may wait for a collector.
const GOODBYE: Duration = Duration::from_secs(1);

/// Telemetry as the environment says; what is wrong there is told.
pub(crate) fn telemetry(secrets: &Arc<dyn Secrets>, terminal: &mut Terminal) -> Arc<Telemetry> {
    let secrets = secrets.clone();
    let mask: Mask = Arc::new(move |text| {
        let masked = secrets.masked(text.as_bytes())?;
        Some(String::from_utf8_lossy(&masked).into_owned())
    });
    let (telemetry, complaints) = Telemetry::from_environment(env!("CARGO_PKG_VERSION"), &mask);
    for complaint in complaints {
        terminal.status(Tone::Warn, "Telemetry", complaint);
    }
    Arc::new(telemetry)
}

/// Sends what is left, and says what was lost.
pub(crate) fn close(telemetry: &Telemetry, terminal: &mut Terminal) {
    let lost = telemetry.close(GOODBYE);
    if lost > 0 {
        let what = format!("{lost} spans and log records did not reach the collector");
        terminal.status(Tone::Warn, "Telemetry", what);
    }
}

/// Begins the program's log: to standard error if a format is given, and to the collector if there is one.
pub(crate) fn begin_log(
    format: Option<LogFormat>,
    verbose: u8,
    telemetry: &Telemetry,
    secrets: &Arc<dyn Secrets>,
) {
    let layer = telemetry.log_layer();
    if format.is_none() && layer.is_none() {
        return;
    }
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = format.map(|format| {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(MaskedError(secrets.clone()))
            .with_target(false)
            .with_ansi(false);
        match format {
            LogFormat::Human => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        }
    });
    // A second subscriber in a process would be ignored, which is as good.
    let _ = tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .with(layer)
        .try_init();
}

/// Standard error without secrets.
struct MaskedError(Arc<dyn Secrets>);

impl<'a> MakeWriter<'a> for MaskedError {
    type Writer = MaskedLine<'a>;

    fn make_writer(&'a self) -> MaskedLine<'a> {
        MaskedLine(&*self.0)
    }
}

/// Takes an event whole.
struct MaskedLine<'a>(&'a dyn Secrets);

impl Write for MaskedLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.masked(line) {
            Some(masked) => io::stderr().write_all(&masked)?,
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

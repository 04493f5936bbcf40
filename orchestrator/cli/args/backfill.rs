//! `trainyard backfill` and `trainyard backfills`.

use super::key_value;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// Name of the pipeline
    pub(crate) pipeline: String,
    /// First tick: `2026-01-01`, `2026-01-01T06:00` by the schedule's clock, or `2026-01-01T05:00Z`
    #[arg(long, value_name = "DATE")]
    pub(crate) from: String,
    /// Last tick, itself included; a date means the whole day
    #[arg(long, value_name = "DATE")]
    pub(crate) to: String,
    /// Which schedule, if the pipeline has several
    #[arg(long, value_name = "NAME")]
    pub(crate) trigger: Option<String>,
    /// Environment
    #[arg(short, long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Parameter in place of the trigger's, e.g. `-p seed=7`; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
    /// Runs at once
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) max_parallel: u32,
    /// Start no more runs once so many have failed
    #[arg(long, value_name = "F", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) stop_after: Option<u32>,
    /// The last tick first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Leave out ticks that have a run which succeeded or is under way
    #[arg(long)]
    pub(crate) only_missing: bool,
    /// Run every step, also those whose result is known
    #[arg(long)]
    pub(crate) no_reuse: bool,
    /// List the runs and start none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave it to servers instead of working on it here
    #[arg(long)]
    pub(crate) detach: bool,
    /// Built-in steps at once; default: one a core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Why
    #[arg(short = 'm', long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackfillsCommand {
    /// List backfills and how far they are, newest first
    List {
        /// Only of this pipeline
        #[arg(long)]
        pipeline: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show how far a backfill is, and its ticks
    Show {
        #[command(flatten)]
        backfill: BackfillRef,
        /// Only ticks in this state, e.g. `failed`
        #[arg(long)]
        state: Option<String>,
        /// Ticks at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Start no more runs until it is resumed; what runs goes on
    Pause(BackfillRef),
    /// Go on with a backfill that is paused, was stopped by failures, or whose process died
    Resume {
        #[command(flatten)]
        backfill: BackfillRef,
        /// Leave it to servers instead of working on it here
        #[arg(long)]
        detach: bool,
        /// Built-in steps at once; default: one a core
        #[arg(long, value_name = "N")]
        workers: Option<usize>,
    },
    /// End a backfill for good
    Cancel {
        #[command(flatten)]
        backfill: BackfillRef,
        /// Ask its runs that are under way to stop, too
        #[arg(long)]
        stop_runs: bool,
    },
}

/// A backfill as a person names it.
#[derive(Clone, Debug, Args)]
pub(crate) struct BackfillRef {
    /// Id of the backfill, its last characters, or `latest`
    #[arg(default_value = "latest")]
    pub(crate) backfill: String,
}

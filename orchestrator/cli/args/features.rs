//! `trainyard features`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum FeaturesCommand {
    /// List what a view held, newest first
    Snapshots(SnapshotsArgs),
    /// Put a view's rows into fewer files, with those that were pushed
    Compact(CompactArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsArgs {
    /// Feature view: `weather`, or `weather@v2`
    pub(crate) view: String,
    /// Show partitions and columns of one: its number, a date or an instant
    #[arg(long, value_name = "WHICH")]
    pub(crate) show: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// Feature view: `weather`, or `weather@v2`
    pub(crate) view: String,
    /// Remove the log of pushed rows that are in files then; earlier snapshots are shown without them
    #[arg(long)]
    pub(crate) forget_pushes: bool,
}

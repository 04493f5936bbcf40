//! `trainyard features`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum FeaturesCommand {
    /// List feature views, on-demand views and services
    List,
    /// Show a view, an entity or a service: keys, times, features, versions
    Show {
        /// Name of a view, on-demand view, service or entity
        name: String,
    },
    /// Find features by words of their names, descriptions, owners and tags
    Search {
        /// All of them have to be there
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Say what a view or feature is made of, and who reads it
    Lineage {
        /// `VIEW` or `VIEW:FEATURE`
        name: String,
    },
    /// Show what a view's snapshot holds: rows, times, and each column in numbers
    Stats {
        /// Name of the view
        view: String,
        /// A version other than the latest
        #[arg(long)]
        version: Option<u32>,
    },
    /// Look up the latest values of features
    GetOnline(GetOnlineArgs),
    /// Bring the latest rows of views into the online store
    Materialise(MaterialiseArgs),
    /// Write rows to the online and the offline store
    Push(PushArgs),
    /// List what a view held, newest first
    Snapshots(SnapshotsArgs),
    /// Put a view's rows into fewer files, with those that were pushed
    Compact(CompactArgs),
    /// Look features up for rows of keys and times, as they were then
    GetHistorical(GetHistoricalArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GetOnlineArgs {
    /// Keys, and what on-demand features need: `origin=JFK`, or `origin=JFK,LGA` for two rows
    #[arg(value_name = "KEY=VALUE,…")]
    pub(crate) keys: Vec<String>,
    /// Features: `weather:temp`, `weather:*`
    #[arg(
        short,
        long,
        value_delimiter = ',',
        value_name = "VIEW:FEATURE",
        required_unless_present = "service"
    )]
    pub(crate) features: Vec<String>,
    /// The features of a service
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    pub(crate) service: Option<String>,
    /// Say how fresh the views are
    #[arg(long)]
    pub(crate) freshness: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MaterialiseArgs {
    /// Feature views; default: all that are kept online
    pub(crate) views: Vec<String>,
    /// Read everything again, not only what has come since the last time
    #[arg(long)]
    pub(crate) full: bool,
    /// Leave rows of an earlier event time out; with `--full`
    #[arg(long, value_name = "TIME", requires = "full")]
    pub(crate) since: Option<String>,
    /// Leave rows of a later event time for the next time; default: now
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Feature view
    pub(crate) view: String,
    /// Rows: a JSON object a line, keys and times and features by name; `-` for standard input
    pub(crate) file: PathBuf,
    /// Where they go
    #[arg(long, value_enum, default_value_t = PushedTo::Both)]
    pub(crate) to: PushedTo,
}

/// Where pushed rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushedTo {
    Online,
    Offline,
    Both,
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

#[derive(Debug, Args)]
pub(crate) struct GetHistoricalArgs {
    /// Keys and times: a CSV, NDJSON, Parquet or Arrow file
    #[arg(long, value_name = "FILE")]
    pub(crate) entities: PathBuf,
    /// Features: `weather:temp`, `weather:*`
    #[arg(
        short,
        long,
        value_delimiter = ',',
        value_name = "VIEW:FEATURE",
        required_unless_present = "service"
    )]
    pub(crate) features: Vec<String>,
    /// The features of a service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Column with the time of each row
    #[arg(long, value_name = "COLUMN", default_value = "event_timestamp")]
    pub(crate) event_time: String,
    /// Key of the views and the column that has it, where that is called otherwise
    #[arg(long = "key", value_name = "KEY=COLUMN")]
    pub(crate) keys: Vec<String>,
    /// Look so long before each time, e.g. `24h`
    #[arg(long, value_name = "DURATION")]
    pub(crate) lag: Option<String>,
    /// Which times of a view's row must have passed
    #[arg(long, value_enum, default_value_t = KnownAt::Event)]
    pub(crate) known_at: KnownAt,
    /// What the views held then, instead of now: a date or an instant
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Name columns `view__feature`
    #[arg(long)]
    pub(crate) full_feature_names: bool,
    /// Add a column `view__event_time` for each view
    #[arg(long)]
    pub(crate) event_times: bool,
    /// File to write, `.parquet` or `.csv`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Which times of a view's row must have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KnownAt {
    /// That of the event
    Event,
    /// That of the event and that at which the row was written
    Created,
}

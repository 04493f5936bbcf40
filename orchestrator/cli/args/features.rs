//! `trainyard features`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum FeaturesCommand {
    /// Look up the latest values of features
    GetOnline(GetOnlineArgs),
    /// Bring the latest rows of views into the online store
    Materialise(MaterialiseArgs),
    /// Write rows to the online and the offline store
    Push(PushArgs),
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

//! Arguments of `trainyard notices`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum NoticesCommand {
    /// List what was told to whom, newest first
    List(ListArgs),
    /// Show one notice
    Show {
        /// Its number
        notice: u64,
    },
    /// Send notices again
    Resend(ResendArgs),
    /// Send a notice that says nothing but that a channel works
    Test {
        /// The channel, with or without `notify.`
        channel: String,
    },
    /// List channels
    Channels,
    /// List subscriptions
    Subscriptions,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only to this channel
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,
    /// Only of this kind of event, e.g. run.failed
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Waiting,
    Delivered,
    Folded,
    Dead,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ResendArgs {
    /// Its number
    #[arg(conflicts_with = "dead")]
    pub(crate) notice: Option<u64>,
    /// All that were given up
    #[arg(long)]
    pub(crate) dead: bool,
    /// Of those, only to this channel
    #[arg(long, requires = "dead")]
    pub(crate) channel: Option<String>,
}

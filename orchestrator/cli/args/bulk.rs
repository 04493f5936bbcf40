//! `trainyard runs cancel|retry|resume`: one run, or all that fit.

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(crate) struct SteerArgs {
    /// Run id, its last 8 characters, or `latest`; default: `latest`
    #[arg(conflicts_with_all = ["pipeline", "status", "since", "all"])]
    run: Option<String>,
    #[command(flatten)]
    pub(crate) bulk: BulkArgs,
}

impl SteerArgs {
    /// The one run that is meant.
    pub(crate) fn run(&self) -> &str {
        self.run.as_deref().unwrap_or("latest")
    }

    /// Whether it is said as for many runs: what fits, or what would be done.
    pub(crate) fn is_for_many(&self) -> bool {
        self.bulk.is_meant() || self.bulk.dry_run
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) steer: SteerArgs,
    /// Run exactly these again, also if they had succeeded, with what depends on them: `step`, `+step`, `step+`,
    /// `step[3]` (an item), `tag:x`, `state:failed`; several separated by commas
    #[arg(long, value_name = "EXPR")]
    pub(crate) select: Option<String>,
}

/// Which of many runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct BulkArgs {
    /// All runs of this pipeline that it is for, instead of one run
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// All of this status: queued, running, succeeded, failed, cancelled
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// All made since: `6h` ago, a date or an instant
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// All that it is for
    #[arg(long)]
    pub(crate) all: bool,
    /// Of many runs, at most so many, the newest first
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Of many runs, say what would be done to each and do nothing; of a retry of one run, what would run
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Of many runs, do it without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl BulkArgs {
    /// Whether many runs are meant.
    pub(crate) fn is_meant(&self) -> bool {
        self.pipeline.is_some() || self.status.is_some() || self.since.is_some() || self.all
    }
}

//! The command line as typed.

mod backfill;
mod bulk;
mod features;
pub(crate) mod notices;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub(crate) use backfill::{BackfillArgs, BackfillsCommand};
pub(crate) use bulk::{RetryArgs, SteerArgs};
#[cfg(feature = "steps")]
pub(crate) use features::KnownAt;
pub(crate) use features::{
    CompactArgs, FeaturesCommand, GetHistoricalArgs, GetOnlineArgs, MaterialiseArgs, PushArgs, PushedTo,
    SnapshotsArgs,
};

/// MLOps pipeline orchestrator: from YAML in git to a model watched in production.
#[derive(Debug, Parser)]
#[command(
    name = "trainyard",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done · 1 the pipeline, a check or a gate said no · 2 usage or fault · 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder of the state; default: `.trainyard` beside the project's `trainyard.yaml`
    #[arg(long, global = true, env = "TRAINYARD_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// The same as --format json
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Output formats; not every command has each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
    Markdown,
    Sarif,
    Github,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a small project that runs at once
    Init(InitArgs),
    /// Find every fault of every file, before anything runs
    Check(CheckArgs),
    /// Say what would run, why, and what it costs
    Plan(PlanArgs),
    /// Say what one environment has and another has not
    Diff(DiffArgs),
    /// Run a saved plan, exactly as it was made or not at all
    Apply(ApplyArgs),
    /// Run a pipeline
    Run(RunArgs),
    /// Run a pipeline for each tick that its schedule had in some time
    Backfill(BackfillArgs),
    /// Look at backfills and steer them
    #[command(subcommand)]
    Backfills(BackfillsCommand),
    /// Run the pipeline's own `tests:`
    Test(TestArgs),
    /// Scheduler, engine and HTTP API in one process
    Serve(ServeArgs),
    /// Print the OpenAPI document of the server's API
    Openapi,
    /// Look at the project's pipelines, pause and resume them
    #[command(subcommand)]
    Pipelines(PipelinesCommand),
    /// Make and revoke tokens that open the server
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Look at runs and steer them
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Look at registered models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Look features up and write them
    #[command(subcommand)]
    Features(FeaturesCommand),
    /// Draft data contracts from data, and exchange them with other tools
    #[command(subcommand)]
    Contracts(ContractsCommand),
    /// Follow data from source column to model and back
    #[command(subcommand)]
    Lineage(LineageCommand),
    /// List what waits for a decision, and decide
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Look at what starts runs, and when
    #[command(subcommand)]
    Triggers(TriggersCommand),
    /// See who was told of what, send again what could not be, try channels
    #[command(subcommand)]
    Notices(notices::NoticesCommand),
    /// Look up kinds of steps and their parameters
    #[command(subcommand)]
    Steps(StepsCommand),
    /// Print the JSON Schema that editors complete from
    Schema(SchemaArgs),
    /// Explain a diagnostic's code
    Explain(ExplainArgs),
    /// Remove runs that are older than `retention:` of trainyard.yaml keeps
    Gc(GcArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Look at this machine and project and say what is missing
    Doctor,
    /// Carry out one attempt; used by executors
    #[command(hide = true)]
    Step(StepArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder to write into; made if absent
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Name of the pipeline
    #[arg(long, default_value = "credit_risk")]
    pub(crate) name: String,
}

/// Which pipeline, bound how.
#[derive(Clone, Debug, Args)]
pub(crate) struct BindArgs {
    /// Pipeline file; default: the only one in `pipelines/`
    pub(crate) pipeline: Option<PathBuf>,
    /// Environment
    #[arg(short, long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Parameter, e.g. `-p seed=7`; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Pipeline files; default: all in `pipelines/`
    pub(crate) pipelines: Vec<PathBuf>,
    /// Environment whose values are checked
    #[arg(short, long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Take the files as of this git revision: a branch, a tag, a commit
    #[arg(long, value_name = "REV")]
    pub(crate) revision: Option<String>,
    /// Hold feature views against those of this git revision; default: against what the store has recorded
    #[arg(long, value_name = "REV")]
    pub(crate) against: Option<String>,
    /// How much stops: overrides the files' own `check:`
    #[arg(long, value_enum)]
    pub(crate) level: Option<Level>,
}

impl Command {
    /// Whether the exit code is to tell more than success and failure.
    pub(crate) fn has_detailed_exitcode(&self) -> bool {
        match self {
            Self::Plan(args) => args.detailed_exitcode,
            Self::Diff(args) => args.detailed_exitcode,
            _ => false,
        }
    }
}

/// Levels of checking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Baseline,
    Strict,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) bind: BindArgs,
    /// Take the files as of this git revision: a branch, a tag, a commit
    #[arg(long, value_name = "REV")]
    pub(crate) revision: Option<String>,
    /// Steps: `step`, `+step`, `step+`, `tag:x`, several separated by commas
    #[arg(long, value_name = "EXPR")]
    pub(crate) select: Option<String>,
    /// Exit with 0 if there is nothing to do, 2 if something would run, 1 on error
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Keep the plan, for `apply` to run exactly that
    #[arg(long)]
    pub(crate) save: bool,
    /// Plan as if no earlier result were known
    #[arg(long)]
    pub(crate) no_reuse: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Environment that may have more, e.g. uat
    #[arg(value_name = "ENV_A")]
    pub(crate) this: String,
    /// Environment that it is compared with, e.g. prod
    #[arg(value_name = "ENV_B")]
    pub(crate) other: String,
    /// Pipeline files; default: all of the project
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<PathBuf>,
    /// Exit with 0 if both have the same, 2 if they differ, 1 on error
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Id of a saved plan, or its beginning
    #[arg(value_name = "PLAN_ID")]
    pub(crate) plan: String,
    /// Leave when nothing but approvals is left to wait for
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Built-in steps at once; default: one a core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) bind: BindArgs,
    /// Take the files as of this git revision: a branch, a tag, a commit
    #[arg(long, value_name = "REV")]
    pub(crate) revision: Option<String>,
    /// Steps: `step`, `+step`, `step+`, `tag:x`, several separated by commas
    #[arg(long, value_name = "EXPR")]
    pub(crate) select: Option<String>,
    /// Run every step, also those whose result is known
    #[arg(long)]
    pub(crate) no_reuse: bool,
    /// Leave when nothing but approvals is left to wait for
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Built-in steps at once; default: one a core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) bind: BindArgs,
    /// Only tests whose name contains this
    #[arg(long)]
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove runs that ended so long ago, instead of what `retention.runs` says, e.g. `30d`
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: Option<trainyard_contract::Millis>,
    /// Keep so many newest runs of each pipeline and environment, instead of what `retention.keep_last` says
    #[arg(long, value_name = "RUNS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) keep_last: Option<u32>,
    /// Then give the freed space of a SQLite database back to the file system; nothing else may use it meanwhile
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) compact: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port; without a token only an address of this machine alone
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        env = "TRAINYARD_LISTEN",
        value_name = "ADDRESS"
    )]
    pub(crate) listen: std::net::SocketAddr,
    /// A further name under which the server may be addressed; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Folder of the project; default: the one this folder belongs to
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// Runs at once; those that wait for people or timers do not count
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) max_runs: usize,
    /// Seconds of silence after which other engines on the same database take this one's runs over
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) lease: u64,
    /// Built-in steps at once; default: one a core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// How the log on standard error is written
    #[arg(long, value_enum, default_value_t = LogFormat::Human, env = "TRAINYARD_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PipelinesCommand {
    /// List the pipelines of the project folder
    List,
    /// Show one pipeline: version, steps, params, triggers
    Show {
        /// Name of the pipeline
        pipeline: String,
    },
    /// Let a pipeline start no runs; what runs goes on
    Pause {
        /// Name of the pipeline
        pipeline: String,
        /// Why
        #[arg(short = 'm', long)]
        reason: Option<String>,
    },
    /// Let a paused pipeline start runs again
    Resume {
        /// Name of the pipeline
        pipeline: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token; its text is shown this once
    Create {
        /// Who or what uses it
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t = Role::Operator)]
        role: Role,
        /// Roles that it has among people, as manual triggers name them
        #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
        roles: Vec<String>,
        /// How long it is good, e.g. `90d`; default: until it is revoked
        #[arg(long, value_name = "DURATION")]
        expires: Option<trainyard_contract::Millis>,
    },
    /// List tokens, without their secrets
    List,
    /// Revoke the tokens of that id or name
    Revoke {
        /// Id or name
        token: String,
    },
}

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Look at everything
    Viewer,
    /// Start, stop, pause and answer
    Operator,
    /// Whatever there is to do
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, newest first
    List {
        /// Only of this pipeline
        #[arg(long)]
        pipeline: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one run: steps, why, times, outputs
    Show {
        #[command(flatten)]
        run: RunRef,
        /// List the items of this `for_each` step, or the iterations of this `repeat` step, instead
        #[arg(long, value_name = "STEP")]
        items: Option<String>,
        /// Only items in this state, e.g. `failed`
        #[arg(long, requires = "items")]
        state: Option<String>,
        /// Which page of items, from 1
        #[arg(long, requires = "items", default_value_t = 1)]
        page: usize,
        /// Items a page
        #[arg(long, requires = "items", default_value_t = 50)]
        per_page: usize,
    },
    /// Follow a run until it ends
    Watch(RunRef),
    /// Print logs
    Logs {
        #[command(flatten)]
        run: RunRef,
        /// Step or step instance; default: all
        step: Option<String>,
        /// Attempt; default: the last
        #[arg(long)]
        attempt: Option<u32>,
    },
    /// Ask a run to stop: running steps get time to finish, then are ended
    Cancel(SteerArgs),
    /// Run failed, blocked and cancelled steps of an ended run again, or chosen ones
    Retry(RetryArgs),
    /// Go on with a run whose process died
    Resume(SteerArgs),
    /// Run a run again from its recorded code, data and parameters, and say bit for bit what differs
    Reproduce(ReproduceArgs),
    /// Compare two runs: parameters, steps, outputs, metrics
    Diff {
        /// Run id, its last 8 characters, or `latest`
        left: String,
        /// The same
        right: String,
    },
}

/// `runs reproduce`.
#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// Run id, its last 8 characters, or `latest`
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// With another value of a parameter, to see what depends on it, e.g. `-p seed=7`
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
    /// Built-in steps at once; default: one a core
    #[arg(long)]
    pub(crate) workers: Option<usize>,
}

/// A run as a person names it.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunRef {
    /// Run id, its last 8 characters, or `latest`
    #[arg(default_value = "latest")]
    pub(crate) run: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List models and their versions
    List,
    /// Show a model version: signature, metrics, lineage
    Show {
        /// `NAME`, `NAME@ALIAS` or `NAME:VERSION`
        model: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractsCommand {
    /// Draft a contract for each file, or each quoted glob, from all of its rows
    Infer {
        /// Files or globs of CSV, NDJSON, Parquet or Arrow
        #[arg(required = true)]
        files: Vec<String>,
        /// Name of the contract; default: the file's
        #[arg(long)]
        name: Option<String>,
        /// How text files are read, as `options` of a dataset, e.g. `-o delimiter=";"`
        #[arg(short, long = "option", value_name = "KEY=VALUE", value_parser = key_value)]
        options: Vec<(String, String)>,
        /// Folder to write NAME.yaml into; default: print
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Turn a document of the Open Data Contract Standard (3.0 and 3.1) into contracts
    Import {
        /// The ODCS document
        file: PathBuf,
        /// Folder to write NAME.yaml into; default: print
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print a contract as a document of the Open Data Contract Standard 3.1
    Export {
        /// The contract's file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LineageCommand {
    /// Show what something comes from: columns, data, code, parameters, people
    Up {
        /// A run, `NAME:VERSION` of a model, a dataset, or `dataset.column`
        subject: String,
        /// Steps to follow at most
        #[arg(long, default_value_t = 20)]
        depth: u32,
    },
    /// Show what depends on something
    Down {
        /// A dataset, `dataset.column`, a run, or `NAME:VERSION` of a model
        subject: String,
        /// Steps to follow at most
        #[arg(long, default_value_t = 20)]
        depth: u32,
    },
    /// List the models that depend on a dataset or column, and how
    Impact {
        /// A dataset, or `dataset.column`
        subject: String,
    },
    /// Say why a run ran, or how a model version came about
    Why {
        /// Run id, its last 8 characters, `latest`, or a model version
        subject: String,
    },
    /// Say what differs between two model versions or runs: data, code, parameters, features, environment
    Diff {
        /// `NAME:VERSION`, `NAME@ALIAS` or a run
        before: String,
        /// The same
        now: String,
    },
    /// Show what something comes from and what depends on it
    Show {
        /// A run, `NAME:VERSION` of a model, a dataset, `dataset.column`, or `features:VIEW`
        subject: String,
        /// Only one direction
        #[arg(long, value_enum, default_value_t = Direction::Both)]
        direction: Direction,
        /// Steps to follow at most
        #[arg(long, default_value_t = 20)]
        depth: u32,
    },
}

/// Direction in the lineage graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    Up,
    Down,
    Both,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List what waits for a decision
    List,
    /// Agree
    Approve(AnswerArgs),
    /// Refuse
    Reject(AnswerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// Run id, its last 8 characters, or `latest`
    pub(crate) run: String,
    /// The approval step
    pub(crate) step: String,
    /// In which role
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Why
    #[arg(short = 'm', long)]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TriggersCommand {
    /// List triggers of all pipelines, with the next run of each schedule
    List {
        /// Pipeline file or name; default: all
        pipeline: Option<String>,
    },
    /// Show coming runs of a pipeline's schedules, and what each change of clocks does to them
    Preview(PreviewArgs),
    /// Show what triggers did and did not do under the server, and why; newest first
    History {
        /// Name of the pipeline; default: all
        pipeline: Option<String>,
        /// Only this trigger
        #[arg(long)]
        trigger: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Pipeline file or name
    pub(crate) pipeline: String,
    /// Only this trigger; default: every schedule
    #[arg(short, long, value_name = "NAME")]
    pub(crate) trigger: Option<String>,
    /// From when on: `2027-03-28`, `2027-03-28T02:00` by the schedule's clock, or an instant with
    /// `Z`; default: now
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// At most this many runs of each schedule; default: 10, with --to all
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) number: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StepsCommand {
    /// List all kinds of steps; `--format markdown` prints the whole reference
    List,
    /// Show inputs, outputs and parameters of one
    Show {
        /// E.g. `train.classifier@v1`; the version may be left out
        step: String,
        /// Only this parameter and what is inside it
        parameter: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which document
    #[arg(value_enum, default_value_t = SchemaKind::Pipeline)]
    pub(crate) kind: SchemaKind,
}

/// Documents with a JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaKind {
    Pipeline,
    Library,
    Contract,
    Project,
    Stream,
    Features,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// E.g. `M01` or `S01/unknown-key`; without it, the list of all
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// Task document; its report is written beside it
    pub(crate) task: Option<PathBuf>,
    /// Take tasks from standard input until it closes
    #[arg(long, conflicts_with_all = ["task", "supervise"])]
    pub(crate) worker: bool,
    /// Start commands for process steps until standard input closes
    #[arg(long, conflicts_with = "task")]
    pub(crate) supervise: bool,
}

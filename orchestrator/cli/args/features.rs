//! `trainyard features`.

use clap::Subcommand;

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
}

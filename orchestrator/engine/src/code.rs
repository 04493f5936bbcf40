//! The files a run goes by, and which version of them: the project folder's, or those of a git revision.

mod checkout;
mod git;
mod revision;
mod tree;
mod version;
mod workplace;

pub use checkout::{Checkout, remove_old_checkouts};
pub use git::GitError;
pub use revision::RevisionError;
pub use version::{Versions, versions_in};
pub use workplace::{RevisionFiles, Workplace};

//! Which version of its files a run went by, as a document.

use serde_json::{Value, json};
use trainyard_domain::run::CodeVersion;

pub(in crate::commands) fn document(code: &CodeVersion) -> Value {
    json!({
        "commit": code.commit,
        "branch": code.branch,
        "is_dirty": code.is_dirty(),
        "changed": code.changed,
        "revision": code.pinned.as_ref().map(|pinned| pinned.revision.as_str()),
    })
}

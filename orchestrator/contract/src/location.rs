//! Names of datasets by where they are, so that systems which know nothing of each other mean the same one.

use std::path::{Component, Path, PathBuf};

/// A dataset's name in OpenLineage: <https://openlineage.io/docs/spec/naming/>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicName {
    /// `file`, `s3://bucket`, `https://host`.
    pub namespace: String,
    /// Path in the namespace; of a local file the absolute path.
    pub name: String,
}

impl PublicName {
    /// The name of a location: a path (from `start`, if it is relative), a pattern of paths, or a URL. Of a
    /// pattern it is the folder that holds all that it may match. Who and with which password reads a URL is no
    /// part of it, nor is its query.
    pub fn of(location: &str, start: &Path) -> Self {
        match location.split_once("://") {
            Some(("file", path)) => Self::of_file(path, start),
            Some((scheme, rest)) => {
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                // Only where it is a password's place: Azure's own URLs are `container@account`.
                let host = match scheme {
                    "http" | "https" => authority.rsplit('@').next().unwrap_or_default(),
                    _ => authority,
                };
                let path = if matches!(scheme, "http" | "https") {
                    path
                } else {
                    before_pattern(path)
                };
                Self {
                    namespace: format!("{}://{host}", if scheme == "s3a" { "s3" } else { scheme }),
                    name: match path.trim_end_matches('/') {
                        "" => "/".to_owned(),
                        path => path.to_owned(),
                    },
                }
            }
            None => Self::of_file(location, start),
        }
    }

    fn of_file(path: &str, start: &Path) -> Self {
        let mut whole = PathBuf::new();
        for part in start.join(before_pattern(path)).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    whole.pop();
                }
                part => whole.push(part),
            }
        }
        Self {
            namespace: "file".to_owned(),
            name: whole.to_string_lossy().into_owned(),
        }
    }
}

/// A pattern's folder, or the whole of what is none.
fn before_pattern(path: &str) -> &str {
    match path.find(['*', '?', '[', '{']) {
        Some(at) => path[..at].rfind('/').map_or("", |slash| &path[..slash]),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_named_by_where_it_is() {
        for (location, namespace, name) in [
            ("data/flights.parquet", "file", "/project/data/flights.parquet"),
            ("../raw/./a.csv", "file", "/raw/a.csv"),
            ("/srv/a.csv", "file", "/srv/a.csv"),
            ("file:///srv/a.csv", "file", "/srv/a.csv"),
            ("data/2026-*/part-?.csv", "file", "/project/data"),
            ("*.csv", "file", "/project"),
            ("s3://lake/raw/flights/", "s3://lake", "raw/flights"),
            ("s3a://lake/raw/*.parquet", "s3://lake", "raw"),
            ("gs://lake", "gs://lake", "/"),
            (
                "abfss://box@account.dfs.core.windows.net/a/b",
                "abfss://box@account.dfs.core.windows.net",
                "a/b",
            ),
            (
                "https://me:secret@example.org/a.csv?token=1#x",
                "https://example.org",
                "a.csv",
            ),
        ] {
            let named = PublicName::of(location, Path::new("/project"));
            assert_eq!(
                (named.namespace.as_str(), named.name.as_str()),
                (namespace, name),
                "{location}"
            );
        }
    }
}

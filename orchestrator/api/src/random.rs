//! Random bytes of the operating system.

use std::io::Read;
use trainyard_contract::{RunId, Timestamp};

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("could not get random bytes")]
pub struct RandomError(#[source] std::io::Error);

/// So many random bytes.
///
/// # Errors
/// If the system has none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0u8; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(RandomError)?;
    Ok(bytes)
}

/// The bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fresh run id.
///
/// # Errors
/// If the system has no random bytes.
pub fn new_run_id(now: Timestamp) -> Result<RunId, RandomError> {
    let millis = u64::try_from(now.0 / 1000).unwrap_or(0);
    Ok(RunId::from_parts(millis, bytes()?))
}

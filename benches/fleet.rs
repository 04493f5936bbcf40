//! Several engines on one PostgreSQL, and everything that can fail under them: `cargo bench
//! --no-default-features --bench fleet -- SECONDS ENGINES SEED`. Stops when a run was lost, a success
//! counted twice or an effect doubled without a lost attempt; the logs of all engines are kept then.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing, and takes what it needs of the tests' pieces"
)]

#[path = "../tests/fleet.rs"]
mod fleet;
#[path = "../tests/http.rs"]
mod http;
#[path = "../tests/yard.rs"]
mod yard;

use std::time::Duration;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<u64>().ok());
    let seconds = numbers.next().unwrap_or(60);
    let engines = usize::try_from(numbers.next().unwrap_or(3)).unwrap();
    let seed = numbers.next().unwrap_or(1);
    if let Some(proof) = fleet::prove(Duration::from_secs(seconds), engines, seed) {
        println!("{proof}");
    }
}

//! Pushes to the online store that come at once share a transaction, and so a flush of the disk.

use crate::app::lock;
use std::sync::{Arc, Mutex, OnceLock};
use trainyard_contract::Timestamp;
use trainyard_features::online::{Layout, OnlineError, OnlineStore, SortedRows, ViewId, Write};

/// Pushes that go together.
const MOST: usize = 256;

/// Rows of one push.
pub(crate) struct Pushed {
    pub(crate) view: ViewId,
    pub(crate) layout: Layout,
    pub(crate) pieces: Vec<SortedRows>,
}

type Outcome = Arc<OnceLock<Result<(), Arc<OnlineError>>>>;

/// Pushes that wait; whoever's turn it is writes them all.
#[derive(Default)]
pub(crate) struct Pusher {
    waiting: Mutex<Vec<(Pushed, Outcome)>>,
    turn: Mutex<()>,
}

impl Pusher {
    /// Writes rows; durable when it returns. May wait.
    pub(crate) fn push(
        &self,
        store: &dyn OnlineStore,
        pushed: Pushed,
        now: Timestamp,
    ) -> Result<(), Arc<OnlineError>> {
        let outcome = Outcome::default();
        lock(&self.waiting).push((pushed, outcome.clone()));
        loop {
            let _turn = lock(&self.turn);
            if let Some(outcome) = outcome.get() {
                return outcome.clone();
            }
            let mut together: Vec<(Pushed, Outcome)> = {
                let mut waiting = lock(&self.waiting);
                let most = waiting.len().min(MOST);
                waiting.drain(..most).collect()
            };
            let written = write(store, &mut together, now).map_err(Arc::new);
            for (_, outcome) in together {
                // Set once: a push is taken out of the queue once.
                let _ = outcome.set(written.clone());
            }
        }
    }
}

fn write(
    store: &dyn OnlineStore,
    together: &mut [(Pushed, Outcome)],
    now: Timestamp,
) -> Result<(), OnlineError> {
    let mut rows: Vec<_> = together
        .iter_mut()
        .map(|(pushed, _)| {
            let pieces = std::mem::take(&mut pushed.pieces);
            (&pushed.view, &pushed.layout, pieces.into_iter().map(Ok))
        })
        .collect();
    let mut writes: Vec<Write<'_>> = rows
        .iter_mut()
        .map(|(view, layout, rows)| Write {
            view,
            layout,
            rows,
            watermark: None,
        })
        .collect();
    store.write(&mut writes, now).map(|_| ())
}

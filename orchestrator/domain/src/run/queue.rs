//! What may start: ready instances, the longest remaining path first, within the limits of their
//! matrices.

use super::definition::InstanceIx;
use super::graph::Graph;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::iter;

/// Begins with what has most behind it; in declaration order among equals.
type Place = (Reverse<u32>, InstanceIx);

/// An instance as the queue sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) ix: InstanceIx,
    /// Of its graph: that of its own, or of the `for_each` step whose item it is.
    pub(super) height: u32,
    pub(super) group: Option<u32>,
}

impl Seat {
    fn place(self) -> Place {
        (Reverse(self.height), self.ix)
    }
}

/// The queue. A cell beyond its matrix' `max_parallel` is parked and comes up when another ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    open: BTreeSet<Place>,
    cells: Vec<CellQueue>,
}

#[derive(Clone, Debug, Default)]
struct CellQueue {
    running: u32,
    admitted: BTreeSet<Place>,
    parked: BTreeSet<Place>,
}

impl Queue {
    pub(super) fn of(graph: &Graph) -> Self {
        let cells = iter::repeat_with(CellQueue::default)
            .take(graph.groups.len())
            .collect();
        Self {
            open: BTreeSet::new(),
            cells,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = InstanceIx> {
        self.open.iter().map(|(_, ix)| *ix)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether it may start now.
    pub(super) fn contains(&self, seat: Seat) -> bool {
        self.open.contains(&seat.place())
    }

    /// It is ready.
    pub(super) fn put(&mut self, graph: &Graph, seat: Seat) {
        let place = seat.place();
        match seat.group {
            None => {
                self.open.insert(place);
            }
            Some(group) => {
                self.cells[group as usize].parked.insert(place);
                self.admit(graph, group);
            }
        }
    }

    /// It is not ready any more. Does nothing if it was not.
    pub(super) fn take(&mut self, graph: &Graph, seat: Seat) {
        let place = seat.place();
        self.open.remove(&place);
        if let Some(group) = seat.group {
            let cells = &mut self.cells[group as usize];
            cells.admitted.remove(&place);
            cells.parked.remove(&place);
            self.admit(graph, group);
        }
    }

    /// It runs now, and so is no longer ready.
    pub(super) fn start(&mut self, graph: &Graph, seat: Seat) {
        if let Some(group) = seat.group {
            self.cells[group as usize].running += 1;
        }
        self.take(graph, seat);
    }

    /// It runs no more.
    pub(super) fn stop(&mut self, graph: &Graph, seat: Seat) {
        if let Some(group) = seat.group {
            let cells = &mut self.cells[group as usize];
            cells.running = cells.running.saturating_sub(1);
            self.admit(graph, group);
        }
    }

    /// Fills the matrix up to its limit. A replay may start a cell that was parked here: then one
    /// that was admitted goes back.
    fn admit(&mut self, graph: &Graph, group: u32) {
        let limit = graph.groups[group as usize].max_parallel as usize;
        let cells = &mut self.cells[group as usize];
        let room = limit.saturating_sub(cells.running as usize);
        while cells.admitted.len() > room
            && let Some(place) = cells.admitted.pop_last()
        {
            self.open.remove(&place);
            cells.parked.insert(place);
        }
        while cells.admitted.len() < room
            && let Some(place) = cells.parked.pop_first()
        {
            cells.admitted.insert(place);
            self.open.insert(place);
        }
    }
}

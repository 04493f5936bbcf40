//! What may start: ready instances, the longest remaining path first, within the limits of their
//! matrices.

use super::definition::InstanceIx;
use super::graph::Graph;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::iter;

/// Begins with what has most behind it; in declaration order among equals.
type Place = (Reverse<u32>, InstanceIx);

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

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether it may start now.
    pub(super) fn contains(&self, graph: &Graph, ix: InstanceIx) -> bool {
        self.open.contains(&place(graph, ix))
    }

    /// It is ready.
    pub(super) fn put(&mut self, graph: &Graph, ix: InstanceIx) {
        let place = place(graph, ix);
        match graph.group_of[ix as usize] {
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
    pub(super) fn take(&mut self, graph: &Graph, ix: InstanceIx) {
        let place = place(graph, ix);
        self.open.remove(&place);
        if let Some(group) = graph.group_of[ix as usize] {
            let cells = &mut self.cells[group as usize];
            cells.admitted.remove(&place);
            cells.parked.remove(&place);
            self.admit(graph, group);
        }
    }

    /// It runs now, and so is no longer ready.
    pub(super) fn start(&mut self, graph: &Graph, ix: InstanceIx) {
        if let Some(group) = graph.group_of[ix as usize] {
            self.cells[group as usize].running += 1;
        }
        self.take(graph, ix);
    }

    /// It runs no more.
    pub(super) fn stop(&mut self, graph: &Graph, ix: InstanceIx) {
        if let Some(group) = graph.group_of[ix as usize] {
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

fn place(graph: &Graph, ix: InstanceIx) -> Place {
    (Reverse(graph.height[ix as usize]), ix)
}

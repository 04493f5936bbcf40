//! Attempts of one kind that wait for room, and who of them is next.
//!
//! Runs take turns, so that none waits for another's thousands. In a run the deepest goes first: what
//! follows on something that has just ended goes ahead of what has only been waiting, so that results
//! are used soon and few of them lie about. Now and then it is the turn of who has waited longest, so
//! that a run that always has something deep starves none of its own.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use trainyard_contract::RunId;

/// Of so many turns of a run, one goes to who has waited longest.
const TURNS: u32 = 16;

/// Attempts go by their numbers, which grow as they arrive.
#[derive(Default)]
pub(super) struct Lane {
    runs: HashMap<RunId, Waiting>,
    /// Runs of which something waits; the first is next.
    turns: VecDeque<RunId>,
    count: usize,
}

#[derive(Default)]
struct Waiting {
    deepest: BTreeSet<(Reverse<u32>, u64)>,
    oldest: BTreeSet<(u64, u32)>,
    turns_had: u32,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One more waits, or one that was on its way waits again in its old place.
    pub(super) fn put(&mut self, run: &RunId, depth: u32, id: u64) {
        let waiting = match self.runs.get_mut(run) {
            Some(waiting) => waiting,
            None => {
                self.turns.push_back(run.clone());
                self.runs.entry(run.clone()).or_default()
            }
        };
        self.count += usize::from(waiting.oldest.insert((id, depth)));
        waiting.deepest.insert((Reverse(depth), id));
    }

    /// It waits no more. Does nothing if it did not wait here.
    pub(super) fn forget(&mut self, run: &RunId, depth: u32, id: u64) {
        let Some(waiting) = self.runs.get_mut(run) else {
            return;
        };
        self.count -= usize::from(waiting.oldest.remove(&(id, depth)));
        waiting.deepest.remove(&(Reverse(depth), id));
        if waiting.oldest.is_empty() {
            self.runs.remove(run);
            self.turns.retain(|other| other != run);
        }
    }

    /// Who is next; the same until it is taken, unless another arrives that goes ahead of it.
    pub(super) fn next(&self) -> Option<u64> {
        self.runs.get(self.turns.front()?)?.next().map(|(id, _)| id)
    }

    /// Takes who is next. It was its run's turn.
    pub(super) fn take(&mut self) -> Option<u64> {
        let run = self.turns.pop_front()?;
        let waiting = self.runs.get_mut(&run)?;
        let (id, depth) = waiting.next()?;
        waiting.oldest.remove(&(id, depth));
        waiting.deepest.remove(&(Reverse(depth), id));
        waiting.turns_had += 1;
        self.count -= 1;
        if waiting.oldest.is_empty() {
            self.runs.remove(&run);
        } else {
            self.turns.push_back(run);
        }
        Some(id)
    }
}

impl Waiting {
    fn next(&self) -> Option<(u64, u32)> {
        if self.turns_had % TURNS == TURNS - 1 {
            self.oldest.first().copied()
        } else {
            self.deepest.first().map(|(Reverse(depth), id)| (*id, *depth))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u8) -> RunId {
        format!("run_{number:0>26}").parse().unwrap()
    }

    fn taken(lane: &mut Lane, count: usize) -> Vec<u64> {
        (0..count).map_while(|_| lane.take()).collect()
    }

    #[test]
    fn what_follows_goes_ahead_of_what_has_only_been_waiting() {
        let mut lane = Lane::default();
        for id in 1..=3 {
            lane.put(&run(1), 0, id);
        }
        assert_eq!(taken(&mut lane, 1), [1]);
        lane.put(&run(1), 1, 4);
        lane.put(&run(1), 1, 5);
        assert_eq!(lane.len(), 4);
        assert_eq!(taken(&mut lane, 9), [4, 5, 2, 3]);
        assert!(lane.is_empty());
    }

    #[test]
    fn runs_take_turns_however_much_one_of_them_wants() {
        let mut lane = Lane::default();
        for id in 1..=4 {
            lane.put(&run(1), 7, id);
        }
        lane.put(&run(2), 0, 5);
        lane.put(&run(2), 0, 6);
        assert_eq!(taken(&mut lane, 9), [1, 5, 2, 6, 3, 4]);
    }

    #[test]
    fn a_run_that_always_has_something_deep_starves_none_of_its_own() {
        let mut lane = Lane::default();
        lane.put(&run(1), 0, 1);
        let mut turns = 0;
        for id in 2.. {
            lane.put(&run(1), id as u32, id);
            turns += 1;
            if lane.take() == Some(1) {
                break;
            }
        }
        assert_eq!(turns, TURNS);
    }

    #[test]
    fn what_waits_no_more_takes_no_turn() {
        let mut lane = Lane::default();
        lane.put(&run(1), 0, 1);
        lane.put(&run(2), 0, 2);
        lane.put(&run(2), 0, 3);
        lane.forget(&run(1), 0, 1);
        lane.forget(&run(1), 0, 1);
        lane.forget(&run(2), 0, 2);
        assert_eq!((lane.len(), taken(&mut lane, 9)), (1, vec![3]));
    }

    #[test]
    fn who_comes_back_waits_in_its_old_place() {
        let mut lane = Lane::default();
        for id in 1..=3 {
            lane.put(&run(1), 0, id);
        }
        assert_eq!(lane.take(), Some(1));
        lane.put(&run(1), 0, 1);
        assert_eq!(taken(&mut lane, 9), [1, 2, 3]);
    }
}

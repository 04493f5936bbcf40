//! How the room for attempts is shared between runs.

/// So many attempts each run may have in hand, however many the others have.
const ALWAYS: usize = 16;

/// What a run has in hand and wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) held: usize,
    pub(super) ready: usize,
}

/// How many attempts more each may submit. If there is room for all, what is left over is shared, too: a
/// result that is taken over makes room for what follows on it. Else who has least in hand goes first, up
/// to where all have the same.
pub(super) fn shares(capacity: usize, demands: &[Demand]) -> Vec<usize> {
    let held: usize = demands.iter().map(|demand| demand.held).sum();
    let wanted: usize = demands.iter().map(|demand| demand.ready).sum();
    let room = capacity.saturating_sub(held);
    if wanted <= room {
        let more = (room - wanted) / demands.len().max(1);
        return demands.iter().map(|demand| demand.ready + more).collect();
    }
    let share = |demand: &Demand, level: usize| demand.ready.min(level.saturating_sub(demand.held));
    let fits = |level: usize| demands.iter().map(|demand| share(demand, level)).sum::<usize>() <= room;
    let (mut level, mut too_much) = (0, held + wanted + 1);
    while too_much - level > 1 {
        let middle = level + (too_much - level) / 2;
        if fits(middle) {
            level = middle;
        } else {
            too_much = middle;
        }
    }
    demands
        .iter()
        .map(|demand| share(demand, level.max(ALWAYS)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands<const N: usize>(all: [(usize, usize); N]) -> [Demand; N] {
        all.map(|(held, ready)| Demand { held, ready })
    }

    #[test]
    fn with_room_for_all_what_is_left_over_is_shared() {
        assert_eq!(shares(100, &demands([(10, 20), (0, 10)])), [50, 40]);
    }

    #[test]
    fn who_has_least_in_hand_goes_first_until_all_have_the_same() {
        assert_eq!(
            shares(100, &demands([(60, 900), (0, 900), (10, 900)])),
            [0, 20, 10]
        );
        assert_eq!(shares(100, &demands([(50, 900), (0, 5)])), [45, 5]);
    }

    #[test]
    fn a_run_that_holds_everything_leaves_a_little_for_the_next() {
        assert_eq!(
            shares(100, &demands([(100, 900), (0, 900), (9, 900)])),
            [0, 16, 7]
        );
    }
}

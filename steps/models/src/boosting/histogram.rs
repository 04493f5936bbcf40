//! Sums of gradients by bin: where training spends its time.

use crate::bins::Binned;
use rayon::prelude::*;

/// Features whose bins stand side by side, so that one row's are one load.
const BLOCK: usize = 8;

/// Rows summed into one partial histogram. A constant, not a share of the rows by thread: partial
/// sums are added in order, so the result is the same to the bit whatever the number of threads.
const CHUNK: usize = 1 << 14;

/// Bins of one feature: 256, so that a byte needs no bounds check, and some padding, so that equal
/// bins of different features do not compete for the same cache lines.
const SLOTS: usize = 272;

/// Sum of gradients and of hessians of the rows in each bin of one feature.
pub(crate) type Histogram = [[f64; 2]; SLOTS];

const EMPTY: Histogram = [[0.0; 2]; SLOTS];

/// Histograms of some features of the rows of one leaf, feature by feature.
#[derive(Clone, Debug)]
pub(crate) struct Histograms(pub(crate) Vec<Histogram>);

impl Histograms {
    pub(crate) fn empty(features: usize) -> Self {
        Self(vec![EMPTY; features])
    }
}

/// The binned rows in blocks of features.
#[derive(Debug)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    /// The first feature of each block.
    starts: Vec<usize>,
    bins: Vec<usize>,
}

#[derive(Debug)]
enum Block {
    Eight(Vec<[u8; 8]>),
    Four(Vec<[u8; 4]>),
    Two(Vec<[u8; 2]>),
    One(Vec<u8>),
}

impl Blocks {
    /// The blocks of a binned frame.
    pub(crate) fn new(binned: &Binned) -> Self {
        let bins = binned.cuts.iter().map(super::super::bins::Cuts::bins).collect();
        let mut blocks = Vec::new();
        let mut starts = Vec::new();
        let mut rest = binned.columns.as_slice();
        while !rest.is_empty() {
            let width = match rest.len() {
                BLOCK.. => 8,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            starts.push(binned.columns.len() - rest.len());
            let (taken, next) = rest.split_at(width);
            blocks.push(match width {
                8 => Block::Eight(interleave(taken, binned.rows)),
                4 => Block::Four(interleave(taken, binned.rows)),
                2 => Block::Two(interleave(taken, binned.rows)),
                _ => Block::One(taken[0].clone()),
            });
            rest = next;
        }
        Self { blocks, starts, bins }
    }

    /// Number of bins of each feature.
    pub(crate) fn bins(&self) -> &[usize] {
        &self.bins
    }

    /// Widths of the blocks, in features.
    pub(crate) fn widths(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(Block::width)
    }

    /// Sums the gradients of `rows` into the histograms of block `block`, whose bins are overwritten;
    /// slots beyond the last bin of a feature are left as they are.
    ///
    /// `gradients`: (gradient, hessian) of every training row.
    pub(crate) fn sum(&self, block: usize, rows: &[u32], gradients: &[[f32; 2]], into: &mut [Histogram]) {
        let used = &self.bins[self.starts[block]..];
        match &self.blocks[block] {
            Block::Eight(bins) => sum_in_chunks(bins, rows, gradients, used, into),
            Block::Four(bins) => sum_in_chunks(bins, rows, gradients, used, into),
            Block::Two(bins) => sum_in_chunks(bins, rows, gradients, used, into),
            Block::One(bins) => sum_in_chunks(bins.as_chunks::<1>().0, rows, gradients, used, into),
        }
    }
}

impl Block {
    fn width(&self) -> usize {
        match self {
            Self::Eight(_) => 8,
            Self::Four(_) => 4,
            Self::Two(_) => 2,
            Self::One(_) => 1,
        }
    }
}

fn interleave<const K: usize>(columns: &[Vec<u8>], rows: usize) -> Vec<[u8; K]> {
    let mut bins = vec![[0u8; K]; rows];
    for (lane, column) in columns.iter().enumerate() {
        for (row, &bin) in bins.iter_mut().zip(column) {
            row[lane] = bin;
        }
    }
    bins
}

fn sum_in_chunks<const K: usize>(
    bins: &[[u8; K]],
    rows: &[u32],
    gradients: &[[f32; 2]],
    used: &[usize],
    into: &mut [Histogram],
) {
    let Some(into) = into.first_chunk_mut::<K>() else {
        return;
    };
    for (into, &used) in into.iter_mut().zip(used) {
        into[..used].fill([0.0; 2]);
    }
    if rows.len() <= CHUNK {
        sum_rows(bins, rows, gradients, into);
        return;
    }
    let parts: Vec<Vec<Histogram>> = rows
        .par_chunks(CHUNK)
        .map(|rows| {
            let mut part = vec![EMPTY; K];
            if let Some(part) = part.first_chunk_mut::<K>() {
                sum_rows(bins, rows, gradients, part);
            }
            part
        })
        .collect();
    for part in &parts {
        for ((into, part), &used) in into.iter_mut().zip(part).zip(used) {
            for (into, part) in into[..used].iter_mut().zip(part) {
                into[0] += part[0];
                into[1] += part[1];
            }
        }
    }
}

#[inline]
fn sum_rows<const K: usize>(
    bins: &[[u8; K]],
    rows: &[u32],
    gradients: &[[f32; 2]],
    into: &mut [Histogram; K],
) {
    for &row in rows {
        let bins = &bins[row as usize];
        let [gradient, hessian] = gradients[row as usize];
        let (gradient, hessian) = (f64::from(gradient), f64::from(hessian));
        for lane in 0..K {
            let slot = &mut into[lane][bins[lane] as usize];
            slot[0] += gradient;
            slot[1] += hessian;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::Cuts;
    use crate::random::Random;

    #[test]
    fn sums_are_those_of_a_plain_loop_and_bitwise_equal_for_any_number_of_threads() {
        let rows = 3 * CHUNK + 17;
        let mut random = Random::new(1);
        let columns: Vec<Vec<u8>> = (0..15)
            .map(|_| (0..rows).map(|_| random.below(255) as u8).collect())
            .collect();
        let cuts = vec![
            Cuts::Numeric {
                upper: vec![0.0; 254]
            };
            15
        ];
        let binned = Binned { cuts, columns, rows };
        let gradients: Vec<[f32; 2]> = (0..rows)
            .map(|_| [random.uniform() as f32 - 0.5, random.uniform() as f32])
            .collect();
        let order: Vec<u32> = (0..rows as u32).filter(|row| row % 3 != 0).collect();
        let blocks = Blocks::new(&binned);
        assert_eq!(blocks.widths().collect::<Vec<_>>(), [8, 4, 2, 1]);

        let sums = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut at = 0;
                let mut all = Histograms::empty(15);
                for (block, width) in blocks.widths().enumerate() {
                    blocks.sum(block, &order, &gradients, &mut all.0[at..at + width]);
                    at += width;
                }
                all.0
            })
        };
        let one = sums(1);
        assert!(one == sums(2) && one == sums(5));
        for feature in [0, 9, 13, 14] {
            let mut plain = EMPTY;
            for &row in &order {
                let slot = &mut plain[binned.columns[feature][row as usize] as usize];
                slot[0] += f64::from(gradients[row as usize][0]);
                slot[1] += f64::from(gradients[row as usize][1]);
            }
            for (found, expected) in one[feature].iter().zip(plain) {
                assert!((found[0] - expected[0]).abs() < 1e-9 && (found[1] - expected[1]).abs() < 1e-9);
            }
        }
    }
}

//! Trees as arrays: all trees' nodes one after the other, and how many each tree has.

use super::{Child, Node, Question, Tree};
use crate::error::ModelError;
use crate::features::FeatureKind;
use crate::model::{ArrayReader, ArrayWriter, Shape, wrong};

/// Values of `node_kind`.
const MISSING_RIGHT: u8 = 0;
const MISSING_LEFT: u8 = 1;
const CATEGORIES: u8 = 2;

pub(crate) fn write(trees: &[Tree], arrays: &mut ArrayWriter) {
    let nodes = || trees.iter().flat_map(|tree| &tree.nodes);
    let counts =
        |count: fn(&Tree) -> usize| trees.iter().map(|tree| count(tree) as u32).collect::<Vec<u32>>();
    arrays.u32s("tree_nodes", &counts(|tree| tree.nodes.len()));
    arrays.u32s("tree_category_words", &counts(|tree| tree.category_bits.len()));
    let (mut kinds, mut thresholds, mut starts, mut words) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for node in nodes() {
        match node.question {
            Question::AtMost {
                threshold,
                missing_left,
            } => {
                kinds.push(if missing_left { MISSING_LEFT } else { MISSING_RIGHT });
                thresholds.push(threshold);
            }
            Question::OneOf { start, words: count } => {
                kinds.push(CATEGORIES);
                starts.push(start);
                words.push(count);
            }
        }
    }
    arrays.u32s(
        "node_feature",
        &nodes().map(|node| node.feature).collect::<Vec<u32>>(),
    );
    arrays.u8s("node_kind", &kinds);
    // One for each node about a number.
    arrays.f64s("node_threshold", &thresholds);
    // One for each node about a category: its bits' first word and number of words.
    arrays.u32s("node_words_start", &starts);
    arrays.u32s("node_words", &words);
    // A node, or the complement of a leaf's number.
    arrays.i32s(
        "node_left",
        &nodes().map(|node| link(node.left)).collect::<Vec<i32>>(),
    );
    arrays.i32s(
        "node_right",
        &nodes().map(|node| link(node.right)).collect::<Vec<i32>>(),
    );
    arrays.f32s("node_gain", &nodes().map(|node| node.gain).collect::<Vec<f32>>());
    arrays.u32s(
        "category_words",
        &trees
            .iter()
            .flat_map(|tree| tree.category_bits.clone())
            .collect::<Vec<u32>>(),
    );
    arrays.f64s(
        "leaf_value",
        &trees
            .iter()
            .flat_map(|tree| tree.leaves.clone())
            .collect::<Vec<f64>>(),
    );
    arrays.f64s(
        "leaf_cover",
        &trees
            .iter()
            .flat_map(|tree| tree.covers.clone())
            .collect::<Vec<f64>>(),
    );
}

fn link(child: Child) -> i32 {
    match child {
        Child::Node(node) => node as i32,
        Child::Leaf(leaf) => !(leaf as i32),
    }
}

/// Reads trees with `outputs` numbers in a leaf; takes nothing on trust.
///
/// # Errors
/// `Format`, saying what is wrong.
pub(crate) fn read(
    outputs: usize,
    shape: &Shape<'_>,
    arrays: &mut ArrayReader<'_>,
) -> Result<Vec<Tree>, ModelError> {
    let node_counts = arrays.u32s("tree_nodes")?;
    let word_counts = arrays.u32s("tree_category_words")?;
    if node_counts.len() != word_counts.len() {
        return Err(wrong("its lists of trees differ in length"));
    }
    let about = arrays.u32s("node_feature")?;
    let kinds = arrays.u8s("node_kind")?;
    let mut thresholds = arrays.f64s("node_threshold")?.into_iter();
    let mut starts = arrays.u32s("node_words_start")?.into_iter();
    let mut words = arrays.u32s("node_words")?.into_iter();
    let left = arrays.i32s("node_left")?;
    let right = arrays.i32s("node_right")?;
    let gains = arrays.f32s("node_gain")?;
    let mut category_words = arrays.u32s("category_words")?.into_iter();
    let mut leaves = arrays.finite_f64s("leaf_value")?.into_iter();
    let mut covers = if shape.version == 1 {
        let narrow = arrays.f32s("leaf_cover")?;
        narrow.into_iter().map(f64::from).collect()
    } else {
        arrays.finite_f64s("leaf_cover")?
    }
    .into_iter();
    let total: u64 = node_counts.iter().map(|&count| u64::from(count)).sum();
    if [about.len(), kinds.len(), left.len(), right.len(), gains.len()]
        .iter()
        .any(|&len| len as u64 != total)
    {
        return Err(wrong("its lists of nodes differ in length"));
    }
    let leaf_count = total + node_counts.len() as u64;
    if Some(leaves.len() as u64) != leaf_count.checked_mul(outputs as u64)
        || covers.len() as u64 != leaf_count
    {
        return Err(wrong("its trees have a wrong number of leaves"));
    }
    if category_words.len() as u64 != word_counts.iter().map(|&count| u64::from(count)).sum::<u64>() {
        return Err(wrong("its trees have a wrong number of category words"));
    }
    let mut trees = Vec::with_capacity(node_counts.len());
    let mut first = 0;
    for (&count, &word_count) in node_counts.iter().zip(&word_counts) {
        let count = count as usize;
        let mut nodes = Vec::with_capacity(count);
        for at in first..first + count {
            let feature = about[at];
            let kind = shape.features.get(feature as usize).map(|feature| &feature.kind);
            let question = match (kinds[at], kind) {
                (MISSING_RIGHT | MISSING_LEFT, Some(FeatureKind::Numeric)) => Question::AtMost {
                    threshold: thresholds
                        .next()
                        .filter(|t| !t.is_nan())
                        .ok_or_else(|| wrong("a threshold is missing"))?,
                    missing_left: kinds[at] == MISSING_LEFT,
                },
                (CATEGORIES, Some(FeatureKind::Categorical { .. })) => {
                    let (Some(start), Some(words)) = (starts.next(), words.next()) else {
                        return Err(wrong("the categories of a node are missing"));
                    };
                    if start.checked_add(words).is_none_or(|end| end > word_count) {
                        return Err(wrong("the categories of a node lie outside its tree"));
                    }
                    Question::OneOf { start, words }
                }
                _ => return Err(wrong("a node does not fit its feature")),
            };
            nodes.push(Node {
                feature,
                question,
                left: child(left[at], at - first, count)?,
                right: child(right[at], at - first, count)?,
                gain: gains[at],
            });
        }
        check_reached_once(&nodes)?;
        trees.push(Tree {
            nodes,
            category_bits: category_words.by_ref().take(word_count as usize).collect(),
            outputs,
            leaves: leaves.by_ref().take((count + 1) * outputs).collect(),
            covers: covers.by_ref().take(count + 1).collect(),
        });
        first += count;
    }
    if thresholds.next().is_some() || starts.next().is_some() || words.next().is_some() {
        return Err(wrong("it has questions that no node asks"));
    }
    Ok(trees)
}

/// A child stands after its parent, so that every walk ends.
fn child(link: i32, parent: usize, nodes: usize) -> Result<Child, ModelError> {
    if let Ok(node) = u32::try_from(link) {
        let place = node as usize;
        if place > parent && place < nodes {
            return Ok(Child::Node(node));
        }
    } else {
        let leaf = (!link) as u32;
        if leaf as usize <= nodes {
            return Ok(Child::Leaf(leaf));
        }
    }
    Err(wrong("a node leads nowhere"))
}

fn check_reached_once(nodes: &[Node]) -> Result<(), ModelError> {
    let mut reached_nodes = vec![false; nodes.len()];
    let mut reached_leaves = vec![false; nodes.len() + 1];
    for child in nodes.iter().flat_map(|node| [node.left, node.right]) {
        let reached = match child {
            Child::Node(node) => &mut reached_nodes[node as usize],
            Child::Leaf(leaf) => &mut reached_leaves[leaf as usize],
        };
        if std::mem::replace(reached, true) {
            return Err(wrong("two nodes lead to the same place"));
        }
    }
    Ok(())
}

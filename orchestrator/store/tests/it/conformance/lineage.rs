use super::Open;
use crate::material::{create_owned, started_run};
use trainyard_contract::task::{Way, Ways};
use trainyard_contract::{ContentHash, RunId};
use trainyard_store::{LineageEdge, LineageGraph, LineageNode, Store};

fn write(store: &mut Store, run: &RunId, seq: u64, edges: &[LineageEdge]) {
    let mut turn = store.begin().unwrap();
    turn.write_lineage(&[(run.clone(), edges.to_vec())]).unwrap();
    turn.append(run, 1, seq, &[started_run(1)]).unwrap();
    turn.commit().unwrap();
}

/// `"a -> b"`: artifacts named by one letter; `=>` is a declared edge.
fn edges(text: &str) -> Vec<LineageEdge> {
    let edge = |text: &str| {
        let (source, derived, target) = match text.split_once("=>") {
            Some((source, target)) => (source, false, target),
            None => {
                let (source, target) = text.split_once("->").unwrap();
                (source, true, target)
            }
        };
        LineageEdge {
            source: artifact(source.trim()),
            target: artifact(target.trim()),
            derived,
            ways: Ways::default(),
        }
    };
    text.split(';').map(edge).collect()
}

fn artifact(name: &str) -> LineageNode {
    LineageNode::Artifact {
        hash: ContentHash::of(name.as_bytes()),
    }
}

/// Names with distances, sorted.
fn names(graph: &LineageGraph) -> String {
    let mut names: Vec<String> = graph
        .nodes
        .iter()
        .map(|(node, distance)| {
            let name = ('a'..='z')
                .map(String::from)
                .find(|name| artifact(name) == *node)
                .unwrap();
            format!("{name}{distance}")
        })
        .collect();
    names.sort_unstable();
    names.join(" ")
}

/// Source, target, and whether the edge is derived.
fn places(graph: &LineageGraph) -> Vec<(usize, usize, bool)> {
    let edges = graph.edges.iter();
    edges
        .map(|edge| (edge.source, edge.target, edge.derived))
        .collect()
}

pub(crate) fn origins_and_consequences_are_found(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(
        &mut store,
        &run,
        0,
        &edges("a -> b; a -> c; b -> d; c -> d; d -> e; x -> e"),
    );
    let store = open();
    assert_eq!(
        names(&store.lineage_up(&artifact("d"), 9, 100).unwrap()),
        "a2 b1 c1 d0"
    );
    assert_eq!(
        names(&store.lineage_down(&artifact("a"), 9, 100).unwrap()),
        "a0 b1 c1 d2 e3"
    );
    assert_eq!(store.lineage_down(&artifact("a"), 9, 100).unwrap().edges.len(), 5);
    assert_eq!(
        store.lineage_up(&artifact("z"), 9, 100).unwrap(),
        LineageGraph::default()
    );

    let every_kind = [
        LineageNode::Dataset {
            name: "flights".to_owned(),
        },
        LineageNode::DatasetVersion {
            name: "flights".to_owned(),
            content: ContentHash::of(b"v"),
        },
        LineageNode::DatasetColumn {
            dataset: "flights".to_owned(),
            column: "dep.time [x]".to_owned(),
        },
        LineageNode::ArtifactColumn {
            hash: ContentHash::of(b"t"),
            column: String::new(),
        },
        LineageNode::Step {
            run: run.clone(),
            instance: "train[a=b]".to_owned(),
        },
        LineageNode::Run { run: run.clone() },
        LineageNode::ModelVersion {
            name: "delay".to_owned(),
            version: 3,
        },
        LineageNode::File {
            path: "/data/é.csv".to_owned(),
        },
    ];
    let chain: Vec<LineageEdge> = every_kind
        .windows(2)
        .map(|pair| LineageEdge {
            source: pair[0].clone(),
            target: pair[1].clone(),
            derived: true,
            ways: Ways::default(),
        })
        .collect();
    write(&mut open(), &run, 1, &chain);
    let found = store.lineage_down(&every_kind[0], 100, 100).unwrap();
    assert_eq!(
        found.nodes.into_iter().map(|(node, _)| node).collect::<Vec<_>>(),
        every_kind
    );
}

pub(crate) fn depth_and_number_of_nodes_are_limited(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(
        &mut store,
        &run,
        0,
        &edges("a -> b; b -> c; c -> d; d -> a; a -> x; a -> y; a -> z"),
    );
    assert_eq!(
        names(&store.lineage_down(&artifact("b"), 2, 100).unwrap()),
        "b0 c1 d2"
    );
    let cut = store.lineage_down(&artifact("a"), 9, 3).unwrap();
    assert_eq!((cut.nodes.len(), cut.truncated), (3, true));
    let whole = store.lineage_down(&artifact("a"), 9, 7).unwrap();
    assert_eq!(
        (whole.nodes.len(), whole.edges.len(), whole.truncated),
        (7, 7, false),
        "a cycle ends"
    );
}

pub(crate) fn an_edge_becomes_derived_and_stays_so(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    let derived = |open: Open<'_>| places(&open().lineage_up(&artifact("b"), 1, 9).unwrap());
    write(&mut store, &run, 0, &edges("a => b"));
    assert_eq!(derived(open), [(1, 0, false)]);
    write(&mut store, &run, 1, &edges("a -> b"));
    assert_eq!(derived(open), [(1, 0, true)]);
    write(&mut store, &run, 2, &edges("a => b"));
    assert_eq!(derived(open), [(1, 0, true)]);
}

pub(crate) fn an_edge_keeps_every_way_that_was_seen(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    let by = |ways: &[Way]| LineageEdge {
        ways: ways.iter().copied().collect(),
        ..edges("a -> b").remove(0)
    };
    let seen = |open: Open<'_>| -> Vec<Way> {
        let graph = open().lineage_up(&artifact("b"), 1, 9).unwrap();
        graph.edges[0].ways.iter().collect()
    };
    write(
        &mut store,
        &run,
        0,
        &[by(&[Way::Filter]), by(&[Way::Conditional])],
    );
    assert_eq!(seen(open), [Way::Filter, Way::Conditional]);
    write(&mut store, &run, 1, &[by(&[Way::Identity, Way::Filter])]);
    assert_eq!(seen(open), [Way::Identity, Way::Filter, Way::Conditional]);
    write(&mut store, &run, 2, &[by(&[])]);
    assert_eq!(seen(open), [Way::Identity, Way::Filter, Way::Conditional]);
}

pub(crate) fn a_run_shows_what_its_steps_took_and_gave(open: Open<'_>) {
    let mut store = open();
    let first = create_owned(&mut store, 1, "flights");
    let second = create_owned(&mut store, 2, "flights");
    for (run, took, gave) in [(&first, "a", "b"), (&second, "b", "c")] {
        let step = LineageNode::Step {
            run: run.clone(),
            instance: "s1".to_owned(),
        };
        let edges = [
            LineageEdge {
                source: artifact(took),
                target: step.clone(),
                derived: true,
                ways: Ways::default(),
            },
            LineageEdge {
                source: step,
                target: artifact(gave),
                derived: true,
                ways: Ways::default(),
            },
        ];
        write(&mut store, run, 0, &edges);
    }
    let graph = open().lineage_of_run(&first, 100).unwrap();
    let nodes: Vec<&LineageNode> = graph.nodes.iter().map(|(node, _)| node).collect();
    let step = LineageNode::Step {
        run: first.clone(),
        instance: "s1".to_owned(),
    };
    assert_eq!(nodes, [&step, &artifact("a"), &artifact("b")]);
    assert_eq!(places(&graph), [(0, 2, true), (1, 0, true)]);
}

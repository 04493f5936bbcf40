//! What holds for every expression.

use super::syntax::{Binary, Kind, Name, Node, Unary};
use super::*;
use proptest::prelude::*;
use serde_json::json;

const ROOTS: [(&str, &str); 4] = [
    ("params", "seed"),
    ("params", "name"),
    ("vars", "share"),
    ("event", "any thing"),
];

struct Values;

impl Context for Values {
    fn root(&self, name: &str) -> Option<Value> {
        Some(match name {
            "params" => json!({"seed": 3, "name": "näme"}),
            "vars" => json!({"share": 0.5}),
            "event" => json!({"any thing": [1, "x", null, {"a": -2.5}]}),
            _ => return None,
        })
    }

    fn step(&self, _: &str) -> Option<Value> {
        None
    }
}

fn types() -> TypeEnv {
    TypeEnv::default()
        .with(
            "params",
            Type::map([("seed", Type::Integer), ("name", Type::String)]),
        )
        .with("vars", Type::map([("share", Type::Float)]))
        .with("event", Type::Any)
}

fn node(kind: Kind) -> Node {
    Node { at: 0..0, kind }
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        Just(Kind::Null),
        any::<bool>().prop_map(Kind::Boolean),
        prop_oneof![-3i64..4, any::<i64>()].prop_map(Kind::Integer),
        prop_oneof![
            Just(-0.0),
            Just(2.5),
            any::<f64>().prop_filter("finite", |value| value.is_finite())
        ]
        .prop_map(Kind::Float),
        prop_oneof![
            "[a-c'\"\\\\\n}{é]{0,4}",
            Just("2026-11-22".to_owned()),
            Just("5m".to_owned())
        ]
        .prop_map(Kind::Text),
        prop::sample::select(ROOTS.to_vec()).prop_map(|(root, name)| {
            let name = Name {
                at: 0..0,
                text: name.to_owned(),
            };
            Kind::Member(Box::new(node(Kind::Root(root.to_owned()))), name)
        }),
    ]
    .prop_map(node)
}

fn tree() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(6, 48, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let some = || prop::collection::vec(inner.clone(), 0..4);
        let keyed = (
            prop::sample::subsequence(vec!["a", "b c", "in"], 0..=3),
            prop::collection::vec(inner.clone(), 3),
        );
        prop_oneof![
            some().prop_map(Kind::List),
            keyed.prop_map(|(keys, values)| {
                let name = |text: &str| Name {
                    at: 0..0,
                    text: text.to_owned(),
                };
                Kind::Map(keys.into_iter().map(name).zip(values).collect())
            }),
            (boxed(), "[a-c ]{1,2}").prop_map(|(of, text)| Kind::Member(of, Name { at: 0..0, text })),
            (boxed(), boxed())
                .prop_filter("a literal text as index reads as a member", |(_, index)| {
                    !matches!(index.kind, Kind::Text(_))
                })
                .prop_map(|(of, index)| Kind::Index(of, index)),
            (
                prop::sample::select(function::Function::ALL.to_vec()),
                prop::collection::vec(inner.clone(), 3)
            )
                .prop_map(|(function, mut arguments)| {
                    arguments.truncate(function.arity().1.unwrap_or(3));
                    Kind::Call(function, arguments)
                }),
            (prop_oneof![Just(Unary::Not), Just(Unary::Negate)], boxed())
                .prop_map(|(op, of)| Kind::Unary(op, of)),
            (prop::sample::select(Binary::ALL.to_vec()), boxed(), boxed())
                .prop_map(|(operator, left, right)| Kind::Binary(operator, left, right)),
            (boxed(), boxed(), boxed()).prop_map(|(one, two, three)| Kind::Choice(one, two, three)),
        ]
        .prop_map(node)
    })
}

/// The tree without its positions.
fn bare(of: &Node) -> Node {
    let boxed = |of: &Node| Box::new(bare(of));
    let name = |name: &Name| Name {
        at: 0..0,
        text: name.text.clone(),
    };
    node(match &of.kind {
        Kind::List(items) => Kind::List(items.iter().map(bare).collect()),
        Kind::Map(entries) => Kind::Map(
            entries
                .iter()
                .map(|(key, value)| (name(key), bare(value)))
                .collect(),
        ),
        Kind::Member(of, key) => Kind::Member(boxed(of), name(key)),
        Kind::Index(of, index) => Kind::Index(boxed(of), boxed(index)),
        Kind::Call(function, arguments) => Kind::Call(*function, arguments.iter().map(bare).collect()),
        Kind::Unary(operator, operand) => Kind::Unary(*operator, boxed(operand)),
        Kind::Binary(operator, left, right) => Kind::Binary(*operator, boxed(left), boxed(right)),
        Kind::Choice(one, two, three) => Kind::Choice(boxed(one), boxed(two), boxed(three)),
        kind => kind.clone(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused_at_a_place_inside_it(text in "(?s).{0,60}|[a-c1'\"(){}\\[\\].,:?!<>=&|+*/% $\\\\-]{0,80}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
        }
        if let Err(error) = Template::parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
        }
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same(tree in tree()) {
        let printed = tree.to_string();
        let read = parse(&printed);
        prop_assert!(read.is_ok(), "{printed}: {read:?}");
        prop_assert_eq!(bare(&read.unwrap().root), tree, "{}", printed);
    }

    #[test]
    fn a_value_is_of_the_type_that_was_promised(tree in tree()) {
        let text = tree.to_string();
        let expression = parse(&text).unwrap();
        let found = expression.evaluate(&Values);
        if let Err(error) = &found {
            prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
        }
        if let (Ok(of), Ok(value)) = (expression.check(&types()), found) {
            prop_assert!(of.admits(&value), "{text} is {of}, not {value}");
        }
    }

    #[test]
    fn a_template_around_an_expression_gives_its_value(tree in tree()) {
        let text = format!("${{{{ {tree} }}}}");
        let template = Template::parse(&text);
        prop_assert!(template.is_ok(), "{text}: {template:?}");
        let alone = parse(&tree.to_string()).unwrap().evaluate(&Values).ok();
        prop_assert_eq!(template.unwrap().evaluate(&Values).ok(), alone);
    }
}

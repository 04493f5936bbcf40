use super::*;
use crate::diagnostic::Sources;
use proptest::prelude::*;
use serde_json::json;

fn read_text(text: &str) -> (Option<Document>, Vec<ReadFault>) {
    read(FileId(0), text)
}

fn value(text: &str) -> serde_json::Value {
    let (document, faults) = read_text(text);
    assert_eq!(faults, [], "{text}");
    document.unwrap().root.to_value()
}

/// Code, line and column of every fault.
fn faults(bytes: &[u8]) -> Vec<(&'static str, usize, usize)> {
    let (text, fault) = decode(FileId(0), bytes.to_vec());
    let faults = fault.map_or_else(|| read_text(&text).1, |fault| vec![fault]);
    let mut sources = Sources::default();
    let id = sources.add("a.yaml", text);
    faults
        .iter()
        .map(|fault| {
            let (line, column) = sources.file(id).unwrap().line_column(fault.span.start);
            (fault.code, line, column)
        })
        .collect()
}

#[test]
fn values_keep_their_order_and_their_places() {
    let text = "b: 1\na: [x, 'y z', \"ü\"]\n";
    let (document, _) = read_text(text);
    let root = document.unwrap().root;
    assert_eq!(root.to_value().to_string(), r#"{"b":1,"a":["x","y z","ü"]}"#);
    let spans: Vec<&str> = root
        .get("a")
        .unwrap()
        .items()
        .iter()
        .map(|item| &text[item.span.start..item.span.end])
        .collect();
    assert_eq!(spans, ["x", "'y z'", "\"ü\""]);
    let a = root.entry("a").unwrap();
    assert_eq!(&text[a.key_span.start..a.key_span.end], "a");
    assert_eq!(&text[a.value.span.start..a.value.span.end], "[x, 'y z', \"ü\"]");
}

#[test]
fn a_block_value_ends_with_its_last_character() {
    let text = "steps:\n  a:\n    run: |\n      echo 1\n      echo 2\n\n  b: x\n";
    let (document, _) = read_text(text);
    let root = document.unwrap().root;
    let a = root.get("steps").unwrap().get("a").unwrap();
    assert_eq!(a.get("run").unwrap().text(), Some("echo 1\necho 2\n"));
    let shown = &text[a.get("run").unwrap().span.start..a.get("run").unwrap().span.end];
    assert!(shown.ends_with("echo 2"), "{shown:?}");
    assert_eq!(root.get("steps").unwrap().get("b").unwrap().text(), Some("x"));
}

#[test]
fn aliases_repeat_and_merge_keys_give_way_to_what_is_written() {
    assert_eq!(
        value("base: &base {a: 1, b: 2}\nnext: {<<: *base, b: 3, c: 4}\ncopy: *base\n"),
        json!({"base": {"a": 1, "b": 2}, "next": {"b": 3, "c": 4, "a": 1}, "copy": {"a": 1, "b": 2}})
    );
    assert_eq!(
        value("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n")["c"],
        json!({"x": 1, "y": 2})
    );
}

#[test]
fn a_duplicate_key_is_reported_at_the_second_and_the_rest_is_still_read() {
    let (document, found) = read_text("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\ne: 5\n");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].span.start), ("S01/duplicate-key", 24));
    assert_eq!(found[0].other.as_ref().unwrap().0.start, 10);
    assert_eq!(
        document.unwrap().root.to_value(),
        json!({"a": 1, "b": {"c": 1, "d": 2}, "e": 5})
    );
}

#[test]
fn what_no_pipeline_needs_is_refused_with_its_place() {
    for (text, code, line, column) in [
        ("a: 1\n---\nb: 2\n", "S01/yaml", 2, 1),
        ("a: *nowhere\n", "S01/yaml", 1, 4),
        ("a: &a [*a]\n", "S01/yaml", 1, 8),
        ("a: !python/object x\n", "S01/yaml", 1, 4),
        ("a:\n\t- b\n", "S01/yaml", 2, 1),
        ("a:\n  b: c \"d\n\te: 1\n", "S01/yaml", 3, 1),
        ("a: \"b\nc: \"d\" # x\n", "S01/yaml", 1, 4),
        ("a: 1\n  b: 2\n", "S01/yaml", 2, 4),
        ("a: 'x\n", "S01/yaml", 1, 4),
        ("a: [1, 2\n", "S01/yaml", 1, 4),
        ("a: {b: ${{ params.x }}}\n", "S01/yaml", 1, 9),
        ("", "S01/yaml", 1, 1),
        ("a: b\0c\n", "S01/yaml", 1, 5),
        ("[a]: b\n", "S01/yaml", 1, 1),
    ] {
        let found = faults(text.as_bytes());
        assert_eq!(found, [(code, line, column)], "{text:?}");
    }
    assert_eq!(faults(b"a: 1\nb: \xff\xfe\n"), [("S01/encoding", 2, 4)]);
}

#[test]
fn documents_made_to_exhaust_a_reader_are_refused() {
    let bomb = {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        text
    };
    let chain = {
        let mut text = String::from("a0: &a0 [x]\n");
        for level in 1..50_000 {
            text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        text
    };
    let repeated = {
        let mut text = format!("a: &a {}\nb:\n", "x".repeat(100_000));
        text += &"  - *a\n".repeat(10_000);
        text
    };
    let blocks: String = (0..2000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    for (name, text) in [
        ("flow lists", "[".repeat(100_000)),
        ("flow maps", "{a: ".repeat(100_000)),
        ("dashes", "- ".repeat(100_000)),
        ("block maps", blocks),
        ("alias bomb", bomb),
        ("alias chain", chain),
        ("repeated text", repeated),
        ("explicit key", format!("? {}\n: 1\n", "k".repeat(1_000_000))),
        ("long key", format!("{}: 1\n", "k".repeat(3_000_000))),
        ("10 MB key", format!("{}: 1\n", "k".repeat(10_000_000))),
        ("anchors", "&a ".repeat(100_000)),
        ("unclosed quote", format!("a: \"{}", "x".repeat(3_000_000))),
        (
            "nested anchors",
            format!("{}{}{}", "&a [".repeat(60), "1,".repeat(200_000), "]".repeat(60)),
        ),
        ("many values", "- 1\n".repeat(900_000)),
    ] {
        let found = faults(text.as_bytes());
        assert!(!found.is_empty(), "{name}");
    }
}

#[test]
fn comments_accept_findings_of_their_line_or_of_the_next_with_content() {
    let (document, _) = read_text(
        "# check: ignore=S06 kept for others\n# more words\n\na: 1\nb: 2 # check: ignore=D06,M05 known\n",
    );
    let ignores = document.unwrap().ignores;
    assert_eq!(ignores.iter().map(|i| i.line).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(ignores[1].codes, ["D06", "M05"]);
    assert_eq!(ignores[1].reason, "known");
}

#[test]
fn hundreds_of_comment_lines_are_no_fault() {
    let text = format!("a:\n{}  b: 1\n", "  # words\n".repeat(500));
    assert_eq!(value(&text), json!({"a": {"b": 1}}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        faults(&bytes);
    }

    #[test]
    fn no_yaml_like_text_makes_the_reader_panic(text in "[-a-c:,?|>{}\\[\\]&*!'\"# \t\n<%@]{0,80}") {
        let (document, found) = read_text(&text);
        prop_assert!(document.is_some() || !found.is_empty());
        for fault in found {
            prop_assert!(fault.span.start <= fault.span.end && text.is_char_boundary(fault.span.start));
            prop_assert!(text.is_char_boundary(fault.span.end.min(text.len())));
        }
    }

    #[test]
    fn what_is_read_reads_back_as_json(text in "[-a-c0-9:,{}\\[\\]'\" \n]{0,60}") {
        if let (Some(document), found) = read_text(&text) && found.is_empty() {
            let value = document.root.to_value();
            let again = read_text(&value.to_string());
            prop_assert_eq!(again.0.map(|d| d.root.to_value()), Some(value));
        }
    }
}

//! What the renderers print, read and accepted by eye.

use super::*;
use crate::diagnostic::{Diagnostic, FileId, Fix, Ignored, Label};
use insta::assert_snapshot;
use proptest::prelude::*;

const PIPELINE: &str = "\
version: 1
name: flight_delay
steps:
  features:
    uses: features.build@v1
    inputs: {flights: flights_raw}
    with:
      predict_at: schedule
      keep: [carrier, dep_delay]
";
const CONTRACT: &str = "\
columns:
  carrier:   {type: string, known_at: schedule}
  dep_delay: {type: int16, known_at: departure, unit: minute}
";

/// The span of the first occurrence of a text.
fn find(sources: &Sources, file: FileId, text: &str) -> Span {
    let start = sources.file(file).unwrap().text.find(text).unwrap();
    Span {
        file,
        start,
        end: start + text.len(),
    }
}

fn label(span: Span, text: &str) -> Label {
    Label {
        span,
        text: text.to_owned(),
    }
}

fn error(code: &str, message: &str, primary: Label) -> Diagnostic {
    Diagnostic {
        code: code.to_owned(),
        severity: Severity::Error,
        message: message.to_owned(),
        primary,
        secondary: Vec::new(),
        notes: Vec::new(),
        help: None,
        fix: None,
    }
}

/// A leak with everything a diagnostic can have.
fn leak() -> (Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let pipeline = sources.add("pipelines/flight_delay.yaml", PIPELINE);
    let contract = sources.add("contracts/flights.yaml", CONTRACT);
    let word = find(&sources, pipeline, "dep_delay");
    let list = find(&sources, pipeline, ", dep_delay");
    let diagnostic = Diagnostic {
        secondary: vec![
            label(find(&sources, pipeline, "schedule"), "predictions are made here"),
            label(find(&sources, contract, "departure"), "known only now"),
        ],
        notes: vec!["the order of moments is schedule, departure, arrival".to_owned()],
        help: Some("remove `dep_delay` from `keep`".to_owned()),
        fix: Some(Fix {
            span: list,
            replacement: String::new(),
        }),
        ..error(
            "M01/known-too-late",
            "feature `dep_delay` is known at `departure`, after `schedule`",
            label(word, "known too late"),
        )
    };
    (vec![diagnostic], sources)
}

/// One error at the first occurrence of a word.
fn at(text: &str, word: &str) -> (Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text);
    let span = find(&sources, file, word);
    (
        vec![error("S01/unknown-key", "no such key", label(span, "here"))],
        sources,
    )
}

fn plain((diagnostics, sources): &(Vec<Diagnostic>, Sources), width: usize) -> String {
    human(diagnostics, sources, Style { color: false, width })
}

#[test]
fn a_diagnostic_reads_like_a_compiler_s() {
    assert_snapshot!(plain(&leak(), 100), @r"
    error[M01/known-too-late]: feature `dep_delay` is known at `departure`, after `schedule`
     --> pipelines/flight_delay.yaml:9:23
      |
    8 |       predict_at: schedule
      |                   -------- predictions are made here
    9 |       keep: [carrier, dep_delay]
      |                       ^^^^^^^^^ known too late
      |
     ::: contracts/flights.yaml:3:38
      |
    3 |   dep_delay: {type: int16, known_at: departure, unit: minute}
      |                                      --------- known only now
      |
      = note: the order of moments is schedule, departure, arrival
      = help: remove `dep_delay` from `keep`
    ");
}

#[test]
fn labels_of_one_line_stand_below_each_other() {
    let (mut diagnostics, sources) = at("a: {first: 1, second: 2, third: 3}\n", "second");
    let file = FileId(0);
    diagnostics[0].secondary = vec![
        label(find(&sources, file, "first"), "one"),
        label(find(&sources, file, "third"), "three"),
        label(find(&sources, file, "a:"), ""),
    ];
    assert_snapshot!(plain(&(diagnostics, sources), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:15
      |
    1 | a: {first: 1, second: 2, third: 3}
      | --  -----     ^^^^^^     ----- three
      |     |         |
      |     |         here
      |     one
    ");
}

#[test]
fn lines_between_are_shown_or_left_out() {
    let (mut diagnostics, sources) = at(
        "one: 1\ntwo: 2\nthree: 3\nfour: 4\nfive: 5\nsix: 6\nseven: 7\n",
        "three",
    );
    diagnostics[0].secondary = vec![
        label(find(&sources, FileId(0), "one"), "first"),
        label(find(&sources, FileId(0), "seven"), "last"),
    ];
    assert_snapshot!(plain(&(diagnostics, sources), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:3:1
      |
    1 | one: 1
      | --- first
    2 | two: 2
    3 | three: 3
      | ^^^^^ here
    ...
    7 | seven: 7
      | ----- last
    ");
}

#[test]
fn a_fix_without_help_says_what_to_write() {
    let (mut diagnostics, sources) = at("stpes: {}\n", "stpes");
    diagnostics[0].fix = Some(Fix {
        span: diagnostics[0].primary.span,
        replacement: "steps".to_owned(),
    });
    diagnostics[0].severity = Severity::Warning;
    diagnostics[0].primary.text.clear();
    diagnostics[0].notes = vec!["two\nlines".to_owned()];
    assert_snapshot!(plain(&(diagnostics, sources), 100), @r"
    warning[S01/unknown-key]: no such key
     --> a.yaml:1:1
      |
    1 | stpes: {}
      | ^^^^^
      |
      = note: two
              lines
      = help: write `steps`
    ");
}

#[test]
fn tabs_and_wide_characters_keep_underlines_in_place() {
    assert_snapshot!(plain(&at("\t\tkey: [日本語, é, bad]\r\n", "bad"), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:17
      |
    1 |         key: [日本語, é, bad]
      |                          ^^^ here
    ");
    assert_snapshot!(plain(&at("日本: 語\n", "語"), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:5
      |
    1 | 日本: 語
      |       ^^ here
    ");
}

#[test]
fn a_byte_order_mark_is_not_a_column() {
    assert_snapshot!(plain(&at("\u{feff}stpes: {}\n", "stpes"), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:1
      |
    1 | stpes: {}
      | ^^^^^ here
    ");
}

#[test]
fn what_could_move_or_colour_a_terminal_is_shown_as_a_picture() {
    let mut shown = at("a: \"\x1b[31mred\u{202e}\0\x7f\u{9b}\" # x\n", "# x");
    shown.0[0].message = "key `\x1b]0;title\x07` is unknown\nsecond".to_owned();
    assert_snapshot!(plain(&shown, 100), @r#"
    error[S01/unknown-key]: key `␛]0;title␇` is unknown␊second
     --> a.yaml:1:19
      |
    1 | a: "␛[31mred�␀␡�" # x
      |                   ^^^ here
    "#);
}

#[test]
fn a_long_line_is_cut_around_the_place_and_keeps_its_column() {
    let text = format!(
        "list: [{}, bad, {}]\n",
        vec!["good"; 50].join(", "),
        vec!["good"; 50_000].join(", ")
    );
    assert_snapshot!(plain(&at(&text, "bad"), 60), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:308
      |
    1 | ... good, good, good, good, bad, good, good, good, go...
      |                             ^^^ here
    ");
    let long_word = format!("{}: 1\n", "k".repeat(1_000_000));
    assert_snapshot!(plain(&at(&long_word, &long_word[..1_000_000]), 60), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:1
      |
    1 | kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ here
    ");
    let (mut far, sources) = at(&text, "bad");
    far[0].secondary = vec![label(find(&sources, FileId(0), "list"), "the list")];
    assert_snapshot!(plain(&(far, sources), 60), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:308
      |
    1 | ... good, good, good, good, bad, good, good, good, go...
      |                             ^^^ here
    1 | list: [good, good, good, good, good, good, good, g...
      | ---- the list
    ");
}

#[test]
fn the_end_of_a_file_and_a_block_of_lines_can_be_pointed_at() {
    let (mut diagnostics, sources) = at("a:\n  b: 1\n  c: 2\n", "a:");
    diagnostics[0].primary.span.end = 16;
    assert_snapshot!(plain(&(diagnostics.clone(), sources.clone()), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:1:1
      |
    1 | a:
      | ^^ here
    ");
    diagnostics[0].primary.span = Span {
        file: FileId(0),
        start: 17,
        end: 17,
    };
    assert_snapshot!(plain(&(diagnostics, sources), 100), @r"
    error[S01/unknown-key]: no such key
     --> a.yaml:4:1
      |
    4 |
      | ^ here
    ");
}

#[test]
fn colours_are_written_only_when_asked_for() {
    let (diagnostics, sources) = at("a: 1\n", "a");
    let colored = human(
        &diagnostics,
        &sources,
        Style {
            color: true,
            width: 100,
        },
    );
    assert_snapshot!(colored.escape_debug().to_string().replace("\\n", "\n"), @r"
    \u{1b}[1;31merror[S01/unknown-key]\u{1b}[0m\u{1b}[1m: no such key\u{1b}[0m
     \u{1b}[1;34m--> \u{1b}[0ma.yaml:1:1
      \u{1b}[1;34m|\u{1b}[0m
    \u{1b}[1;34m1 |\u{1b}[0m a: 1
      \u{1b}[1;34m|\u{1b}[0m \u{1b}[1;31m^\u{1b}[0m \u{1b}[1;31mhere\u{1b}[0m
    ");
}

#[test]
fn json_has_every_part() {
    let (diagnostics, sources) = leak();
    let list = json(&diagnostics, &sources);
    assert_snapshot!(serde_json::to_string_pretty(&list).unwrap(), @r#"
    [
      {
        "code": "M01/known-too-late",
        "family": "M01",
        "rule": "known-too-late",
        "severity": "error",
        "message": "feature `dep_delay` is known at `departure`, after `schedule`",
        "file": "pipelines/flight_delay.yaml",
        "line": 9,
        "column": 23,
        "end_line": 9,
        "end_column": 32,
        "label": "known too late",
        "help": "remove `dep_delay` from `keep`",
        "fix": {
          "file": "pipelines/flight_delay.yaml",
          "line": 9,
          "column": 21,
          "end_line": 9,
          "end_column": 32,
          "start": 169,
          "end": 180,
          "replacement": ""
        },
        "notes": [
          "the order of moments is schedule, departure, arrival"
        ],
        "secondary": [
          {
            "file": "pipelines/flight_delay.yaml",
            "line": 8,
            "column": 19,
            "end_line": 8,
            "end_column": 27,
            "label": "predictions are made here"
          },
          {
            "file": "contracts/flights.yaml",
            "line": 3,
            "column": 38,
            "end_line": 3,
            "end_column": 47,
            "label": "known only now"
          }
        ]
      }
    ]
    "#);
}

#[test]
fn sarif_has_rules_regions_fixes_and_ignores() {
    let (diagnostics, sources) = leak();
    let ignored = [Ignored {
        diagnostic: diagnostics[0].clone(),
        reason: "agreed with the owner".to_owned(),
    }];
    let log = sarif_with_ignored(&diagnostics, &ignored, &sources);
    assert_snapshot!(serde_json::to_string_pretty(&log).unwrap(), @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "trainyard",
              "semanticVersion": "0.1.0",
              "rules": [
                {
                  "id": "M01/known-too-late",
                  "shortDescription": {
                    "text": "M01: known too late"
                  },
                  "help": {
                    "text": "`trainyard explain M01` says what this check finds, why it matters and how to fix it."
                  },
                  "properties": {
                    "tags": [
                      "M01"
                    ]
                  }
                }
              ]
            }
          },
          "columnKind": "unicodeCodePoints",
          "results": [
            {
              "ruleId": "M01/known-too-late",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "feature `dep_delay` is known at `departure`, after `schedule`\nnote: the order of moments is schedule, departure, arrival\nhelp: remove `dep_delay` from `keep`"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pipelines/flight_delay.yaml"
                    },
                    "region": {
                      "startLine": 9,
                      "startColumn": 23,
                      "endLine": 9,
                      "endColumn": 32
                    }
                  }
                }
              ],
              "relatedLocations": [
                {
                  "id": 0,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pipelines/flight_delay.yaml"
                    },
                    "region": {
                      "startLine": 8,
                      "startColumn": 19,
                      "endLine": 8,
                      "endColumn": 27
                    }
                  },
                  "message": {
                    "text": "predictions are made here"
                  }
                },
                {
                  "id": 1,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "contracts/flights.yaml"
                    },
                    "region": {
                      "startLine": 3,
                      "startColumn": 38,
                      "endLine": 3,
                      "endColumn": 47
                    }
                  },
                  "message": {
                    "text": "known only now"
                  }
                }
              ],
              "fixes": [
                {
                  "description": {
                    "text": "remove `dep_delay` from `keep`"
                  },
                  "artifactChanges": [
                    {
                      "artifactLocation": {
                        "uri": "pipelines/flight_delay.yaml"
                      },
                      "replacements": [
                        {
                          "deletedRegion": {
                            "startLine": 9,
                            "startColumn": 21,
                            "endLine": 9,
                            "endColumn": 32
                          },
                          "insertedContent": {
                            "text": ""
                          }
                        }
                      ]
                    }
                  ]
                }
              ]
            },
            {
              "ruleId": "M01/known-too-late",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "feature `dep_delay` is known at `departure`, after `schedule`\nnote: the order of moments is schedule, departure, arrival\nhelp: remove `dep_delay` from `keep`"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pipelines/flight_delay.yaml"
                    },
                    "region": {
                      "startLine": 9,
                      "startColumn": 23,
                      "endLine": 9,
                      "endColumn": 32
                    }
                  }
                }
              ],
              "relatedLocations": [
                {
                  "id": 0,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pipelines/flight_delay.yaml"
                    },
                    "region": {
                      "startLine": 8,
                      "startColumn": 19,
                      "endLine": 8,
                      "endColumn": 27
                    }
                  },
                  "message": {
                    "text": "predictions are made here"
                  }
                },
                {
                  "id": 1,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "contracts/flights.yaml"
                    },
                    "region": {
                      "startLine": 3,
                      "startColumn": 38,
                      "endLine": 3,
                      "endColumn": 47
                    }
                  },
                  "message": {
                    "text": "known only now"
                  }
                }
              ],
              "fixes": [
                {
                  "description": {
                    "text": "remove `dep_delay` from `keep`"
                  },
                  "artifactChanges": [
                    {
                      "artifactLocation": {
                        "uri": "pipelines/flight_delay.yaml"
                      },
                      "replacements": [
                        {
                          "deletedRegion": {
                            "startLine": 9,
                            "startColumn": 21,
                            "endLine": 9,
                            "endColumn": 32
                          },
                          "insertedContent": {
                            "text": ""
                          }
                        }
                      ]
                    }
                  ]
                }
              ],
              "suppressions": [
                {
                  "kind": "inSource",
                  "justification": "agreed with the owner"
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_github_annotation_cannot_be_broken_out_of() {
    let mut sources = Sources::default();
    let file = sources.add("a,b:c%.yaml", "key: 1\n");
    let mut diagnostic = error(
        "S01/x",
        "100 %\r\n::error::forged",
        label(
            Span {
                file,
                start: 0,
                end: 3,
            },
            "",
        ),
    );
    diagnostic.help = Some("do".to_owned());
    assert_snapshot!(github(&[diagnostic.clone()], &sources), @"::error file=a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=1,endColumn=4,title=S01/x::100 %25%0D%0A::error::forged%0Ahelp: do");
    diagnostic.primary.span.end = 7;
    diagnostic.severity = Severity::Note;
    assert_snapshot!(github(&[diagnostic], &sources), @"::notice file=a%2Cb%3Ac%25.yaml,line=1,endLine=2,title=S01/x::100 %25%0D%0A::error::forged%0Ahelp: do");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_source_and_no_span_breaks_a_renderer(
        text in "(?s)[a\t\r\n日é\u{feff}\u{301}\x1b\\PC]{0,60}|.{0,300}",
        spans in prop::collection::vec((0usize..320, 0usize..320, 0u32..3), 1..5),
        width in 0usize..90,
    ) {
        let mut sources = Sources::default();
        sources.add("a.yaml", text.as_str());
        sources.add("b.yaml", "b: 1\nc: 2\n");
        let labels: Vec<Label> = spans
            .iter()
            .map(|(start, end, file)| label(Span { file: FileId(*file), start: *start, end: *end }, "x"))
            .collect();
        let mut diagnostic = error("S01/x", &text, labels[0].clone());
        diagnostic.secondary = labels[1..].to_vec();
        diagnostic.notes = vec![text.clone()];
        diagnostic.fix = Some(Fix { span: labels[0].span, replacement: text.clone() });
        let all = [diagnostic];
        let printed = human(&all, &sources, Style { color: false, width });
        prop_assert!(!printed.contains(['\x1b', '\r', '\t', '\0']));
        prop_assert_eq!(github(&all, &sources).lines().count(), 1);
        prop_assert_eq!(json(&all, &sources).len(), 1);
        prop_assert!(sarif(&all, &sources)["runs"][0]["results"][0]["ruleIndex"] == 0);
    }
}

//! The pages of `trainyard explain CODE`, made from the table of rules.

use crate::expression::function::Function;
use crate::pipeline::rules::{Rule, named};
use std::fmt::Write;
use trainyard_contract::Severity;

/// The page of a code (`M01/known-too-late`), of a family with all its rules (`M01`), or of the
/// expression language (`expressions`); letter case does not matter. `None` if there is none.
pub fn page(code: &str) -> Option<String> {
    if code.eq_ignore_ascii_case("expressions") {
        return Some(expressions());
    }
    let pages: Vec<String> = named(code).into_iter().map(rule).collect();
    if pages.is_empty() {
        None
    } else {
        Some(pages.join("\n"))
    }
}

/// All rules as one page in Markdown: `docs/checks.md`.
pub fn reference() -> String {
    const FAMILIES: [(&str, &str); 4] = [
        (
            "S",
            "The spec: form, names, expressions, the graph, and what happens when it runs",
        ),
        ("D", "Data: columns, types and contracts"),
        (
            "M",
            "Models: what they learn from, how they are judged, how they go out",
        ),
        ("C", "Cost: time and money"),
    ];
    let mut page = String::from(
        "# Checks\n\nWhat `trainyard check` finds before anything runs. This page is made from the table of rules by\n\
         `trainyard explain --format markdown`, and a test holds it to that.\n\n\
         Levels, by `check:` of the pipeline, the project or an environment, or by `--level`:\n\n\
         | level | stops |\n| --- | --- |\n\
         | `off` | only what makes a run impossible |\n\
         | `baseline` | errors of the spec, missing columns, leaks into a model; the rest warns (default) |\n\
         | `strict` | every warning as well; production (`prod`) is always checked so |\n\n\
         One finding is accepted by a comment on its line or on the line above, with the reason:\n\
         `# check: ignore=M05 the order of time does not matter here`. Errors of the spec cannot be accepted. Findings come\n\
         as text, `--format json`, `sarif` and `github`; those with a certain remedy carry it as an edit (`fix`).\n",
    );
    for (letter, title) in FAMILIES {
        let mut rules: Vec<&Rule> = crate::pipeline::rules()
            .filter(|rule| rule.code.starts_with(letter))
            .collect();
        if rules.is_empty() {
            continue;
        }
        rules.sort_by_key(|rule| rule.code);
        let _ = writeln!(page, "\n## {title}");
        for rule in rules {
            let severity = match rule.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let _ = write!(
                page,
                "\n### `{}`\n\n**{}** ({severity}). {}\n\n```yaml\n# wrong\n{}\n# right\n{}\n```\n",
                rule.code,
                capitalised(rule.title),
                rule.why,
                rule.bad,
                rule.good
            );
        }
    }
    page
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn rule(rule: &Rule) -> String {
    let stops = match rule.severity {
        Severity::Error => "an error: it stops plan and run",
        Severity::Warning => "a warning: it stops at level `strict` only",
        Severity::Note => "a note: it never stops anything",
    };
    format!(
        "{code}: {title}\n\n{why}\n\nWrong:\n{bad}\n\nRight:\n{good}\n\n\
         It is {stops}. To accept one finding, say why in a comment on its line or on the line above:\n\
         \x20   # check: ignore={code} the reason\n",
        code = rule.code,
        title = rule.title,
        why = wrapped(rule.why),
        bad = indented(rule.bad),
        good = indented(rule.good),
    )
}

fn expressions() -> String {
    let mut page = String::from(
        "Expressions stand in values, as in \"${{ params.seed + 1 }}\". A value that is one expression keeps\n\
         its type; within a text, values are put in as text.\n\n\
         Names:      params.NAME  vars.NAME  environment.name  trigger.NAME  event.NAME  matrix.KEY  run.NAME\n\
         \x20           steps.NAME.status, .outputs.OUTPUT, .metrics.METRIC, .matrix.KEY; a step with a matrix is\n\
         \x20           the list of its cells; names with `-` stand in brackets: steps['my-step']\n\
         Literals:   1  2.5  'text'  \"text\"  true  false  null  [1, 2]  {'a': 1}\n\
         Operators:  ! - * / % + < <= > >= == != in && || and a ? b : c\n\n\
         Functions:\n",
    );
    for function in Function::ALL {
        let _ = writeln!(page, "    {}\n        {}", function.usage(), function.doc());
    }
    page
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_page_and_a_family_those_of_all_its_rules() {
        let one = page("m01/known-too-late").unwrap();
        assert!(
            one.starts_with("M01/known-too-late: ") && one.contains("# check: ignore=M01/known-too-late"),
            "{one}"
        );
        let family = page("s04").unwrap();
        assert!(
            family.contains("S04/cycle: ") && family.contains("S04/trigger-cycle: "),
            "{family}"
        );
        assert_eq!(page("S99"), None);
        assert_eq!(page("../etc"), None);
    }

    #[test]
    fn the_page_of_expressions_lists_every_function() {
        let page = page("expressions").unwrap();
        assert!(
            Function::ALL
                .iter()
                .all(|function| page.contains(function.usage()))
        );
        assert!(page.lines().all(|line| line.chars().count() <= 140), "{page}");
    }
}

//! `trainyard explain`.

use crate::args::{ExplainArgs, Format};
use crate::output::{Exit, Fault, Terminal};
use trainyard_contract::finding::nearest;
use trainyard_domain::diagnostic::explain;
use trainyard_domain::pipeline::rules;

pub(crate) fn explain(args: &ExplainArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let Some(code) = &args.code else {
        if terminal.format() == Format::Markdown {
            terminal.out(explain::reference().trim_end());
            return Ok(Exit::Done);
        }
        let rows: Vec<Vec<String>> = rules()
            .map(|rule| vec![rule.code.to_owned(), rule.title.to_owned()])
            .collect();
        if terminal.is_json() {
            let list = rules().map(|rule| serde_json::json!({ "code": rule.code, "title": rule.title }));
            terminal.out_json(&list.collect());
        } else {
            terminal.table(&["CODE", "FINDS"], &[], &rows);
        }
        return Ok(Exit::Done);
    };
    match explain::page(code) {
        Some(page) if terminal.is_json() => {
            terminal.out_json(&serde_json::json!({ "code": code, "page": page }))
        }
        Some(page) => terminal.out(page.trim_end()),
        None => {
            let fault = Fault::new(format!("there is no diagnostic `{code}`"));
            return Err(match nearest(code, rules().map(|rule| rule.code)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("`trainyard explain` lists all"),
            });
        }
    }
    Ok(Exit::Done)
}

//! Self-contained HTML pages: no scripts, nothing from elsewhere, light or dark as the reader prefers.

use std::fmt::Write;

/// A page being written, top to bottom.
pub(crate) struct Page {
    title: String,
    body: String,
}

/// Text as HTML shows it: names and values come from data and may hold anything.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() && control != '\n' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            body: format!("<h1>{}</h1>\n", escape(title)),
        }
    }

    /// A paragraph of plain text.
    pub(crate) fn text(&mut self, text: &str) {
        self.html(&format!("<p>{}</p>\n", escape(text)));
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.html(&format!("<h2>{}</h2>\n", escape(text)));
    }

    /// Markup that is already escaped.
    pub(crate) fn html(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// A table of plain texts; cells that are numbers stand to the right. `classes` names a style for
    /// each row, or nothing.
    pub(crate) fn table(
        &mut self,
        head: &[&str],
        rows: &[Vec<String>],
        class: impl Fn(usize) -> &'static str,
    ) {
        let mut markup = String::from("<div class=\"wide\"><table><thead><tr>");
        for cell in head {
            let _ = write!(markup, "<th>{}</th>", escape(cell));
        }
        markup.push_str("</tr></thead><tbody>\n");
        for (at, row) in rows.iter().enumerate() {
            let _ = write!(markup, "<tr class=\"{}\">", class(at));
            for cell in row {
                let number = cell
                    .chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_digit() || c == '-');
                let number = number && cell.chars().all(|c| c.is_ascii_digit() || "-+.,e %".contains(c));
                let align = if number { " class=\"number\"" } else { "" };
                let _ = write!(markup, "<td{align}>{}</td>", escape(cell));
            }
            markup.push_str("</tr>\n");
        }
        markup.push_str("</tbody></table></div>\n");
        self.html(&markup);
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>{}</title><style>{STYLE}</style></head><body><main>\n{}</main></body></html>\n",
            escape(&self.title),
            self.body
        )
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2026;--soft:#5c6672;--line:#d9dee4;--paper:#fff;--bar:#3b6ea5;--bad:#b3261e;--warn:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#39414b;--paper:#15191e;--bar:#7fb0e6;--bad:#ff8a80;--warn:#ffc768}}\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\
main{max-width:72rem;margin:0 auto;padding:1.5rem}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin:0}\
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}\
th{color:var(--soft);font-weight:600}td.number{text-align:right;font-variant-numeric:tabular-nums}\
tr.bad td{color:var(--bad)}tr.warn td{color:var(--warn)}\
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}\
.card{border:1px solid var(--line);border-radius:.4rem;padding:.8rem}.card p{margin:.2rem 0;color:var(--soft);font-size:.87rem}\
.card p.warn{color:var(--warn)}svg{width:100%;height:auto}svg rect{fill:var(--bar)}svg text{fill:var(--soft);font-size:9px}\
svg text.on{fill:var(--ink)}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_data_cannot_become_markup() {
        let mut page = Page::new("<script>alert(1)</script>");
        page.text("a & b");
        page.table(
            &["x"],
            &[vec!["\"><img src=x onerror=alert(1)>".to_owned()]],
            |_| "",
        );
        let html = page.finish();
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("a &amp; b"));
    }
}

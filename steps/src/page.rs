//! Self-contained HTML pages, all of one look: no scripts, nothing from elsewhere, light or dark as
//! the reader prefers, readable on a telephone.

use std::fmt::Write;

/// The one style of all pages.
const STYLE: &str = include_str!("page.css");

/// A page being written, top to bottom.
pub(crate) struct Page {
    title: String,
    /// What stands under the title.
    lead: String,
    /// Places to jump to: anchor and words.
    sections: Vec<(String, String)>,
    body: String,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Text(String),
    /// Stands to the right.
    Number(String),
    /// Markup that is already escaped.
    Markup(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// How a remark or a mark looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Pass,
    Warn,
    Fail,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
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

/// A sentence as markup: what stands in backticks is a name.
pub(crate) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let mut markup = String::with_capacity(text.len() + 16);
    for (at, part) in parts.into_iter().enumerate() {
        if at % 2 == 0 {
            markup.push_str(&escape(part));
        } else {
            let _ = write!(markup, "<code>{}</code>", escape(part));
        }
    }
    markup
}

/// A word or two with a border of its colour, as markup.
pub(crate) fn mark(text: &str, tone: Tone) -> String {
    format!("<span class=\"mark {}\">{}</span>", tone.class(), escape(text))
}

/// A figure with what it is, as markup.
pub(crate) fn tile(figure: &str, what: &str) -> String {
    format!(
        "<div class=\"tile\"><b>{}</b><span>{}</span></div>",
        escape(figure),
        escape(what)
    )
}

/// A picture and the sentence under it, which says n and method, as markup.
pub(crate) fn figure(picture: &str, caption: &str) -> String {
    figure_of(picture, &escape(caption))
}

/// The same with a caption of markup.
pub(crate) fn figure_of(picture: &str, caption: &str) -> String {
    format!("<figure>{picture}<figcaption>{caption}</figcaption></figure>")
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            lead: String::new(),
            sections: Vec::new(),
            body: String::new(),
        }
    }

    /// Markup that stands before everything else.
    pub(crate) fn lead(&mut self, markup: &str) {
        self.lead.push_str(markup);
    }

    /// A paragraph of plain text.
    pub(crate) fn text(&mut self, text: &str) {
        self.html(&format!("<p>{}</p>\n", escape(text)));
    }

    /// A paragraph in small print.
    pub(crate) fn note(&mut self, text: &str) {
        self.html(&format!("<p class=\"note\">{}</p>\n", escape(text)));
    }

    /// A section, which the page's head leads to.
    pub(crate) fn heading(&mut self, text: &str) {
        let anchor = format!("s{}", self.sections.len() + 1);
        self.html(&format!("<h2 id=\"{anchor}\">{}</h2>\n", escape(text)));
        self.sections.push((anchor, text.to_owned()));
    }

    /// Markup that is already escaped.
    pub(crate) fn html(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// Sentences one under the other, as markup, each with its tone.
    pub(crate) fn points(&mut self, points: impl IntoIterator<Item = (Tone, String)>) {
        let mut markup = String::from("<ul class=\"points\">\n");
        for (tone, sentence) in points {
            let _ = writeln!(
                markup,
                "<li class=\"{}\"><div>{sentence}</div></li>",
                tone.class()
            );
        }
        markup.push_str("</ul>\n");
        self.html(&markup);
    }

    /// A table; a column of numbers has its head to the right too.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<Cell>]) {
        let markup = table(head, rows);
        self.html(&markup);
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        let title = escape(&self.title);
        let mut places = String::new();
        if self.sections.len() > 2 {
            places.push_str("<nav>");
            for (anchor, words) in &self.sections {
                let _ = write!(places, "<a href=\"#{anchor}\">{}</a>", escape(words));
            }
            places.push_str("</nav>");
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>{title}</title><style>{STYLE}</style></head><body><main>\n<h1>{title}</h1>\n{}{places}\n{}</main></body></html>\n",
            self.lead, self.body
        )
    }
}

/// A table as markup.
pub(crate) fn table(head: &[&str], rows: &[Vec<Cell>]) -> String {
    let is_number = |at: usize| {
        rows.first()
            .and_then(|row| row.get(at))
            .is_some_and(|cell| matches!(cell, Cell::Number(_)))
    };
    let mut markup = String::from("<div class=\"wide\"><table><thead><tr>");
    for (at, words) in head.iter().enumerate() {
        let class = if is_number(at) { " class=\"n\"" } else { "" };
        let _ = write!(markup, "<th{class}>{}</th>", escape(words));
    }
    markup.push_str("</tr></thead><tbody>\n");
    for row in rows {
        markup.push_str("<tr>");
        for cell in row {
            let _ = match cell {
                Cell::Text(text) => write!(markup, "<td>{}</td>", escape(text)),
                Cell::Number(text) => write!(markup, "<td class=\"n\">{}</td>", escape(text)),
                Cell::Markup(inner) => write!(markup, "<td>{inner}</td>"),
            };
        }
        markup.push_str("</tr>\n");
    }
    markup.push_str("</tbody></table></div>\n");
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_data_cannot_become_markup() {
        let evil = "\"><img src=x onerror=alert(1)>";
        let mut page = Page::new("<script>alert(1)</script>");
        page.lead(&mark(evil, Tone::Fail));
        page.lead(&tile(evil, evil));
        page.text("a & b");
        page.note(evil);
        page.heading(evil);
        page.points([(Tone::Warn, prose(&format!("`{evil}` {evil}")))]);
        page.table(&["<x>"], &[vec![evil.into(), Cell::Number(evil.to_owned())]]);
        let html = page.finish();
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("<x>"),
            "{html}"
        );
        assert!(html.contains("a &amp; b"));
    }

    #[test]
    fn names_in_a_sentence_look_like_names() {
        assert_eq!(prose("as `a<b` has"), "as <code>a&lt;b</code> has");
        assert_eq!(prose("a lone ` stays"), "a lone ` stays");
    }

    #[test]
    fn a_long_page_leads_to_its_sections() {
        let mut page = Page::new("t");
        for name in ["one", "two", "three"] {
            page.heading(name);
        }
        let html = page.finish();
        assert!(html.contains("<a href=\"#s2\">two</a>") && html.contains("<h2 id=\"s2\">two</h2>"));
    }
}

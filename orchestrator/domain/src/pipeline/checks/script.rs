//! A shell script as its simple commands, as far as checks want to know it.
//!
//! Not a shell: nothing is expanded, and what it does not understand becomes plain words. It knows
//! quotes, comments, pipes, redirections, here-documents and what stands inside `$( … )`.

use std::ops::Range;

/// A command with its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The first is the program. Assignments in front of it are left out.
    pub(super) words: Vec<Word>,
    /// What `>` or `>>` of standard output leads to.
    pub(super) target: Option<Word>,
    /// Its output is the next command's input, or becomes part of a word.
    pub(super) is_taken: bool,
    /// Its input comes from elsewhere: a pipe, a file or a here-document.
    pub(super) has_input: bool,
}

/// A word as written, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Bytes of the script.
    pub(super) at: Range<usize>,
}

impl Word {
    /// Without quotes around it.
    pub(super) fn bare(&self) -> &str {
        let text = self.text.as_str();
        ['"', '\'']
            .iter()
            .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(text)
    }

    /// Variables that the shell would put in: name and bytes of the script, `$` included.
    pub(super) fn variables(&self) -> Vec<(&str, Range<usize>)> {
        let text = self.text.as_str();
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        let (mut at, mut single, mut double) = (0, false, false);
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if !single => at += 1,
                b'\'' if !double => single = !single,
                b'"' if !single => double = !double,
                b'$' if !single => {
                    let braced = bytes.get(at + 1) == Some(&b'{');
                    // `${#NAME}` is a length.
                    let start = at + 1 + usize::from(braced);
                    let length = bytes[start.min(bytes.len())..]
                        .iter()
                        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                        .count();
                    if length > 0 {
                        // `${NAME:+set}` says only whether it is there.
                        let is_asked = braced
                            && (text[start + length..].starts_with(":+")
                                || text[start + length..].starts_with('+'));
                        let end =
                            start + length + usize::from(braced && bytes.get(start + length) == Some(&b'}'));
                        if !is_asked {
                            found.push((
                                &text[start..start + length],
                                self.at.start + at..self.at.start + end,
                            ));
                        }
                        at = start + length - 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        found
    }
}

/// Words that stand in front of a command without being one.
const KEYWORDS: [&str; 14] = [
    "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "exec",
];

/// All simple commands, in order; those inside `$( … )` after the command that they are part of.
pub(super) fn commands(script: &str) -> Vec<Command> {
    let mut reader = Reader {
        text: script,
        at: 0,
        inner: Vec::new(),
        waiting: Vec::new(),
    };
    let mut commands = reader.list();
    for inside in std::mem::take(&mut reader.inner) {
        let Some(text) = script.get(inside.clone()) else {
            continue;
        };
        let depth = text.len();
        if depth == script.len() {
            continue;
        }
        for mut command in self::commands(text) {
            for word in command.words.iter_mut().chain(command.target.as_mut()) {
                word.at = word.at.start + inside.start..word.at.end + inside.start;
            }
            command.is_taken = true;
            commands.push(command);
        }
    }
    commands
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// What stands inside `$( … )` and backquotes.
    inner: Vec<Range<usize>>,
    /// Words that end the here-documents of this line.
    waiting: Vec<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn list(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut current = Command::default();
        let mut ended = |current: &mut Command, is_piped: bool| {
            let mut done = std::mem::take(current);
            done.is_taken = is_piped;
            current.has_input = is_piped;
            let is_word = |word: &Word| !KEYWORDS.contains(&word.text.as_str()) && !is_assignment(&word.text);
            let first = done.words.iter().position(is_word).unwrap_or(done.words.len());
            done.words.drain(..first);
            if !done.words.is_empty() {
                commands.push(done);
            }
        };
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.text[self.at..].starts_with("\\\n") => self.at += 2,
                b'#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                b'\n' => {
                    self.at += 1;
                    ended(&mut current, false);
                    self.skip_documents();
                }
                b';' | b'(' | b')' => {
                    self.at += 1;
                    ended(&mut current, false);
                }
                b'&' if self.text[self.at..].starts_with("&>") => {
                    self.at += 2;
                    current.target = self.target();
                }
                b'&' => {
                    self.at += 1;
                    ended(&mut current, false);
                }
                b'|' => {
                    let is_or = self.text[self.at..].starts_with("||");
                    self.at += 1 + usize::from(is_or);
                    ended(&mut current, !is_or);
                }
                b'<' => {
                    let rest = &self.text[self.at..];
                    current.has_input = true;
                    if rest.starts_with("<<<") {
                        self.at += 3;
                        // A here-string is input like any other; its word counts as one.
                        if let Some(word) = self.target() {
                            current.words.push(word);
                        }
                    } else if rest.starts_with("<<") {
                        self.at += 2 + usize::from(rest.starts_with("<<-"));
                        if let Some(word) = self.target() {
                            self.waiting.push(word.bare().to_owned());
                        }
                    } else {
                        self.at += 1;
                        self.target();
                    }
                }
                b'>' => {
                    self.at += 1;
                    while matches!(self.peek(), Some(b'>' | b'|')) {
                        self.at += 1;
                    }
                    if self.peek() == Some(b'&') {
                        self.at += 1;
                        self.word();
                    } else {
                        current.target = self.target();
                    }
                }
                b'0'..=b'9' if self.is_descriptor() => {
                    let number = byte;
                    self.at += 2;
                    while matches!(self.peek(), Some(b'>' | b'&')) {
                        self.at += 1;
                    }
                    let target = self.target();
                    if number == b'1' {
                        current.target = target;
                    }
                }
                _ => match self.word() {
                    Some(word) => current.words.push(word),
                    None => self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8),
                },
            }
        }
        ended(&mut current, false);
        commands
    }

    /// `2>` and the like, at the start of a word.
    fn is_descriptor(&self) -> bool {
        self.text.as_bytes().get(self.at + 1) == Some(&b'>')
    }

    fn target(&mut self) -> Option<Word> {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.word()
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.waiting) {
            while self.at < self.text.len() {
                let rest = &self.text[self.at..];
                let line = rest.split('\n').next().unwrap_or("");
                self.at += (line.len() + 1).min(rest.len());
                if line.trim() == end {
                    break;
                }
            }
        }
    }

    fn word(&mut self) -> Option<Word> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'\\' => {
                    self.at += 1;
                    self.at += self.text[self.at.min(self.text.len())..]
                        .chars()
                        .next()
                        .map_or(0, char::len_utf8);
                }
                b'\'' => self.until_quote(),
                b'"' => self.double(),
                b'$' if self.text[self.at..].starts_with("$(") => self.substitution(),
                b'$' if self.text[self.at..].starts_with("${") => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('}').map_or(rest.len(), |end| end + 1);
                }
                b'`' => self.backquotes(),
                _ => self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        (self.at > start).then(|| Word {
            text: self.text[start..self.at].to_owned(),
            at: start..self.at,
        })
    }

    fn until_quote(&mut self) {
        let rest = &self.text[self.at + 1..];
        self.at += rest.find('\'').map_or(rest.len() + 1, |end| end + 2);
    }

    fn double(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    self.at += 1;
                    self.at += self.text[self.at.min(self.text.len())..]
                        .chars()
                        .next()
                        .map_or(0, char::len_utf8);
                }
                b'$' if self.text[self.at..].starts_with("$(") => self.substitution(),
                b'`' => self.backquotes(),
                _ => self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8),
            }
        }
    }

    /// `$( … )` as part of a word: what is inside is read by itself later.
    fn substitution(&mut self) {
        let start = self.at + 2;
        let mut depth = 0usize;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        // Arithmetic holds no commands.
                        if self.text.as_bytes().get(start) != Some(&b'(') {
                            self.inner.push(start..self.at);
                        }
                        self.at += 1;
                        return;
                    }
                }
                b'\'' => {
                    self.until_quote();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn backquotes(&mut self) {
        let start = self.at + 1;
        let end = self.text[start..]
            .find('`')
            .map_or(self.text.len(), |end| start + end);
        self.inner.push(start..end);
        self.at = (end + 1).min(self.text.len());
    }
}

/// `NAME=value` in front of a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str) -> Vec<String> {
        commands(script)
            .iter()
            .map(|command| {
                let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
                let target = command
                    .target
                    .as_ref()
                    .map_or(String::new(), |to| format!(" > {}", to.text));
                let taken = if command.is_taken { " |" } else { "" };
                format!("{}{target}{taken}", words.join(" "))
            })
            .collect()
    }

    #[test]
    fn commands_are_told_apart_with_where_their_output_goes() {
        assert_eq!(
            told("set -eu # x\nA=1 B=$C curl -d \"a b\" url >> \"$OUT_x\" 2>&1 && echo 'a; b' | tee y\n"),
            [
                "set -eu",
                "curl -d \"a b\" url > \"$OUT_x\"",
                "echo 'a; b' |",
                "tee y"
            ]
        );
        assert_eq!(
            told("if test -f x; then\n  x=$(curl -X POST u | jq .)\nfi"),
            ["test -f x", "curl -X POST u |", "jq . |"]
        );
        assert_eq!(
            told("cat <<EOF > y\necho $TOKEN\nEOF\necho done"),
            ["cat > y", "echo done"]
        );
        assert_eq!(
            told("echo $((1 + 2)) `date`"),
            ["echo $((1 + 2)) `date`", "date |"]
        );
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in [
            "$(", "\"", "'", "`", "\\", "a > ", "<<", "$((", "é$(é", "$", "${", "2>", "\"\\", "(((",
        ] {
            commands(text);
        }
    }

    #[test]
    fn only_what_the_shell_puts_in_is_a_variable() {
        let words = commands("echo \"$A ${B} ${C:-x}\" '$D' \\$E ${F:+set} $1 ${#G}");
        let found: Vec<&str> = words[0]
            .words
            .iter()
            .flat_map(|word| word.variables())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, ["A", "B", "C", "1"]);
        let (_, at) = words[0].words[1].variables()[1].clone();
        assert_eq!(at, 9..13);
    }
}

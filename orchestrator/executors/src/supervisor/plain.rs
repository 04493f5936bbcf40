//! Scripts that are one plain command need no shell: the program is started itself, as GNU make does
//! (`construct_command_argv_internal`), which saves the start of a process where most steps are
//! `python train.py` and the like.

use std::ffi::OsString;
use trainyard_contract::task::ProcessSpec;

/// Words that the shell does itself, or that begin more than a command. `true`, `false`, `echo`,
/// `printf`, `test` and `pwd` are programs as well and mean the same there only by and large, so they
/// stay with the shell unless they take no words, as `true` and `false` do.
const SHELLS_OWN: &[&str] = &[
    ".", ":", "alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "declare", "dirs",
    "do", "done", "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "fc", "fg", "fi", "for",
    "function", "getopts", "hash", "history", "if", "in", "jobs", "kill", "let", "local", "login", "logout",
    "newgrp", "printf", "pwd", "read", "readonly", "return", "select", "set", "shift", "source", "suspend",
    "test", "then", "time", "times", "trap", "type", "typeset", "ulimit", "umask", "unalias", "unset",
    "until", "wait", "while",
];

/// The words of a script of the default shell that is one command without anything for a shell to do.
pub(super) fn plain_command(process: &ProcessSpec) -> Option<Vec<OsString>> {
    let [shell, flags, script, _name] = process.argv.as_slice() else {
        return None;
    };
    if shell != "/bin/sh" || flags != "-euc" {
        return None;
    }
    let words: Vec<&str> = script
        .trim()
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let first = words.first()?;
    let is_plain = words.iter().all(|word| word.chars().all(is_plain_char));
    let is_program = !SHELLS_OWN.contains(first) && !first.contains('=');
    (is_plain && is_program).then(|| words.into_iter().map(OsString::from).collect())
}

/// Whether a character stands for itself in a shell, wherever it is in a word.
fn is_plain_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_./,:@%+=-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Option<Vec<OsString>> {
        plain_command(&ProcessSpec {
            argv: ["/bin/sh", "-euc", script, "sh"].map(str::to_owned).to_vec(),
            ..ProcessSpec::default()
        })
    }

    #[test]
    fn a_command_of_plain_words_is_taken_apart() {
        let expected = ["python3", "train.py", "--rounds=200", "-o", "a/b:c"].map(OsString::from);
        assert_eq!(
            words("  python3 train.py\t--rounds=200 -o  a/b:c\n").unwrap(),
            expected
        );
        assert_eq!(words("true").unwrap(), ["true"].map(OsString::from));
    }

    #[test]
    fn whatever_a_shell_would_see_in_it_goes_to_the_shell() {
        for script in [
            "",
            "a b; c",
            "a\nb",
            "a $X",
            "a *",
            "a 'b'",
            "a \"b\"",
            "a > b",
            "a | b",
            "a &",
            "~/a",
            "a `b`",
            "a #b",
            "X=1 a",
            "cd x",
            "exit 3",
            "echo -n a",
            "a {b,c}",
            "a [b]",
            "a !b",
            "a \\b",
            "a ?",
            "(a)",
            "a\u{e9}",
        ] {
            assert_eq!(words(script), None, "{script:?}");
        }
    }

    #[test]
    fn another_shell_is_kept() {
        let process = ProcessSpec {
            argv: ["bash", "-euo", "pipefail", "-c", "true", "bash"]
                .map(str::to_owned)
                .to_vec(),
            ..ProcessSpec::default()
        };
        assert_eq!(plain_command(&process), None);
    }
}

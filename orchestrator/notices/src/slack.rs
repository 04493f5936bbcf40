//! Messages to Slack and what understands the same: an incoming webhook, or a bot's token.

use crate::http::Http;
use serde_json::{Value, json};
use trainyard_contract::Timestamp;
use trainyard_domain::notice::{Answer, Happening};

const SLACK: &str = "https://slack.com/api/chat.postMessage";

/// A channel as it is written to.
pub(crate) struct Slack<'a> {
    pub(crate) channel: Option<&'a str>,
    /// URL of a webhook, or a token.
    pub(crate) secret: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) allow_private: bool,
}

impl Slack<'_> {
    pub(crate) fn send(
        &self,
        http: &Http,
        happening: &Happening,
        now: Timestamp,
        masked: &dyn Fn(Vec<u8>) -> Vec<u8>,
    ) -> Answer {
        let refused = |why: &str| Answer::Refused { why: why.to_owned() };
        let mut headers = vec![(
            "content-type".to_owned(),
            "application/json; charset=utf-8".to_owned(),
        )];
        let hook = self
            .secret
            .filter(|secret| secret.starts_with("http://") || secret.starts_with("https://"));
        let token = self.secret.filter(|_| hook.is_none());
        let url = match (hook, token, self.url) {
            (Some(hook), _, _) => hook,
            (None, Some(_), url) => url.unwrap_or(SLACK),
            (None, None, Some(url)) => url,
            (None, None, None) => return refused("it has neither a secret nor a URL"),
        };
        if let Some(token) = token {
            if self.channel.is_none() {
                return refused("its secret is a token, and it says no `channel`");
            }
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let body = masked(message(happening, self.channel).to_string().into_bytes());
        let answered = match http.post(url, self.allow_private, &headers, &body, now) {
            Ok(answered) => answered,
            Err(answer) => return answer,
        };
        match answered.verdict() {
            Answer::Taken if token.is_some() => said(&answered.body, answered.after),
            verdict => verdict,
        }
    }
}

/// A bot's message was taken only if the answer says so.
fn said(body: &[u8], after: Option<trainyard_contract::Millis>) -> Answer {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Answer::Taken;
    };
    if answer.get("ok") != Some(&Value::Bool(false)) {
        return Answer::Taken;
    }
    let code: String = answer
        .get("error")
        .and_then(Value::as_str)
        .unwrap_or("error")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(60)
        .collect();
    let why = format!("it said `{code}`");
    match code.as_str() {
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout" => Answer::Later { after, why },
        _ => Answer::Refused { why },
    }
}

fn message(happening: &Happening, channel: Option<&str>) -> Value {
    let mut lines = happening.lines().into_iter();
    let title = lines.next().map(|title| format!("*{}*", escaped(&title)));
    let text: Vec<String> = title
        .into_iter()
        .chain(lines.map(|line| escaped(&line)))
        .collect();
    let mut message = json!({ "text": text.join("\n"), "unfurl_links": false });
    if let (Some(channel), Some(object)) = (channel, message.as_object_mut()) {
        object.insert("channel".to_owned(), json!(channel));
    }
    message
}

/// Three characters would begin links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_domain::notice::test;

    #[test]
    fn a_text_cannot_mention_or_link() {
        let mut happening = test("oncall", "ada", Timestamp(0));
        happening.title = "<!channel> & <https://evil.example|here>".to_owned();
        let message = message(&happening, Some("#ml"));
        assert_eq!(message["channel"], "#ml");
        let text = message["text"].as_str().unwrap();
        assert!(
            text.starts_with("*&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;*\n"),
            "{text}"
        );
    }

    #[test]
    fn a_bots_message_is_taken_when_the_answer_says_so() {
        assert_eq!(said(br#"{"ok": true}"#, None), Answer::Taken);
        let refused = |code: &str| {
            matches!(
                said(format!(r#"{{"ok": false, "error": "{code}"}}"#).as_bytes(), None),
                Answer::Refused { .. }
            )
        };
        assert!(refused("channel_not_found") && refused("invalid_auth"));
        assert!(!refused("ratelimited"));
    }
}

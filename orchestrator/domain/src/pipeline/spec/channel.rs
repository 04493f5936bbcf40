//! Channels that carry notices, and what a project says of who hears of what.

use super::NAME_PATTERN;
use super::scalar::StartRate;
use crate::notice::Subscription;
use crate::pool::Rate;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainyard_contract::Millis;

/// A way to tell someone. Whatever is secret of it is named, and never stands here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// A message to a channel of Slack, or of a service that understands the same.
    Slack {
        /// The channel, for a secret that is a token. A webhook has its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// Name of the secret with the URL of an incoming webhook, or with a bot's token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
        /// Where messages with a token go. Default: Slack.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// So many messages in a time; the rest is told in one. Default: `20/1m`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<StartRate>,
        /// Whether its server may be one of this machine or a private network. Default: false.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_private: bool,
    },
    /// A mail.
    Email {
        #[schemars(length(min = 1))]
        to: Vec<String>,
        /// The server that takes it. Default: `notifications.smtp` of trainyard.yaml.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        smtp: Option<Smtp>,
        /// So many mails in a time; the rest is told in one. Default: `20/10m`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<StartRate>,
    },
    /// A CloudEvent as a signed HTTP request.
    Webhook {
        url: String,
        /// Name of the secret that signs (Standard Webhooks). Without it nothing is signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
        /// How the event lies in the request: `structured` (default) or `binary`.
        #[serde(default, skip_serializing_if = "EventMode::is_default")]
        mode: EventMode,
        /// Whether the receiver may be one of this machine or a private network. Default: false.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_private: bool,
    },
    /// A line of JSON in a file of the project.
    File {
        /// From the project folder.
        path: String,
    },
}

/// How a CloudEvent lies in an HTTP request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventMode {
    /// All of it in the body, `application/cloudevents+json`.
    #[default]
    Structured,
    /// Its attributes in headers `ce-…`, its data in the body.
    Binary,
}

impl EventMode {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A server that takes mails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    pub host: String,
    /// Default: 587, or 465 with `security: tls`, or 25 with `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `starttls` (default), `tls` from the first byte, or `none`.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// Whom mails are from: `trainyard@example.com`, or `Trainyard <trainyard@example.com>`.
    pub from: String,
    /// Whom to sign in as. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Name of the secret with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether the server may be one of this machine or a private network. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
}

/// How the way to a server of mails is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    #[default]
    Starttls,
    Tls,
    None,
}

impl Smtp {
    /// The port that is meant.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::Tls => 465,
            SmtpSecurity::None => 25,
        })
    }
}

impl Channel {
    /// `slack`, `email`, `webhook` or `file`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Email { .. } => "email",
            Self::Webhook { .. } => "webhook",
            Self::File { .. } => "file",
        }
    }

    /// How many messages people get in which time; programs get all.
    pub fn limit(&self) -> Option<Rate> {
        let default = |starts, minutes: u64| Rate {
            starts,
            within: Millis(minutes * 60_000),
        };
        match self {
            Self::Slack { limit, .. } => Some(limit.map_or(default(20, 1), |limit| limit.0)),
            Self::Email { limit, .. } => Some(limit.map_or(default(20, 10), |limit| limit.0)),
            Self::Webhook { .. } | Self::File { .. } => None,
        }
    }

    /// The name of its secret, if it has one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Slack { secret, .. } | Self::Webhook { secret, .. } => secret.as_deref(),
            Self::Email { smtp, .. } => smtp.as_ref()?.secret.as_deref(),
            Self::File { .. } => None,
        }
    }

    /// Whether it says itself that it may speak to this machine or a private network.
    pub fn allows_private(&self) -> bool {
        match self {
            Self::Slack { allow_private, .. } | Self::Webhook { allow_private, .. } => *allow_private,
            Self::Email { smtp, .. } => smtp.as_ref().is_some_and(|smtp| smtp.allow_private),
            Self::File { .. } => false,
        }
    }

    /// The same; a mail without a server of its own goes to the project's.
    pub fn with_smtp(mut self, project: Option<&Smtp>) -> Self {
        if let Self::Email { smtp, .. } = &mut self
            && smtp.is_none()
        {
            *smtp = project.cloned();
        }
        self
    }
}

/// Who hears of what, and how mails are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// The server that takes mails.
    #[serde(default)]
    pub smtp: Option<Smtp>,
    /// Who hears of what, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub subscriptions: IndexMap<String, Subscription>,
}

/// Why a channel cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelFault {
    /// The keys that lead to what is wrong, from the channel down.
    pub keys: Vec<&'static str>,
    /// One sentence, lower case, no full stop.
    pub message: String,
    pub help: &'static str,
}

impl Channel {
    /// What of it can never work, as far as that can be seen without trying.
    pub fn fault(&self) -> Option<ChannelFault> {
        let fault = |keys: &[&'static str], message: String, help| {
            Some(ChannelFault {
                keys: keys.to_vec(),
                message,
                help,
            })
        };
        match self {
            Self::Webhook {
                url, allow_private, ..
            } => url_fault(url, *allow_private),
            Self::Slack {
                url,
                allow_private,
                secret,
                ..
            } => match (url, secret) {
                (Some(url), _) => url_fault(url, *allow_private),
                (None, None) => fault(
                    &[],
                    "nothing says where its messages go".to_owned(),
                    "name the secret with the URL of an incoming webhook, or with a bot's token: `secret: slack_url`",
                ),
                (None, Some(_)) => None,
            },
            Self::Email { to, smtp, .. } => {
                let help = "write `name@example.com`, or `Name <name@example.com>`";
                if let Some(wrong) = to.iter().find(|to| !is_mail_address(to)) {
                    return fault(&["to"], format!("`{wrong}` is no address of a mail"), help);
                }
                // Without a server there is nothing more to judge; that is said of each run.
                let smtp = smtp.as_ref()?;
                if !is_mail_address(&smtp.from) {
                    return fault(
                        &["smtp", "from"],
                        format!("`{}` is no address of a mail", smtp.from),
                        help,
                    );
                }
                let unprotected = smtp.security == SmtpSecurity::None && smtp.secret.is_some();
                if unprotected && !smtp.allow_private {
                    return fault(
                        &["smtp", "security"],
                        "a password would be sent over a way that is not protected".to_owned(),
                        "use `security: starttls` or `tls`",
                    );
                }
                None
            }
            Self::File { path } => {
                let is_plain = |part: &str| {
                    !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0'])
                };
                let is_log = [".ndjson", ".jsonl", ".log"]
                    .iter()
                    .any(|end| path.ends_with(end));
                let is_inside = path.split('/').all(is_plain) && !path.chars().any(char::is_control);
                if is_log && is_inside && path.len() <= 255 {
                    return None;
                }
                fault(
                    &["path"],
                    format!(
                        "`{}` cannot take notices",
                        path.chars().take(80).collect::<String>()
                    ),
                    "write a path from the project folder that ends in `.ndjson`, `.jsonl` or `.log`, without `..` and hidden folders",
                )
            }
        }
    }
}

fn is_mail_address(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or(""),
        None => text,
    };
    let is_plain = |part: &str| !part.is_empty() && !part.contains([' ', '<', '>', '@', ',', ';']);
    !text.chars().any(char::is_control)
        && address
            .rsplit_once('@')
            .is_some_and(|(local, host)| is_plain(local) && is_plain(host))
}

/// What is wrong with a URL that requests are sent to.
fn url_fault(url: &str, allow_private: bool) -> Option<ChannelFault> {
    let fault = |message: String, help| {
        Some(ChannelFault {
            keys: vec!["url"],
            message,
            help,
        })
    };
    let plain = "write `https://host/path`";
    let Some(rest) = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
    else {
        return fault("its URL is neither `https://…` nor `http://…`".to_owned(), plain);
    };
    if !url.is_ascii()
        || url
            .bytes()
            .any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\')
    {
        return fault(
            "its URL has characters that no URL has".to_owned(),
            "percent-encode them",
        );
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return fault(
            "its URL has a user or password in it".to_owned(),
            "leave them out; requests are signed with the secret that `secret:` names",
        );
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return fault("its URL has no host".to_owned(), plain);
    }
    if let (false, Ok(address)) = (allow_private, host.parse())
        && let Err(forbidden) = crate::notice::allowed(address)
    {
        return fault(
            format!("its URL leads to {}", forbidden.what),
            "use a public host, or say `allow_private: true` if this is meant",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Option<String> {
        let channel: Channel = serde_json::from_str(json).unwrap();
        channel.fault().map(|fault| fault.message)
    }

    fn webhook(url: &str) -> Option<String> {
        let channel = Channel::Webhook {
            url: url.to_owned(),
            secret: None,
            mode: EventMode::Structured,
            allow_private: false,
        };
        channel.fault().map(|fault| fault.message)
    }

    #[test]
    fn a_url_is_one_of_a_public_http_server() {
        for url in [
            "https://example.com/hook?x=1",
            "http://example.com:8080",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(webhook(url), None, "{url}");
        }
        let refused = [
            "gopher://example.com/",
            "file:///etc/passwd",
            "example.com",
            "https://",
            "https:///path",
            "https://user@127.0.0.1/",
            "https://example.com@127.0.0.1/",
            "https://127.0.0.1/",
            "http://[::1]:80/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:7f00:1]/",
            "http://exa mple.com/",
            "http://example.com\\@127.0.0.1/",
            "http://example.com/\r\nx: y",
            "http://exämple.com/",
        ];
        for url in refused {
            assert!(webhook(url).is_some(), "{url}");
        }
    }

    #[test]
    fn a_file_is_one_of_the_project_for_lines() {
        let file = |path: &str| fault(&format!(r#"{{"type": "file", "path": "{path}"}}"#));
        assert_eq!(file("out/notices.ndjson"), None);
        for path in [
            "/etc/x.log",
            "../x.log",
            "a/../x.log",
            ".git/hooks/x.log",
            "pipelines/p.yaml",
            "",
            "a//x.log",
            "c:/x.log",
        ] {
            assert!(file(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_mail_needs_addresses_and_a_protected_password() {
        let with = |to: &str, more: &str| {
            fault(&format!(
                r#"{{"type": "email", "to": ["{to}"], "smtp": {{"host": "mail.example.com", "from": "Trainyard <t@example.com>"{more}}}}}"#
            ))
        };
        assert_eq!(with("a@example.com", ""), None);
        assert!(with("a", "").is_some());
        assert!(with("a@b, c@d", "").is_some());
        assert!(
            with(
                "a@example.com",
                r#", "security": "none", "user": "t", "secret": "p""#
            )
            .is_some()
        );
    }
}

//! Requests to receivers, and what their answers mean.

use crate::guard::{Guarded, NoWay};
use std::sync::Arc;
use std::time::Duration;
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::notice::Answer;
use ureq::Agent;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

/// A request takes no longer, from looking up the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// An answer is read so far.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Sends requests; follows no redirects, and knows no proxies, which would look names up themselves.
pub(crate) struct Http {
    public: Agent,
    private: Agent,
}

/// An answer that has come.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) after: Option<Millis>,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) fn new() -> Self {
        let found = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<Certificate<'static>> = found
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let roots = Arc::new(roots);
        let agent = |allow_private| {
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::Specific(roots.clone()))
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .build();
            let config = Agent::config_builder()
                .timeout_global(Some(TIMEOUT))
                .timeout_connect(Some(CONNECT))
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(None)
                .max_idle_connections(8)
                .user_agent(concat!("trainyard/", env!("CARGO_PKG_VERSION")))
                .tls_config(tls)
                .build();
            Agent::with_parts(config, DefaultConnector::default(), Guarded { allow_private })
        };
        Self {
            public: agent(false),
            private: agent(true),
        }
    }

    /// Sends a body.
    ///
    /// # Errors
    /// What follows from there being no answer.
    pub(crate) fn post(
        &self,
        url: &str,
        allow_private: bool,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Answered, Answer> {
        let agent = if allow_private {
            &self.private
        } else {
            &self.public
        };
        let mut request = agent.post(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(|error| no_answer(&error))?;
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, now));
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_vec()
            .unwrap_or_default();
        Ok(Answered { status, after, body })
    }
}

/// What no answer means. Never carries the URL, which may be a secret.
fn no_answer(error: &ureq::Error) -> Answer {
    let later = |why: String| Answer::Later { after: None, why };
    match error {
        ureq::Error::Other(cause) => match cause.downcast_ref::<NoWay>() {
            Some(NoWay::Forbidden(forbidden)) => Answer::Refused {
                why: forbidden.to_string(),
            },
            Some(other) => later(other.to_string()),
            None => later("the request failed".to_owned()),
        },
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Answer::Refused {
            why: "its URL cannot be used".to_owned(),
        },
        ureq::Error::HostNotFound => later("the name could not be looked up".to_owned()),
        ureq::Error::Timeout(which) => later(format!("it took too long ({which})")),
        ureq::Error::ConnectionFailed => later("it could not be connected to".to_owned()),
        ureq::Error::Io(error) => later(format!("the connection failed: {}", error.kind())),
        ureq::Error::Rustls(error) => later(format!("its certificate or encryption does not do: {error}")),
        _ => later("the request failed".to_owned()),
    }
}

impl Answered {
    /// What the status means, for a receiver that has nothing else to say.
    pub(crate) fn verdict(&self) -> Answer {
        let status = self.status;
        match status {
            200..=299 => Answer::Taken,
            300..=399 => Answer::Refused {
                why: format!("it answered {status}; redirects are not followed"),
            },
            408 | 409 | 425 | 429 | 500..=599 => Answer::Later {
                after: self.after,
                why: format!("it answered {status}"),
            },
            _ => Answer::Refused {
                why: format!("it answered {status}"),
            },
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Millis> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Millis(seconds.saturating_mul(1_000)));
    }
    let at = httpdate::parse_http_date(value.trim()).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp(i64::try_from(since.as_micros()).ok()?);
    Some(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_when_to_come_back_in_seconds_or_by_a_date() {
        let now = Timestamp(784_111_777_000_000);
        assert_eq!(retry_after("120", now), Some(Millis(120_000)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now),
            Some(Millis(60_000))
        );
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Millis(0)));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-5", now), None);
    }

    #[test]
    fn an_answer_is_taken_later_or_never() {
        let of = |status| {
            let answered = Answered {
                status,
                after: None,
                body: Vec::new(),
            };
            match answered.verdict() {
                Answer::Taken => "taken",
                Answer::Later { .. } => "later",
                Answer::Refused { .. } => "refused",
            }
        };
        assert!([200, 202, 204].iter().all(|status| of(*status) == "taken"));
        assert!(
            [408, 425, 429, 500, 502, 503, 504]
                .iter()
                .all(|status| of(*status) == "later")
        );
        assert!(
            [301, 302, 307, 308, 400, 401, 403, 404, 410, 422]
                .iter()
                .all(|status| of(*status) == "refused")
        );
    }
}

//! Signed CloudEvents over HTTP.

use crate::event;
use crate::http::Http;
use crate::signature::{message_id, sign};
use trainyard_contract::Timestamp;
use trainyard_domain::notice::{Answer, Happening};
use trainyard_domain::pipeline::spec::channel::EventMode;

/// A webhook as it is called.
pub(crate) struct Webhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) secret: Option<&'a str>,
    pub(crate) mode: EventMode,
    pub(crate) allow_private: bool,
}

impl Webhook<'_> {
    /// Sends one event. `masked` takes secrets out of what is sent.
    pub(crate) fn send(
        &self,
        http: &Http,
        happening: &Happening,
        project: &str,
        now: Timestamp,
        masked: &dyn Fn(Vec<u8>) -> Vec<u8>,
    ) -> Answer {
        let (mut headers, body) = match self.mode {
            EventMode::Structured => (
                vec![(
                    "content-type".to_owned(),
                    "application/cloudevents+json".to_owned(),
                )],
                event::structured(happening, project).to_string(),
            ),
            EventMode::Binary => {
                let mut headers = event::headers(happening, project);
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                (headers, event::data(happening).to_string())
            }
        };
        let body = masked(body.into_bytes());
        let id = message_id(&happening.id);
        let seconds = now.0 / 1_000_000;
        headers.push(("webhook-id".to_owned(), id.clone()));
        headers.push(("webhook-timestamp".to_owned(), seconds.to_string()));
        if let Some(secret) = self.secret {
            let Some(signature) = sign(secret, &id, seconds, &body) else {
                return Answer::Refused {
                    why: "its secret begins with `whsec_` and is not base64".to_owned(),
                };
            };
            headers.push(("webhook-signature".to_owned(), signature));
        }
        match http.post(self.url, self.allow_private, &headers, &body, now) {
            Ok(answered) => answered.verdict(),
            Err(answer) => answer,
        }
    }
}

//! One collector, as OTLP over HTTP speaks to it.

use crate::message::{Answer, cut};
use crate::settings::Route;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// An answer is read so far.
const LONGEST_ANSWER: u64 = 64 << 10;

pub(crate) struct Collector {
    agent: Agent,
    route: Route,
}

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Posted {
    /// All but so many of its items were taken.
    Taken { rejected: u64, why: String },
    /// It will not be taken, whenever it is sent.
    Refused(String),
    /// It may be taken later, and not before that time.
    Later { after: Option<Duration>, why: String },
}

impl Collector {
    /// The collector at the end of a route; the sentence says why there is none.
    pub(crate) fn new(route: Route) -> Result<Self, String> {
        let mut config = Agent::config_builder()
            .timeout_global(Some(route.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("trainyard/", env!("CARGO_PKG_VERSION")));
        if route.url.starts_with("https://") {
            config = config.tls_config(encryption(&route)?);
        }
        Ok(Self {
            agent: Agent::new_with_config(config.build()),
            route,
        })
    }

    pub(crate) fn post(&self, message: &[u8]) -> Posted {
        let mut request = self
            .agent
            .post(&self.route.url)
            .header("content-type", "application/x-protobuf");
        for (name, value) in &self.route.headers {
            request = request.header(name, value);
        }
        let sent = match self.route.gzip.then(|| packed(message)).flatten() {
            Some(packed) => request.header("content-encoding", "gzip").send(&packed[..]),
            None => request.send(message),
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(ureq::Error::BadUri(_) | ureq::Error::Http(_)) => {
                // The words of the error may be those of a header.
                return Posted::Refused("the endpoint or a header of it cannot be sent".to_owned());
            }
            Err(error) => {
                return Posted::Later {
                    after: None,
                    why: error.to_string(),
                };
            }
        };
        let status = response.status().as_u16();
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_vec();
        match status {
            200..=299 => {
                // A collector that says nothing, or nothing that can be read, has taken it.
                let answer = body.ok().and_then(|body| Answer::decode(&body[..]).ok());
                let partial = answer
                    .and_then(|answer| answer.partial_success)
                    .unwrap_or_default();
                Posted::Taken {
                    rejected: u64::try_from(partial.rejected).unwrap_or(0),
                    why: cut(&partial.error_message),
                }
            }
            429 | 502 | 503 | 504 => Posted::Later {
                after,
                why: format!("it answered {status}"),
            },
            _ => Posted::Refused(format!("it answered {status}")),
        }
    }
}

fn packed(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

fn encryption(route: &Route) -> Result<TlsConfig, String> {
    let roots: Vec<Certificate<'static>> = match &route.certificate {
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let certificates = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<_> = certificates.collect();
            if certificates.is_empty() {
                return Err(format!("{} holds no certificate", file.display()));
            }
            certificates
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned())
                .collect()
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

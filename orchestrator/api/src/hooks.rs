//! `/hooks/…`: runs started by other programs. Each hook has a proof of its own.

use crate::app::Shared;
use crate::caller::Caller;
use crate::firing::{self, Call, CallKey};
use crate::guard;
use crate::problem::Problem;
use crate::random;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::{Extension, Json};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;
use std::sync::Arc;
use trainyard_contract::Timestamp;
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::pipeline::spec::Trigger;
use trainyard_domain::pipeline::spec::trigger::{WebhookAuth, WebhookTrigger};
use trainyard_domain::trigger::News;
use trainyard_executors::Secrets;
use utoipa::ToSchema;

/// Takes a call. 202 says that it was understood, and the verdict what came of it.
pub(crate) async fn call(
    State(app): State<Shared>,
    uri: Uri,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<CallAnswer>), Problem> {
    let (pipeline, name, hook) = find(&app, uri.path())?;
    let proof = match &hook.auth {
        Some(WebhookAuth::HmacSha256 { secret }) => {
            let secret = value_of(&*app.secrets, secret)?;
            signed(&headers, &body, secret.as_bytes())?
        }
        Some(WebhookAuth::Bearer { secret }) => {
            bears(&headers, &value_of(&*app.secrets, secret)?)?;
            Proof::of(&headers)
        }
        None => {
            // Without a proof of its own it is open to whom the API is open.
            guard::check_origin(&headers)?;
            guard::check_json(&headers)?;
            app.principal(&headers).await?.may(&Method::POST)?;
            Proof::of(&headers)
        }
    };
    let body: Value = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Problem::bad_request("body-not-json", format!("the body is not JSON: {error}"))
        })?
    };
    let work = app.clone();
    let outcome = app
        .blocking(move || {
            let fresh = random::bytes::<12>().map_err(|error| Problem::internal("name a call", &error))?;
            let news = News::Requested {
                key: proof.key.clone().unwrap_or_else(|| random::hex(&fresh)),
                sent_at: proof.sent_at,
                body,
            };
            let scope = format!("hook:{}:{name}", pipeline.name());
            let call = Call {
                key: proof.key.as_deref().map(|key| CallKey { scope: &scope, key }),
                caller: caller.map(|Extension(caller)| caller),
                by: None,
            };
            let trigger = Trigger::Webhook(hook);
            Ok(firing::tell(&work, &pipeline, &name, &trigger, &news, call)?
                .outcomes
                .pop())
        })
        .await?;
    let Some(outcome) = outcome else {
        return Err(Problem::conflict(
            "hook-idle",
            "the hook did nothing with the call",
        ));
    };
    match outcome.verdict.as_str() {
        "refused" => Err(Problem::refused("call-unfit", outcome.reason)),
        "replayed" => Err(unproven(&outcome.reason)),
        _ => Ok((
            StatusCode::ACCEPTED,
            Json(CallAnswer {
                verdict: outcome.verdict,
                reason: outcome.reason,
                run: outcome.run.map(|run| run.to_string()),
            }),
        )),
    }
}

/// What came of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallAnswer {
    /// `started`, `repeated`, `paused`, `cooldown` or `max_runs`.
    verdict: String,
    reason: String,
    run: Option<String>,
}

/// What a call proves of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proof {
    /// By which it is recognised when it comes again.
    key: Option<String>,
    /// As signed.
    sent_at: Option<Timestamp>,
}

impl Proof {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            key: sent_key(headers),
            sent_at: None,
        }
    }
}

fn find(app: &Shared, path: &str) -> Result<(Arc<Pipeline>, String, WebhookTrigger), Problem> {
    let shelf = app.project.shelf();
    let found = shelf.pipelines.values().find_map(|entry| {
        let mut triggers = entry.current.spec().triggers.iter();
        triggers.find_map(|(name, trigger)| match trigger {
            Trigger::Webhook(hook) if hook.path == path => {
                Some((entry.current.clone(), name.clone(), hook.clone()))
            }
            _ => None,
        })
    });
    found.ok_or_else(|| Problem::not_found("hook-not-found", "no pipeline has a hook at this address"))
}

fn value_of(secrets: &dyn Secrets, name: &str) -> Result<String, Problem> {
    secrets
        .get(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            tracing::warn!(secret = name, "hook_secret_missing");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "secret-missing",
                "the server does not have this hook's secret",
            )
        })
}

fn unproven(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "signature-invalid", detail)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The sender's own name for the call.
fn sent_key(headers: &HeaderMap) -> Option<String> {
    ["idempotency-key", "webhook-id", "x-github-delivery"]
        .iter()
        .find_map(|name| text(headers, name))
        .filter(|key| (1..=255).contains(&key.len()))
        .map(str::to_owned)
}

fn bears(headers: &HeaderMap, secret: &str) -> Result<(), Problem> {
    let given = text(headers, header::AUTHORIZATION.as_str())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    if is_same(given.as_bytes(), secret.as_bytes()) {
        Ok(())
    } else {
        Err(unproven("this hook wants its token as `Authorization: Bearer …`"))
    }
}

/// Takes as long whether nothing or nearly everything is equal: `blake3::Hash` compares in constant
/// time.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    blake3::hash(left) == blake3::hash(right)
}

/// Judges a signature over the body as it came. Three forms: our own, `X-Trainyard-Signature:
/// t=SECONDS,v1=HEX` over `SECONDS.BODY`; Standard Webhooks; and `X-Hub-Signature-256: sha256=HEX` over
/// the body alone, which carries no time. Whether a signed time is near enough is the trigger's to say.
fn signed(headers: &HeaderMap, body: &[u8], secret: &[u8]) -> Result<Proof, Problem> {
    let at = |seconds: &str| {
        let micros = seconds
            .parse::<i64>()
            .ok()
            .and_then(|at| at.checked_mul(1_000_000));
        micros
            .map(Timestamp)
            .ok_or_else(|| unproven("the signed time is none"))
    };
    let wrong = || unproven("the signature does not fit the body");
    if let Some(given) = text(headers, "x-trainyard-signature") {
        let (mut time, mut signatures) = ("", Vec::new());
        for part in given.split(',') {
            match part.trim().split_once('=') {
                Some(("t", at)) => time = at,
                Some(("v1", hex)) => signatures.push(hex),
                _ => {}
            }
        }
        let mac = random::hex(&mac(secret, &[time.as_bytes(), b".", body])?);
        if !signatures
            .iter()
            .any(|hex| is_same(hex.as_bytes(), mac.as_bytes()))
        {
            return Err(wrong());
        }
        return Ok(Proof {
            // A copy of the call is the call.
            key: Some(sent_key(headers).unwrap_or(mac)),
            sent_at: Some(at(time)?),
        });
    }
    if let (Some(id), Some(time), Some(given)) = (
        text(headers, "webhook-id"),
        text(headers, "webhook-timestamp"),
        text(headers, "webhook-signature"),
    ) {
        // Secrets of this standard may be written `whsec_` and base 64.
        let key = std::str::from_utf8(secret)
            .ok()
            .and_then(|text| text.strip_prefix("whsec_"))
            .and_then(from_base64)
            .unwrap_or_else(|| secret.to_owned());
        let mac = base64(&mac(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body])?);
        let fits = given
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .any(|one| is_same(one.as_bytes(), mac.as_bytes()));
        if !fits {
            return Err(wrong());
        }
        return Ok(Proof {
            key: Some(id.chars().take(255).collect()),
            sent_at: Some(at(time)?),
        });
    }
    if let Some(given) = text(headers, "x-hub-signature-256") {
        let mac = format!("sha256={}", random::hex(&mac(secret, &[body])?));
        if !is_same(given.trim().as_bytes(), mac.as_bytes()) {
            return Err(wrong());
        }
        return Ok(Proof::of(headers));
    }
    Err(unproven(
        "this hook wants a signature: `X-Trainyard-Signature: t=SECONDS,v1=HEX`, that of Standard Webhooks, or `X-Hub-Signature-256`",
    ))
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, Problem> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).map_err(|_| unproven("the hook's secret is of no use"))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac.finalize().into_bytes().to_vec())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .chain(std::iter::repeat(&0))
            .take(3)
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = BASE64.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    const SECRET: &[u8] = b"It's a Secret to Everybody";

    fn judge(pairs: &[(&'static str, String)], body: &str) -> Result<Proof, Problem> {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        signed(&headers, body.as_bytes(), SECRET)
    }

    /// The example in GitHub's documentation of webhooks.
    #[test]
    fn a_signature_of_the_body_alone_is_that_of_github() {
        let mac = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let header = [("x-hub-signature-256", mac.to_owned())];
        assert!(judge(&header, "Hello, World!").is_ok());
        assert!(judge(&header, "Hello, World").is_err());
        assert!(judge(&[], "Hello, World!").is_err());
    }

    #[test]
    fn a_signature_is_of_just_that_time_and_body() {
        let at = |seconds: i64| {
            let time = seconds.to_string();
            let mac = random::hex(&mac(SECRET, &[time.as_bytes(), b".", b"{}"]).unwrap());
            [("x-trainyard-signature", format!("t={time},v1={mac}"))]
        };
        let first = judge(&at(1_700_000_000), "{}").unwrap();
        assert_eq!(first.sent_at, Some(Timestamp(1_700_000_000_000_000)));
        assert_eq!(
            first,
            judge(&at(1_700_000_000), "{}").unwrap(),
            "a copy is the same call"
        );
        assert_ne!(first, judge(&at(1_700_000_001), "{}").unwrap());
        assert!(judge(&at(1_700_000_000), "{} ").is_err());
        let moved = at(1_700_000_000)[0].1.replace("t=1700000000", "t=1700000001");
        assert!(judge(&[("x-trainyard-signature", moved)], "{}").is_err());
        assert!(judge(&at(i64::MAX), "{}").is_err());
    }

    #[test]
    fn standard_webhooks_are_understood() {
        let mac = base64(&mac(SECRET, &[b"msg_1.", b"1700000000", b".", b"{}"]).unwrap());
        let headers = |signature: String| {
            [
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", "1700000000".to_owned()),
                ("webhook-signature", signature),
            ]
        };
        let proof = judge(&headers(format!("v1,AAAA v1,{mac}")), "{}").unwrap();
        assert_eq!(proof.key.as_deref(), Some("msg_1"));
        assert!(judge(&headers(format!("v2,{mac}")), "{}").is_err());
    }

    #[test]
    fn base_64_is_written_and_read_with_its_padding() {
        for (bytes, written) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), written);
            assert_eq!(from_base64(written).unwrap(), bytes.as_bytes());
        }
        assert!(from_base64("a b").is_none());
    }
}

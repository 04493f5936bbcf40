//! Standard Webhooks: whoever shares the secret can tell that a request is from here, and when it was sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What a secret begins with whose rest is the key in base64.
const PREFIX: &str = "whsec_";

/// The header `webhook-signature` of a request; none if the secret claims to be base64 and is not.
pub(crate) fn sign(secret: &str, id: &str, at_seconds: i64, body: &[u8]) -> Option<String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded.trim()).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{at_seconds}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The id of a message about a happening: the same for the same, whenever it is sent. It has no full stop,
/// which separates what is signed.
pub(crate) fn message_id(event: &str) -> String {
    let digest = Sha256::digest(event.as_bytes());
    let mut id = "msg_".to_owned();
    for byte in digest.iter().take(16) {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_known_example_has_its_known_signature() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signed.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn everything_that_is_signed_counts() {
        let of = |id, at, body: &str| sign("secret", id, at, body.as_bytes());
        let signed = of("a", 1, "{}");
        assert!(signed.is_some());
        for other in [
            of("b", 1, "{}"),
            of("a", 2, "{}"),
            of("a", 1, "[]"),
            sign("other", "a", 1, b"{}"),
        ] {
            assert_ne!(signed, other);
        }
        assert_eq!(sign("whsec_not base64!", "a", 1, b""), None);
    }

    #[test]
    fn a_message_keeps_its_id_and_has_no_full_stop() {
        let id = message_id("run_0.7");
        assert_eq!(id, message_id("run_0.7"));
        assert_ne!(id, message_id("run_0.8"));
        assert!(id.len() == 36 && !id.contains('.'));
    }
}

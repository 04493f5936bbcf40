//! Bearer tokens: `ty_ID_SECRET`. The id finds the token, the hash of the secret proves it.

use crate::random::{self, RandomError};
use trainyard_contract::Timestamp;
use trainyard_store::{Token, TokenRole};

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Who or what uses it.
    pub name: &'a str,
    pub role: TokenRole,
    /// Roles that it has among people.
    pub roles: &'a [String],
    pub by: &'a str,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// A fresh token: what the store keeps, and the text that is shown once.
///
/// # Errors
/// If the system has no random bytes.
pub fn new_token(new: &NewToken<'_>) -> Result<(Token, String), RandomError> {
    let id = random::hex(&random::bytes::<6>()?);
    let secret = random::hex(&random::bytes::<32>()?);
    let token = Token {
        id: id.clone(),
        name: new.name.to_owned(),
        role: new.role,
        roles: new.roles.to_vec(),
        hash: *blake3::hash(secret.as_bytes()).as_bytes(),
        created_at: new.now,
        created_by: new.by.to_owned(),
        expires_at: new.expires_at,
        revoked_at: None,
    };
    Ok((token, format!("ty_{id}_{secret}")))
}

/// The valid token that a text is, if it is one. The time it takes does not depend on how much of the
/// secret is right.
pub(crate) fn find<'a>(tokens: &'a [Token], text: &str, now: Timestamp) -> Option<&'a Token> {
    let (id, secret) = text.strip_prefix("ty_")?.split_once('_')?;
    let given = blake3::hash(secret.as_bytes());
    tokens
        .iter()
        // `blake3::Hash` compares in constant time.
        .find(|token| token.id == id && blake3::Hash::from(token.hash) == given)
        .filter(|token| token.is_valid(now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_of_a_token_that_is_valid_opens() {
        let new = NewToken {
            name: "ci",
            role: TokenRole::Operator,
            roles: &[],
            by: "ada",
            now: Timestamp(5),
            expires_at: Some(Timestamp(10)),
        };
        let (token, text) = new_token(&new).unwrap();
        let (other, _) = new_token(&new).unwrap();
        let mut revoked = token.clone();
        revoked.revoked_at = Some(Timestamp(7));
        let tokens = [other, token];
        assert_eq!(find(&tokens, &text, Timestamp(9)).unwrap().name, "ci");
        assert!(find(&tokens, &text, Timestamp(10)).is_none());
        assert!(find(&[revoked], &text, Timestamp(9)).is_none());
        let mut wrong = text.clone();
        wrong.pop();
        for bad in [
            wrong.as_str(),
            "",
            "ty__",
            "nothing",
            &text[3..],
            &format!("{text}0"),
        ] {
            assert!(find(&tokens, bad, Timestamp(9)).is_none(), "{bad}");
        }
        assert!(!format!("{tokens:?}").contains(text.rsplit('_').next().unwrap()));
    }
}

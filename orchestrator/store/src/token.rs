//! Tokens that open a server, kept as hashes.

use crate::database::{Result as Read, Row, params};
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use std::fmt;
use std::str::FromStr;
use trainyard_contract::Timestamp;

/// What the bearer of a token may do; each includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenRole {
    /// Look at everything.
    Viewer,
    /// Start, stop, pause and answer.
    Operator,
    /// Whatever there is to do.
    Admin,
}

impl TokenRole {
    /// The role as kept and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TokenRole {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role: viewer, operator or admin"))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Part of the token's text, by which it is found.
    pub id: String,
    /// Who or what uses it; the name its runs carry.
    pub name: String,
    pub role: TokenRole,
    /// Roles that it has among people, as manual triggers name them.
    pub roles: Vec<String>,
    /// BLAKE3 hash of the secret.
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything at that time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

struct TokenRow {
    token: Token,
    role: String,
    roles: String,
}

impl TokenRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            token: Token {
                id: row.get(0)?,
                name: row.get(1)?,
                role: TokenRole::Viewer,
                roles: Vec::new(),
                hash: row.get(3)?,
                created_at: Timestamp(row.get(4)?),
                created_by: row.get(5)?,
                expires_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
                revoked_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
            },
            role: row.get(2)?,
            roles: row.get(8)?,
        })
    }
}

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn keep_token(&mut self, token: &Token) -> Result<(), StoreError> {
        let doing = "keep a token";
        self.transact(doing, |store| {
            let values = params![
                token.id,
                token.name,
                token.role.as_str(),
                token.hash,
                token.created_at.0,
                token.created_by,
                token.expires_at.map(|at| at.0),
                serde_json::Value::from(token.roles.clone()).to_string(),
            ];
            store.execute(doing, queries::TOKEN_PUT, values).map(|_| ())
        })
    }

    /// All tokens, also those that are not valid any more, oldest first.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let doing = "list tokens";
        let rows = self.all(doing, queries::TOKEN_LIST, [], TokenRow::read)?;
        let tokens = rows.into_iter().map(|row| {
            let role = row.role.parse().map_err(unreadable(doing))?;
            let roles = serde_json::from_str(&row.roles).map_err(unreadable(doing))?;
            Ok(Token {
                role,
                roles,
                ..row.token
            })
        });
        tokens.collect()
    }

    /// Revokes the tokens of that id or name; says how many there were.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn revoke_token(&mut self, id_or_name: &str, at: Timestamp) -> Result<usize, StoreError> {
        let doing = "revoke a token";
        self.transact(doing, |store| {
            store.execute(doing, queries::TOKEN_REVOKE, params![id_or_name, at.0])
        })
    }
}

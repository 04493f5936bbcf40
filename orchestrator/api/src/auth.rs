//! Who is asking, and what they may do.

use crate::app::App;
use crate::problem::Problem;
use crate::tokens;
use axum::http::{HeaderMap, Method, StatusCode, header};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use trainyard_store::{Token, TokenRole};

/// How long a revoked token may still open.
const REREAD: Duration = Duration::from_secs(1);

/// Who makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) role: TokenRole,
    pub(crate) roles: Roles,
}

/// The roles that somebody has among people.
#[derive(Clone, Debug)]
pub(crate) enum Roles {
    /// Where nobody has to say who they are, and of administrators.
    All,
    Named(Vec<String>),
}

/// The tokens as last read.
#[derive(Default)]
pub(crate) struct Auth {
    read: Mutex<Option<(Instant, Arc<Vec<Token>>)>>,
}

impl App {
    /// The tokens of the store. Once one was made, every request needs one, also after the last has
    /// been revoked: a server does not open by itself.
    pub(crate) async fn tokens(self: &Arc<Self>) -> Result<Arc<Vec<Token>>, Problem> {
        let known = self
            .auth
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|(at, _)| at.elapsed() < REREAD)
            .map(|(_, tokens)| tokens.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let tokens = Arc::new(self.read(|store| Ok(store.tokens()?)).await?);
        *self.auth.read.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), tokens.clone()));
        Ok(tokens)
    }

    /// Who is asking.
    pub(crate) async fn principal(self: &Arc<Self>, headers: &HeaderMap) -> Result<Principal, Problem> {
        let tokens = self.tokens().await?;
        if tokens.is_empty() {
            return Ok(Principal {
                name: self.user.clone(),
                role: TokenRole::Admin,
                roles: Roles::All,
            });
        }
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .and_then(|(scheme, text)| token_of(scheme, text.trim()));
        let found = given.and_then(|text| tokens::find(&tokens, &text, (self.clock)()));
        found.map_or_else(
            || {
                Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "token-missing-or-invalid",
                    "this server wants a valid token",
                )
                .help("send `Authorization: Bearer …`; `trainyard tokens create` makes one"))
            },
            |token| {
                Ok(Principal {
                    name: token.name.clone(),
                    role: token.role,
                    roles: match token.role {
                        TokenRole::Admin => Roles::All,
                        _ => Roles::Named(token.roles.clone()),
                    },
                })
            },
        )
    }
}

/// The token of a header: by itself, or as the password of clients that know only users and passwords.
fn token_of(scheme: &str, text: &str) -> Option<String> {
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(text.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(trainyard_domain::tracking::page::base64(text)?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

impl Principal {
    /// Which of these roles they have.
    pub(crate) fn of(&self, roles: &[String]) -> Vec<String> {
        match &self.roles {
            Roles::All => roles.to_vec(),
            Roles::Named(own) => own.iter().filter(|role| roles.contains(role)).cloned().collect(),
        }
    }

    /// Whether they may say where the server speaks to.
    pub(crate) fn may_administer(&self) -> Result<(), Problem> {
        if self.role >= TokenRole::Admin {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "role-too-low",
            format!("{} is a {}, and only an admin may do this", self.name, self.role),
        ))
    }

    /// Whether the role allows the method.
    pub(crate) fn may(&self, method: &Method) -> Result<(), Problem> {
        if self.role >= TokenRole::Operator || *method == Method::GET || *method == Method::HEAD {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "role-too-low",
            format!("{} is a {} and may only look", self.name, self.role),
        ))
    }
}

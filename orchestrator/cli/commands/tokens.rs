//! `trainyard tokens`.

use super::{now, user};
use crate::args::{Role, TokensCommand};
use crate::output::{Exit, Fault, Terminal, Tone, human_instant};
use crate::project::Project;
use serde_json::{Value, json};
use std::path::Path;
use trainyard_api::{NewToken, new_token};
use trainyard_store::{Store, TokenRole};

pub(crate) fn tokens(
    command: &TokensCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let project = Project::here(home)?;
    let mut store = project.open_home()?.store()?;
    match command {
        TokensCommand::Create {
            name,
            role,
            roles,
            expires,
        } => {
            let new = NewToken {
                name,
                role: (*role).into(),
                roles,
                by: &user(),
                now: now(),
                expires_at: expires.map(|span| now().plus(span)),
            };
            create(&new, &mut store, terminal)
        }
        TokensCommand::List => list(&store, terminal),
        TokensCommand::Revoke { token } => {
            let count = store.revoke_token(token, now())?;
            if count == 0 {
                return Err(Fault::new(format!("there is no valid token `{token}`"))
                    .help("`trainyard tokens list` shows them"));
            }
            terminal.status(Tone::Good, "Revoked", format!("{count} of `{token}`"));
            Ok(Exit::Done)
        }
    }
}

fn create(new: &NewToken<'_>, store: &mut Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let is_first = store.tokens()?.is_empty();
    let (token, text) = new_token(new)?;
    store.keep_token(&token)?;
    if terminal.is_json() {
        terminal.out_json(&json!({
            "id": token.id, "name": token.name, "role": token.role.as_str(), "roles": token.roles, "token": text,
            "expires_at": token.expires_at.map(|at| at.0),
        }));
        return Ok(Exit::Done);
    }
    terminal.out(text);
    terminal.status(
        Tone::Good,
        "Made",
        format!(
            "a token for {} ({}); it is not shown again",
            token.name, token.role
        ),
    );
    if is_first {
        terminal.status(
            Tone::Warn,
            "Note",
            "from now on the server wants a token for every request",
        );
    }
    Ok(Exit::Done)
}

fn list(store: &Store, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let tokens = store.tokens()?;
    if terminal.is_json() {
        let documents = tokens.iter().map(|token| {
            json!({
                "id": token.id, "name": token.name, "role": token.role.as_str(), "roles": token.roles, "created_at": token.created_at.0,
                "created_by": token.created_by, "expires_at": token.expires_at.map(|at| at.0),
                "revoked_at": token.revoked_at.map(|at| at.0), "is_valid": token.is_valid(now()),
            })
        });
        terminal.out_json(&Value::Array(documents.collect()));
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        terminal.note("there is no token; the server answers everybody on this machine");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let state = match (token.revoked_at, token.is_valid(now())) {
                (Some(at), _) => format!("revoked {}", human_instant(at)),
                (None, true) => "valid".to_owned(),
                (None, false) => "expired".to_owned(),
            };
            vec![
                token.id.clone(),
                token.name.clone(),
                token.role.to_string(),
                token.roles.join(", "),
                human_instant(token.created_at),
                token.expires_at.map_or_else(|| "never".to_owned(), human_instant),
                state,
            ]
        })
        .collect();
    terminal.table(
        &["ID", "NAME", "ROLE", "ROLES", "MADE", "EXPIRES", "STATE"],
        &[],
        &rows,
    );
    Ok(Exit::Done)
}

impl From<Role> for TokenRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

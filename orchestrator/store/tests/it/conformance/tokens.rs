use super::Open;
use trainyard_contract::Timestamp;
use trainyard_store::{Token, TokenRole};

pub(crate) fn a_token_keeps_what_its_bearer_may_and_is(open: Open<'_>) {
    let token = |id: &str, roles: &[&str]| Token {
        id: id.to_owned(),
        name: format!("of {id}"),
        role: TokenRole::Operator,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        hash: [7; 32],
        created_at: Timestamp(1),
        created_by: "ada".to_owned(),
        expires_at: Some(Timestamp(9)),
        revoked_at: None,
    };
    let (plain, engineer) = (
        token("a", &[]),
        token("b", &["data_engineer", "on call, \"late\""]),
    );
    open().keep_token(&plain).unwrap();
    open().keep_token(&engineer).unwrap();
    assert_eq!(open().tokens().unwrap(), [plain.clone(), engineer]);
    assert_eq!(open().revoke_token("b", Timestamp(3)).unwrap(), 1);
    let kept = open().tokens().unwrap();
    assert_eq!(kept[0], plain);
    assert_eq!(kept[1].revoked_at, Some(Timestamp(3)));
}

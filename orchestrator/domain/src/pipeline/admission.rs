//! What an environment asks of a run before it starts.

use super::Pipeline;
use super::spec::environment::RequiredApprovals;
use crate::run::{ApprovalRule, OnExpire};
use std::fmt;

/// What an environment asks of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admission {
    /// Only what has succeeded there, in the very same version, may run here.
    pub promote_from: Option<String>,
    /// What runs here comes from the files: from their triggers, and from saved plans without params of
    /// their own.
    pub read_only: bool,
    /// Who has to agree before a version runs here for the first time.
    pub approval: Option<ApprovalRule>,
}

/// How a run comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Somebody asks for it.
    Person,
    /// A saved plan is applied, or one is about to be saved; with a param that was set by hand, if any.
    SavedPlan { param: Option<&'a str> },
    /// A trigger of the pipeline's file.
    Trigger,
}

impl Origin<'_> {
    /// What keeps it out of a read-only environment.
    pub fn against_read_only(self, environment: &str) -> Option<NotAdmitted> {
        let environment = environment.to_owned();
        match self {
            Self::Person => Some(NotAdmitted::ReadOnly { environment }),
            Self::SavedPlan { param } => param.map(|param| NotAdmitted::Altered {
                environment,
                param: param.to_owned(),
            }),
            Self::Trigger => None,
        }
    }
}

/// Why a run may not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// This version has not succeeded in the environment before.
    NotPromoted { environment: String, from: String },
    /// Runs here come from saved plans.
    ReadOnly { environment: String },
    /// A saved plan here takes its params from the files alone.
    Altered { environment: String, param: String },
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPromoted { environment, from } => write!(
                f,
                "`{environment}` takes only what has succeeded in `{from}`, and this version has not"
            ),
            Self::ReadOnly { environment } => {
                write!(
                    f,
                    "`{environment}` is read-only: what runs there comes from a saved plan"
                )
            }
            Self::Altered { environment, param } => write!(
                f,
                "`{environment}` is read-only: `{param}` is set by its files, not on the command line"
            ),
        }
    }
}

impl NotAdmitted {
    /// What would help.
    pub fn help(&self, file: &str) -> String {
        match self {
            Self::NotPromoted { from, .. } => {
                format!("run it there first: `trainyard run {file} --env {from}`")
            }
            Self::ReadOnly { environment } => {
                format!("`trainyard plan {file} --env {environment} --save`, then `trainyard apply PLAN_ID`")
            }
            Self::Altered { environment, .. } => format!("set it under `environments.{environment}.params`"),
        }
    }
}

impl Pipeline {
    /// What an environment asks of a run of this pipeline.
    pub fn admission(&self, environment: Option<&str>) -> Admission {
        let Some(rules) = environment.and_then(|name| self.spec.environments.get(name)) else {
            return Admission::default();
        };
        Admission {
            promote_from: rules.promote_from.clone(),
            read_only: rules.read_only,
            approval: rules.required_approvals.as_ref().map(rule),
        }
    }
}

fn rule(required: &RequiredApprovals) -> ApprovalRule {
    ApprovalRule {
        roles: required.roles.clone(),
        min_approvals: required.min,
        not_author: required.not_author,
        expires: None,
        on_expire: OnExpire::Reject,
    }
}

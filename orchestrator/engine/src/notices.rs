//! What steps of a pipeline have to say to people.

use trainyard_contract::Timestamp;
use trainyard_contract::task::NoticeDraft;
use trainyard_domain::notice::{self, About, Happening};
use trainyard_domain::run::Run;
use trainyard_executors::AttemptKey;

/// What a step says by `notify.send`.
pub(crate) fn said(
    run: &Run,
    key: &AttemptKey,
    instance: &str,
    draft: &NoticeDraft,
    now: Timestamp,
) -> Happening {
    let definition = run.definition();
    let about = About {
        pipeline: Some(definition.pipeline.to_string()),
        environment: definition.environment.clone(),
        run: Some(run.id().to_string()),
        step: Some(instance.to_owned()),
        owner: definition.owner.clone(),
        by: run.started_by().map(str::to_owned),
        ..About::default()
    };
    let to = definition
        .notices
        .addresses(definition.pipeline.as_str(), &draft.to);
    let source = notice::Said {
        run: run.id(),
        instance,
        attempt: key.attempt,
    };
    notice::message(&source, about, &draft.message, to, now)
}

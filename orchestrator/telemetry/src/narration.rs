//! What of runs belongs into the program's log.

use trainyard_domain::run::{RunOutcome, What};
use trainyard_engine::Observation;

/// Logs what the engine has to say, as far as an operator wants to read it.
pub fn narrate(observation: &Observation<'_>) {
    match observation {
        Observation::Event { run, event, of, .. } => match &event.what {
            What::RunStarted { by, .. } => {
                tracing::info!(%run, pipeline = %of.definition().pipeline, by, "run_started");
            }
            What::RunEnded { outcome } => {
                let outcome = outcome_word(*outcome);
                tracing::info!(%run, pipeline = %of.definition().pipeline, outcome, "run_ended");
            }
            What::AttemptFailed {
                step,
                attempt,
                failure,
                ..
            } => {
                let step = of.name(*step);
                tracing::warn!(%run, %step, attempt, failure = %failure.message, "attempt_failed");
            }
            _ => {}
        },
        Observation::Lost { run } => tracing::warn!(%run, "run_taken_over_by_another_engine"),
        Observation::Trouble { message } => tracing::warn!(message, "engine_trouble"),
        _ => {}
    }
}

fn outcome_word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded => "succeeded",
        RunOutcome::Failed => "failed",
        RunOutcome::Cancelled => "cancelled",
    }
}

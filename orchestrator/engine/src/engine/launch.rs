//! Starting what may start.

use super::room::{Demand, shares};
use super::turned::Turned;
use super::{Active, Engine, EngineError};
use crate::observe::Observation;
use crate::prepare::{Prepared, Workshop, number};
use crate::tracking;
use trainyard_contract::task::TaskSpec;
use trainyard_contract::{RunId, Timestamp, TraceContext};
use trainyard_domain::run::{Input, InstanceIx, Run, What};
use trainyard_executors::{AttemptKey, Submission};

impl Engine {
    /// Starts what may start; what a pool has no slot for waits.
    pub(super) fn launch_ready(
        &mut self,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.launch(now, turned, observer)?;
        while self.ask_for_slots(now, observer)? {
            self.launch(now, turned, observer)?;
        }
        Ok(())
    }

    /// Starts what may start and needs no slot of a pool, or has one.
    pub(super) fn launch(
        &mut self,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let capacity = self.executor.as_ref().map_or(0, |executor| executor.capacity());
        let demand = |active: &Active| Demand {
            held: active.run.running_count(),
            ready: active.run.ready_count(),
        };
        let demands: Vec<Demand> = self.runs.values().map(demand).collect();
        let rooms = self.runs.iter().zip(shares(capacity, &demands));
        let ids: Vec<(RunId, usize)> = rooms
            .filter(|((_, active), _)| active.run.ready_count() > 0)
            .map(|((id, _), room)| (id.clone(), room))
            .collect();
        for (id, mut room) in ids {
            while let Some(active) = self.runs.get_mut(&id) {
                let open = active
                    .run
                    .ready()
                    .filter(|step| self.slots.lets(&active.run, *step));
                let ready: Vec<InstanceIx> = open.take(room.max(1)).collect();
                if ready.is_empty() || room == 0 {
                    break;
                }
                let mut workshop = Workshop {
                    store: &mut self.store,
                    objects: &self.objects,
                    workplace: &active.workplace,
                    epoch: active.epoch,
                    reuse: active.reuse,
                    now,
                };
                for step in ready {
                    if room == 0 {
                        break;
                    }
                    if !self.slots.lets(&active.run, step) {
                        continue;
                    }
                    // What is below a step that ran runs as well, as the plan has said; what was chosen to
                    // run again does not take what it had.
                    let is_new = active.run.takes_new_results(step);
                    workshop.reuse = active.reuse && !is_new && !active.run.takes_no_earlier_result(step);
                    let prepared = workshop.prepare(&active.run, &mut active.surroundings, step);
                    let prepared = match prepared {
                        Ok(prepared) => prepared,
                        Err(error) => {
                            // Without a store to ask, what is ready stays so until the next turn.
                            return self.unless_away::<()>(Err(error), observer).map(|_| ());
                        }
                    };
                    if matches!(prepared, Prepared::Launch { .. })
                        && !self.slots.has_or_wants(&active.run, step)
                    {
                        continue;
                    }
                    let (input, spec) = match prepared {
                        Prepared::Launch { key, spec } => (Input::Launch { step, key }, Some(spec)),
                        Prepared::Reuse { key, found } => {
                            let found = *found;
                            let reuse = Input::Reuse {
                                step,
                                key,
                                from: found.run,
                                outputs: found.outputs,
                                metrics: found.metrics,
                                headline: found.headline,
                            };
                            (reuse, None)
                        }
                        Prepared::Reject(failure) => (
                            Input::Reject {
                                step,
                                failure: *failure,
                            },
                            None,
                        ),
                    };
                    let events = active.run.decide(now, input);
                    if let Some(mut spec) = spec {
                        let attempt = events.iter().find_map(|event| match &event.what {
                            What::AttemptStarted { attempt, .. } => Some(*attempt),
                            _ => None,
                        });
                        if let Some(attempt) = attempt {
                            self.slots.launched(&id, step);
                            number(&mut spec, &self.home, &active.run, attempt);
                            if let Some(url) = &self.tracking {
                                tracking::point_to(&mut spec, &active.run, url);
                            }
                            if self.is_traced {
                                let span = TraceContext::of_attempt(&id, step, attempt);
                                spec.traceparent = Some(span.to_string());
                            }
                            let launches = if may_go_ahead(&active.run, step, &spec) {
                                &mut turned.ahead
                            } else {
                                &mut turned.launches
                            };
                            launches.push(Submission {
                                key: AttemptKey {
                                    run: id.clone(),
                                    step,
                                    attempt,
                                },
                                spec: *spec,
                                depth: active.run.depth(step),
                            });
                            room -= 1;
                        }
                    }
                    turned.events.entry(id.clone()).or_default().extend(events);
                }
            }
        }
        Ok(())
    }
}

/// Whether an attempt leaves no trace if it turns out never to have been: a built-in step without effects.
fn may_go_ahead(run: &Run, step: InstanceIx, spec: &TaskSpec) -> bool {
    let instance = run.instance_at(step);
    spec.process.is_none() && instance.is_some_and(|instance| instance.effect.is_none())
}

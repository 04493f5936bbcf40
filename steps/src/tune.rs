//! `tune.search@v1`: trials with other parameters each, judged on rows they have not learnt from; the
//! best one's model comes out.
//!
//! Trials run side by side, but what each tries and where it is cut off depends on a fixed number of
//! earlier ones only, so the result is the same whatever the timing and the number of threads.

mod checks;
mod crew;
mod folds;
mod importance;
mod journal;
mod params;
mod parzen;
mod picture;
mod plan;
mod report;
mod results;
mod space;
mod trial;
mod trials;

use crate::inference;
use crate::table::{self, grouped};
use crate::train::algorithm::Purpose;
use crate::train::columns;
use crate::train::data::{self, Examples};
use crate::train::judge::Measure;
use crate::train::rows::Classes;
use crate::train::{self, outcome};
use checks::{wrong_goal, wrong_space, wrong_validation};
use folds::By;
use journal::Journal;
use params::Params;
use plan::{Method, Plan};
use report::Findings;
use results::hand_on;
use space::Name;
use std::sync::Mutex;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Shape, Step, StepError, StepIo};
use trial::{Bench, Outcome, Part, Prune, State};
use trials::Trial;

/// Raised whenever the same search would give other bytes.
const REVISION: u32 = 2;

/// Searches parameters.
pub(crate) struct TuneSearch;

impl Step for TuneSearch {
    fn uses(&self) -> &'static str {
        "tune.search@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Tries parameters, of one algorithm or of several, and keeps the best model.",
            inputs: Ports::Named(vec![
                InputPort::required("train", ArtifactKind::Table, "rows to learn from"),
                InputPort::optional(
                    "valid",
                    ArtifactKind::Table,
                    "rows to judge trials by; without it those of `train` are split",
                ),
                InputPort::optional(
                    "candidates",
                    ArtifactKind::Metrics,
                    "results that the choice of algorithm waits for",
                )
                .many(),
            ]),
            outputs: Ports::Named(vec![
                InputPort::required(
                    "model",
                    ArtifactKind::Model,
                    "a model with the best trial's parameters",
                ),
                InputPort::optional(
                    "metrics",
                    ArtifactKind::Metrics,
                    "the best trial's metrics by name, and all trials under `trials`",
                ),
                InputPort::optional(
                    "trials",
                    ArtifactKind::Table,
                    "a row for each trial: state, metric, budget, steps, parameters",
                ),
                InputPort::optional(
                    "timings",
                    ArtifactKind::Table,
                    "seconds of each trial; of all outputs the only one that is not the same every time",
                ),
                InputPort::optional(
                    "report",
                    ArtifactKind::Report,
                    "how the search went and which parameters mattered, with pictures",
                ),
            ]),
            params: schemars::schema_for!(Params).to_value(),
            revision: REVISION,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match train::known_parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let schema = inference::table(request, "train");
        let label = params
            .label
            .as_deref()
            .or_else(|| schema?.label.as_deref())
            .and_then(|name| schema?.column(name));
        let purpose = params.purpose(label.map(|column| &column.data_type));
        let mut answer = Inference::default();
        let known = !train::is_unknown(request, "algorithm");
        let algorithms = known.then(|| params.algorithms());
        for algorithm in algorithms.iter().flatten() {
            answer
                .findings
                .extend(train::wrong_algorithm(*algorithm, purpose));
        }
        if answer.findings.is_empty() {
            answer
                .findings
                .extend(wrong_space(&params, purpose, algorithms.as_deref()));
        }
        answer.findings.extend(wrong_goal(&params, purpose));
        answer.findings.extend(wrong_validation(&params, request));
        if !train::is_unknown(request, "label") && !train::is_unknown(request, "features") {
            train::answer_for_model(request, &mut answer, params.told(purpose), "model");
        }
        let known = known && !train::is_unknown(request, "search") && !train::is_unknown(request, "params");
        for (output, schema) in [
            (
                "trials",
                params
                    .plan()
                    .ok()
                    .filter(|_| known)
                    .map(|plan| trials::schema(plan.space())),
            ),
            ("timings", Some(trials::timings_schema())),
        ] {
            if request.outputs.contains_key(output) {
                let shape = schema.map_or(Shape::UnknownTable, Shape::Table);
                answer.outputs.insert(output.to_owned(), shape);
            }
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io)
    }
}

/// What trials learn from and are judged by.
struct Rows {
    examples: Examples,
    valid: Option<Examples>,
    parts: Vec<Part>,
    /// In words.
    judged: String,
}

fn run(io: &mut StepIo) -> Result<(), StepError> {
    let params: Params = io.params()?;
    let opened = table::open(io, "train")?;
    let label = params.label.as_deref().or(opened.schema.label.as_deref());
    let label = label.and_then(|name| opened.schema.column(name));
    let purpose = params.purpose(label.map(|column| &column.data_type));
    if let Some(unfit) = params.algorithms().into_iter().find(|name| !name.is_for(purpose)) {
        return Err(StepError::rejected(format!(
            "`{}` cannot {}",
            unfit.name(),
            purpose.doing()
        )));
    }
    let plan = params.plan().map_err(StepError::rejected)?;
    let (roles, findings) = columns::roles(&opened.schema, "train", params.told(purpose));
    data::heed(io, findings)?;
    train::note_passed_over(io, &roles);
    let rows = rows(io, &params, purpose, &opened, &roles)?;
    let measure = match params.metric {
        Some(measure) if measure.purpose() == purpose => measure,
        Some(measure) => {
            let message = format!(
                "`{}` does not measure models that {}",
                measure.name(),
                purpose.doing()
            );
            return Err(StepError::rejected(message));
        }
        None => Measure::default_of(&rows.examples.task),
    };
    note_space(io, &params, &plan);

    let threads = data::threads(io);
    let workers = threads.min(params.max_parallel as usize).min(plan.jobs()).max(1);
    let bench = Bench {
        space: plan.space(),
        fixed: &params.params,
        class_weight: &params.class_weight,
        preprocessing: &params.preprocessing.clone().unwrap_or_default().0,
        roles: &roles,
        parts: rows.parts,
        measure,
        maximizes: params.maximizes(measure),
        prune: params.prune,
        factor: params.factor.max(2) as usize,
        resource: params.resource,
        seed: params.seed,
        threads: (threads / workers).max(1),
    };
    io.log(format!(
        "{} trials of {} on {} rows; {}",
        plan.trials(),
        crate::fault::list(
            &bench
                .space
                .algorithms()
                .iter()
                .map(|name| name.name())
                .collect::<Vec<_>>()
        ),
        grouped(rows.examples.count() as u64),
        rows.judged
    ));
    let (outcomes, journal) = search(io, &bench, &plan, workers)?;

    let Some(best) = best(&outcomes) else {
        let why = outcomes.iter().find_map(|outcome| outcome.failure.clone());
        return Err(StepError::rejected(match why {
            Some(why) => format!("no trial gave a model with a metric; the first one: {why}"),
            None => "no trial gave a model with a metric".to_owned(),
        }));
    };
    let model = bench
        .refit(best, &rows.examples, rows.valid.as_ref(), threads)?
        .with_data_types(&data::data_types(&opened, &roles));
    let trials = Trial::of(&outcomes, plan.trials());
    let single: Vec<&Outcome> = trials.iter().filter_map(Trial::last).collect();
    let importance = importance::importance(&plan, &single, params.seed);
    let findings = Findings {
        plan: &plan,
        trials: &trials,
        best,
        measure,
        maximizes: bench.maximizes,
        importance: &importance,
        judged: &rows.judged,
        method: method_name(params.method),
        seed: params.seed,
    };
    hand_on(io, &findings, &model, &rows.examples, rows.valid.as_ref())?;
    io.lineage(train::edges(&roles, "model"));
    outcome::keep_model(io, "model", &model)?;
    journal.close();
    Ok(())
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Random => "random search",
        Method::Grid => "grid search",
        Method::Tpe => "a tree-structured Parzen estimator",
        Method::Halving => "successive halving",
        Method::Hyperband => "Hyperband",
    }
}

/// Says which parameters say nothing to any algorithm of the search, and where defaults stand in.
fn note_space(io: &mut StepIo, params: &Params, plan: &Plan) {
    let algorithms = plan.space().algorithms();
    for name in params.search.keys().chain(params.params.keys()) {
        let of = Name::of(name);
        if !algorithms.iter().any(|algorithm| of.is_of(*algorithm)) {
            let names: Vec<&str> = algorithms.iter().map(|name| name.name()).collect();
            io.log(format!(
                "`{name}` has no effect on {}",
                crate::fault::list(&names)
            ));
        }
    }
    let own: Vec<&str> = plan
        .space()
        .axes
        .iter()
        .map(|axis| axis.name.as_str())
        .filter(|name| !params.search.contains_key(*name))
        .collect();
    if !own.is_empty() {
        io.log(format!("searched by default: {}", crate::fault::list(&own)));
    }
    if plan.is_cut {
        io.log(format!(
            "the grid has more combinations than `max_trials`: the first {} are tried",
            plan.trials()
        ));
    }
}

/// Reads the rows and splits them.
fn rows(
    io: &mut StepIo,
    params: &Params,
    purpose: Purpose,
    opened: &table::Table,
    roles: &columns::Roles,
) -> Result<Rows, StepError> {
    let weight = params.sample_weight.as_deref();
    let event_time = opened.schema.event_time.as_deref();
    let has_valid = io.input("valid").is_some();
    let validation = params.validation.clone().unwrap_or_default();
    let mut further: Vec<String> = params.sample_weight.iter().cloned().collect();
    if !has_valid {
        further.extend(validation.column.iter().cloned());
        further.extend(event_time.map(str::to_owned));
    }
    let frame = data::read(io, opened, roles, &further)?;
    let found = Classes::Found {
        positive: params.positive.as_ref(),
    };
    let found = (purpose == Purpose::Classes).then_some(&found);
    let examples = data::examples(&frame, roles, found, &params.categorical)?.weighted(&frame, weight)?;
    train::note_unlabelled(io, "train", &examples);
    examples.can_teach(roles)?;
    if let Some(valid) = train::read_valid(io, roles, &examples.task, &params.categorical, weight)? {
        let judged = format!("judged on {} rows of `valid`", grouped(valid.count() as u64));
        let every: Vec<usize> = (0..valid.count()).collect();
        let all: Vec<usize> = (0..examples.count()).collect();
        let part = Part::new(examples.take(&all)?, valid.take(&every)?, params.seed);
        return Ok(Rows {
            examples,
            valid: Some(valid),
            parts: vec![part],
            judged,
        });
    }
    let by = validation.by(&examples.task, event_time);
    let column = match validation.column(by, event_time) {
        Some(name) => Some(
            frame
                .column(name)
                .map_err(|_| StepError::rejected(format!("there is no column `{name}` to split rows by")))?,
        ),
        None => None,
    };
    let splits = validation.splits(by, &examples, column, params.seed)?;
    let how = match by {
        By::Random => "split by chance",
        By::Stratified => "split by chance within classes",
        By::Group => "split by group",
        By::Time => "split by time",
    };
    let judged = match splits.as_slice() {
        [only] => format!(
            "judged on a holdout of {} rows, {how}",
            grouped(only.valid.len() as u64)
        ),
        several => format!("judged by cross-validation over {} parts, {how}", several.len()),
    };
    let parts = splits
        .iter()
        .map(|split| Part::of(&examples, split, params.seed))
        .collect::<Result<Vec<Part>, StepError>>()?;
    Ok(Rows {
        examples,
        valid: None,
        parts,
        judged,
    })
}

/// Carries the search out, going on where an earlier attempt was.
fn search(
    io: &mut StepIo,
    bench: &Bench<'_>,
    plan: &Plan,
    workers: usize,
) -> Result<(Vec<Outcome>, Journal), StepError> {
    let journal = Journal::open(&io.checkpoint(), io.spec(), REVISION);
    if journal.len() > 0 {
        io.log(format!(
            "going on after {} jobs that an earlier attempt ended",
            journal.len()
        ));
    }
    let journal = Mutex::new(journal);
    let jobs = plan.jobs();
    let mut done = 0;
    let outcomes = crew::run(
        workers,
        jobs,
        |place| plan.needs(place),
        |place, seen: &[&Outcome]| {
            let job = plan.job(place, seen);
            let steps: Vec<Vec<(usize, f64)>> = match bench.prune {
                Prune::None => Vec::new(),
                _ => seen.iter().map(|outcome| outcome.steps.clone()).collect(),
            };
            (job, steps)
        },
        |place, (job, steps)| {
            let kept = {
                let journal = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                journal.outcome(place, &job).cloned()
            };
            match kept {
                Some(outcome) => Ok(outcome),
                None => bench.run(job, &steps),
            }
        },
        |place, outcome| {
            journal
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .keep(place, outcome);
            done += 1;
            io.progress(done, jobs as u64, "trainings");
            io.log(line(bench, outcome));
        },
    )?;
    let journal = journal.into_inner();
    Ok((
        outcomes,
        journal.unwrap_or_else(std::sync::PoisonError::into_inner),
    ))
}

fn line(bench: &Bench<'_>, outcome: &Outcome) -> String {
    let ended = match (outcome.state, outcome.value, &outcome.failure) {
        (State::Complete, Some(value), _) => format!("{} {value:.5}", bench.measure.name()),
        (State::Pruned, Some(value), _) => format!("pruned at {value:.5}"),
        (.., Some(failure)) => format!("failed: {failure}"),
        _ => "no metric".to_owned(),
    };
    let budget = match outcome.job.share {
        whole if whole >= 1.0 => String::new(),
        share => format!(" with {:.0} % of the budget", share * 100.0),
    };
    format!(
        "trial {}{budget}: {ended}, {:.1} s, {}",
        outcome.job.trial + 1,
        outcome.seconds,
        trials::described(&outcome.job.params)
    )
}

/// The best job with the whole budget; of equals the first.
fn best(outcomes: &[Outcome]) -> Option<&Outcome> {
    let whole = outcomes.iter().filter(|outcome| {
        outcome.state == State::Complete && outcome.job.share >= 1.0 && outcome.gain.is_some()
    });
    whole.reduce(|best, other| if other.gain > best.gain { other } else { best })
}

#[cfg(test)]
#[path = "tune_tests.rs"]
mod tests;

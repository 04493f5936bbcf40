//! Definitions for tests, in a few words.

use super::definition::*;
use super::{Event, Input, Run, RunStatus, StepState, What};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::task::{Failure, Limits, OutputDeclaration, ResourcesUsed};
use trainyard_contract::{ArtifactKind, ContentHash, FailureClass, Millis, OutputValue, RunId, Timestamp};

/// An instance with nothing special, and the names of what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) instance: Instance,
    needs: Vec<String>,
    takes: Vec<String>,
    collects: Vec<String>,
    hooked_to: Option<String>,
}

/// `name` is `step` or `step[cell]`.
pub(crate) fn step(name: &str) -> Draft {
    let bare = name.split('[').next().unwrap();
    let cell = name
        .split_once('[')
        .map(|(_, rest)| rest.trim_end_matches(']').to_owned());
    let matrix: Map<String, Value> = cell
        .into_iter()
        .map(|cell| ("cell".to_owned(), Value::String(cell)))
        .collect();
    let output = OutputDeclaration {
        kind: ArtifactKind::Number,
        contract: None,
        input_schema: None,
        output_schema: None,
        path: None,
    };
    Draft {
        instance: Instance {
            name: name.to_owned(),
            step: bare.parse().unwrap(),
            uses: "bench.noop@v1".to_owned(),
            runner: RunnerKind::Worker,
            effect: None,
            revision: 1,
            matrix,
            upstream: Vec::new(),
            inputs: IndexMap::new(),
            outputs: IndexMap::from([("out".to_owned(), output)]),
            with: Value::Null,
            condition: Condition::Always,
            process: None,
            secrets: Default::default(),
            memory: None,
            feature_use: Default::default(),
            features: Default::default(),
            retry: RetryPolicy {
                delay: Millis(1000),
                jitter: 0.0,
                ..RetryPolicy::default()
            },
            limits: Limits::default(),
            pool: None,
            cache: CachePolicy::Off,
            continue_on_error: false,
            tolerated_by: None,
            matrix_limits: None,
            for_each: None,
            repeat: None,
            approval: None,
            hook: None,
            tags: Vec::new(),
        },
        needs: Vec::new(),
        takes: Vec::new(),
        collects: Vec::new(),
        hooked_to: None,
    }
}

impl Draft {
    pub(crate) fn needs(mut self, names: &[&str]) -> Self {
        self.needs.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Takes the output `out` of each.
    pub(crate) fn takes(mut self, names: &[&str]) -> Self {
        self.takes.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Takes the output `out` of all of them as one input.
    pub(crate) fn collects(mut self, names: &[&str]) -> Self {
        self.collects.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    pub(crate) fn on_failure_of(mut self, name: &str) -> Self {
        self.hooked_to = Some(name.to_owned());
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Instance)) -> Self {
        change(&mut self.instance);
        self
    }

    pub(crate) fn when(self, text: &str) -> Self {
        self.with(|i| i.condition = Condition::When(text.to_owned()))
    }

    pub(crate) fn never(self) -> Self {
        self.with(|i| i.condition = Condition::Never("environment.name == 'prod'".to_owned()))
    }

    pub(crate) fn may_fail(self) -> Self {
        self.with(|i| i.continue_on_error = true)
    }

    pub(crate) fn attempts(self, most: u32) -> Self {
        self.with(|i| i.retry.max_attempts = most)
    }

    pub(crate) fn finally(self) -> Self {
        self.with(|i| i.hook = Some(Hook::Finally))
    }

    pub(crate) fn when_run_failed(self) -> Self {
        self.with(|i| i.hook = Some(Hook::RunFailed))
    }

    pub(crate) fn cells(self, max_parallel: Option<u32>, fail_fast: bool) -> Self {
        self.with(|i| {
            i.matrix_limits = Some(MatrixLimits {
                max_parallel,
                fail_fast,
            })
        })
    }

    /// Runs for each item of a list, or of what an expression gives.
    pub(crate) fn for_each(self, items: Value, max_parallel: Option<u32>, fail_fast: bool) -> Self {
        self.with(|i| {
            i.for_each = Some(ForEach {
                items,
                max_parallel,
                fail_fast,
                max_items: 100,
            })
        })
    }

    /// Repeats, a second between iterations, until an expression holds.
    pub(crate) fn repeats(self, until: &str, max_iterations: u32, on_limit: OnRepeatLimit) -> Self {
        self.with(|i| {
            i.repeat = Some(Repeat {
                until: format!("${{{{ {until} }}}}"),
                max_iterations,
                delay: Millis(1000),
                on_limit,
            })
        })
    }

    pub(crate) fn gate(self, rule: ApprovalRule) -> Self {
        self.with(|i| {
            i.uses = "gate.approval@v1".to_owned();
            i.runner = RunnerKind::Orchestrator;
            i.outputs.clear();
            i.approval = Some(rule);
        })
    }
}

pub(crate) fn rule(min_approvals: u32) -> ApprovalRule {
    ApprovalRule {
        roles: vec!["model_risk".to_owned()],
        min_approvals,
        not_author: true,
        expires: Some(Millis(3_600_000)),
        on_expire: OnExpire::Reject,
    }
}

pub(crate) fn definition(drafts: impl IntoIterator<Item = Draft>) -> RunDefinition {
    let drafts: Vec<Draft> = drafts.into_iter().collect();
    let ix: BTreeMap<String, InstanceIx> = (0..)
        .zip(&drafts)
        .map(|(ix, draft)| (draft.instance.name.clone(), ix))
        .collect();
    let instances = drafts.into_iter().map(|draft| {
        let mut instance = draft.instance;
        let mut edge = |name: &String, data| {
            instance.upstream.push(Upstream {
                instance: ix[name],
                data,
            })
        };
        draft.needs.iter().for_each(|name| edge(name, false));
        draft
            .takes
            .iter()
            .chain(&draft.collects)
            .for_each(|name| edge(name, true));
        for name in &draft.takes {
            let input = BoundInput::Output {
                instance: ix[name],
                output: "out".to_owned(),
            };
            instance.inputs.insert(format!("in{}", ix[name]), input);
        }
        if !draft.collects.is_empty() {
            let instances = draft.collects.iter().map(|name| ix[name]).collect();
            let input = BoundInput::Collected {
                instances,
                output: "out".to_owned(),
            };
            instance.inputs.insert("all".to_owned(), input);
        }
        if let Some(name) = draft.hooked_to {
            instance.hook = Some(Hook::OnFailure(ix[&name]));
        }
        instance
    });
    RunDefinition {
        version: DEFINITION_VERSION,
        pipeline: "example".parse().unwrap(),
        pipeline_hash: ContentHash::of(b"example"),
        file: "pipelines/example.yaml".to_owned(),
        documents: Vec::new(),
        code: None,
        owner: None,
        cost_center: None,
        environment: Some("dev".to_owned()),
        params: IndexMap::new(),
        vars: Map::new(),
        trigger: serde_json::json!({"type": "manual"}),
        caller: None,
        seed: 42,
        contracts: BTreeMap::new(),
        datasets: IndexMap::new(),
        files: BTreeMap::new(),
        instances: instances.collect(),
        bounds: Default::default(),
        concurrency: None,
        priority: None,
        pools: BTreeMap::new(),
        notices: Default::default(),
        not_obeyed: Vec::new(),
        as_written: IndexMap::new(),
        sections: None,
        reproduces: None,
    }
}

pub(crate) fn run_id(number: u64) -> RunId {
    RunId::from_parts(number, [0; 10])
}

/// A run with a hand on its clock, and everything it decided.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) run: Run,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
}

impl Play {
    pub(crate) fn new(drafts: impl IntoIterator<Item = Draft>) -> Self {
        let run = Run::new(run_id(1), Arc::new(definition(drafts))).unwrap();
        Self {
            run,
            now: Timestamp(1_000_000),
            events: Vec::new(),
        }
    }

    pub(crate) fn started(drafts: impl IntoIterator<Item = Draft>) -> Self {
        let mut play = Self::new(drafts);
        play.decide(Input::Start {
            by: "ada".to_owned(),
            select: None,
        });
        play
    }

    pub(crate) fn selected(drafts: impl IntoIterator<Item = Draft>, names: &[&str]) -> Self {
        let mut play = Self::new(drafts);
        let select: BTreeSet<InstanceIx> = names.iter().map(|name| play.ix(name)).collect();
        play.decide(Input::Start {
            by: "ada".to_owned(),
            select: Some(select),
        });
        play
    }

    /// Decides, and holds the run against its replay.
    pub(crate) fn decide(&mut self, input: Input) -> Vec<What> {
        let events = self.run.decide(self.now, input);
        self.events.extend(events.iter().cloned());
        let mut replayed =
            Run::replay(self.run.id().clone(), self.run.definition().clone(), &self.events).unwrap();
        assert_eq!(
            replayed.decide(self.now, Input::Tick),
            [],
            "a replay has something left to decide"
        );
        assert_eq!(replayed.status(), self.run.status());
        assert!(replayed.steps().eq(self.run.steps()), "a replay differs");
        events.into_iter().map(|event| event.what).collect()
    }

    pub(crate) fn ix(&self, name: &str) -> InstanceIx {
        let found = self.run.find(name);
        found.unwrap_or_else(|| panic!("no instance {name}"))
    }

    pub(crate) fn step(&self, name: &str) -> &StepState {
        self.run.step(self.ix(name))
    }

    pub(crate) fn launch(&mut self, name: &str) -> u32 {
        let step = self.ix(name);
        match self.decide(Input::Launch { step, key: None }).first() {
            Some(What::AttemptStarted { attempt, .. }) => *attempt,
            other => panic!("{name} did not start: {other:?}"),
        }
    }

    /// Launches it if it does not run, and lets it succeed with a number.
    pub(crate) fn ok(&mut self, name: &str) {
        let attempt = self.attempt(name);
        let what = self.decide(Input::Succeeded {
            step: self.ix(name),
            attempt,
            outputs: IndexMap::from([("out".to_owned(), OutputValue::Value(serde_json::json!(7)))]),
            metrics: IndexMap::from([("auc".to_owned(), 0.75)]),
            headline: None,
            resources: ResourcesUsed::default(),
        });
        assert!(!what.is_empty(), "{name} may not succeed");
    }

    /// Launches it if it does not run, and lets it fail.
    pub(crate) fn fails(&mut self, name: &str, class: FailureClass) -> Vec<What> {
        self.fails_with(name, class, IndexMap::new())
    }

    /// The same, after it had made something.
    pub(crate) fn fails_with(
        &mut self,
        name: &str,
        class: FailureClass,
        kept: IndexMap<String, OutputValue>,
    ) -> Vec<What> {
        let attempt = self.attempt(name);
        self.decide(Input::Failed {
            step: self.ix(name),
            attempt,
            failure: Failure::new(class, "it failed"),
            resources: ResourcesUsed::default(),
            kept,
        })
    }

    pub(crate) fn lost(&mut self, name: &str) -> Vec<What> {
        let attempt = self.attempt(name);
        self.decide(Input::Lost {
            step: self.ix(name),
            attempt,
        })
    }

    pub(crate) fn answers(&mut self, name: &str, by: &str, approve: bool) -> Vec<What> {
        self.decide(Input::Answer {
            step: self.ix(name),
            by: by.to_owned(),
            role: Some("model_risk".to_owned()),
            approve,
            comment: None,
            is_author: by == "ada",
        })
    }

    pub(crate) fn passes(&mut self, span: Millis) -> Vec<What> {
        self.now = self.now.plus(span);
        self.decide(Input::Tick)
    }

    fn attempt(&mut self, name: &str) -> u32 {
        match self.step(name) {
            StepState::Running { attempt, .. } => *attempt,
            _ => self.launch(name),
        }
    }

    pub(crate) fn ready(&self) -> Vec<String> {
        self.run.ready().map(|ix| self.name(ix)).collect()
    }

    pub(crate) fn name(&self, ix: InstanceIx) -> String {
        self.run.name(ix).into_owned()
    }

    /// Every instance with its state in a word or two, and the status: `a succeeded, b skipped (if); Running`.
    pub(crate) fn view(&self) -> String {
        use super::SkipReason::*;
        let steps = self.run.steps().map(|(ix, state)| {
            let why = match state {
                StepState::Skipped { because: Condition } => " (if)".to_owned(),
                StepState::Skipped {
                    because: Upstream { step },
                } => format!(" (no data of {})", self.name(*step)),
                StepState::Skipped {
                    because: UpstreamFailed { step },
                } => format!(" (after {})", self.name(*step)),
                StepState::Skipped { because: NotNeeded } => " (not needed)".to_owned(),
                StepState::Skipped { because: NotSelected } => " (not selected)".to_owned(),
                StepState::Succeeded { from: Some(_), .. } => " (reused)".to_owned(),
                _ => String::new(),
            };
            format!("{} {}{why}", self.name(ix), state.word())
        });
        let status = match self.run.status() {
            RunStatus::Ended(outcome) => format!("{outcome:?}"),
            status => format!("{status:?}"),
        };
        format!("{}; {status}", steps.collect::<Vec<_>>().join(", "))
    }
}

//! The page of a search: what it found, how it went, and what mattered.

use super::picture::{self, Dot};
use super::plan::Plan;
use super::space::{Axis, Range};
use super::trial::{Outcome, State};
use super::trials::{Trial, described, shown};
use crate::page::{Cell, Page, Tone, mark};
use crate::table::grouped;
use crate::train::judge::Measure;
use serde_json::{Value, json};

/// Trials shown in the table.
const SHOWN: usize = 50;

/// What a page is made of.
pub(super) struct Findings<'f> {
    pub(super) plan: &'f Plan,
    pub(super) trials: &'f [Trial<'f>],
    pub(super) best: &'f Outcome,
    pub(super) measure: Measure,
    pub(super) maximizes: bool,
    pub(super) importance: &'f [(String, f64)],
    /// What trials were judged by, in words.
    pub(super) judged: &'f str,
    pub(super) method: &'f str,
    pub(super) seed: u64,
}

impl Findings<'_> {
    fn name(&self) -> &'static str {
        self.measure.name()
    }

    fn complete(&self) -> Vec<&Outcome> {
        self.trials
            .iter()
            .filter(|trial| trial.state() == State::Complete)
            .filter_map(Trial::last)
            .collect()
    }

    /// Complete trials, best first.
    fn ranked(&self) -> Vec<&Outcome> {
        let mut complete = self.complete();
        complete.sort_by(|left, right| {
            let of = |outcome: &Outcome| outcome.gain.unwrap_or(f64::NEG_INFINITY);
            of(right)
                .total_cmp(&of(left))
                .then(left.job.trial.cmp(&right.job.trial))
        });
        complete
    }

    pub(super) fn page(&self) -> String {
        let mut page = Page::new("Search of parameters");
        let of = |state| self.trials.iter().filter(|trial| trial.state() == state).count();
        let deviation = match self.best.deviation {
            Some(deviation) => format!(" ± {deviation:.5} (standard deviation over parts)"),
            None => String::new(),
        };
        page.text(&format!(
            "Best: trial {} with {} {:.5}{deviation}, {}.",
            self.best.job.trial + 1,
            self.name(),
            self.best.value.unwrap_or(f64::NAN),
            self.judged
        ));
        page.text(&format!(
            "{} trials by {}, seed {}: {} complete, {} cut off early, {} failed. {} {} is better. \
             The best of many trials looks better than it is: judge the model by rows that no trial has seen.",
            grouped(self.trials.len() as u64),
            self.method,
            self.seed,
            of(State::Complete),
            of(State::Pruned),
            of(State::Failed),
            if self.maximizes { "Higher" } else { "Lower" },
            self.name()
        ));
        page.heading("Best parameters");
        let rows: Vec<Vec<Cell>> = self
            .best
            .job
            .params
            .iter()
            .map(|(name, value)| vec![name.clone().into(), shown(value).into()])
            .collect();
        page.table(&["parameter", "value"], &rows);
        page.heading("How the search went");
        page.html(&format!("<figure>{}</figure>\n", self.history()));
        if !self.importance.is_empty() {
            page.heading("What mattered");
            page.text(&format!(
                "Share of each parameter in how {} varies over the space, all others averaged out \
                 (functional analysis of variance over a forest of {} complete trials; Hutter et al. 2014). \
                 What is missing to 1 lies in how parameters act together.",
                self.name(),
                self.complete().len()
            ));
            page.html(&format!("<figure>{}</figure>\n", picture::bars(self.importance)));
        }
        self.slices(&mut page);
        page.heading("Trials, best first");
        self.table(&mut page);
        page.finish()
    }

    fn history(&self) -> String {
        let mut dots = Vec::new();
        let mut best: Vec<(f64, f64)> = Vec::new();
        for trial in self.trials {
            let Some(last) = trial.last() else { continue };
            let Some(value) = last.value else { continue };
            let complete = trial.state() == State::Complete;
            let x = last.job.trial as f64 + 1.0;
            dots.push(Dot {
                x,
                y: value,
                faint: !complete,
                title: format!(
                    "trial {}: {value:.5}, {}",
                    last.job.trial + 1,
                    described(&last.job.params)
                ),
            });
            if complete {
                let better = best.last().is_none_or(|(_, before)| {
                    if self.maximizes {
                        value > *before
                    } else {
                        value < *before
                    }
                });
                best.push((
                    x,
                    if better {
                        value
                    } else {
                        best.last().map_or(value, |last| last.1)
                    },
                ));
            }
        }
        picture::scatter("trial", self.name(), &dots, &best, None)
    }

    fn slices(&self, page: &mut Page) {
        let ranked = self.ranked();
        let axes: Vec<&Axis> = self.plan.space().axes.iter().collect();
        if ranked.len() < 2 || axes.is_empty() {
            return;
        }
        page.heading("Parameter by parameter");
        let cards: Vec<String> = axes
            .iter()
            .map(|axis| {
                let dots: Vec<Dot> = ranked
                    .iter()
                    .filter_map(|outcome| {
                        let value = outcome.job.params.get(&axis.name)?;
                        Some(Dot {
                            x: axis.range.place_of(value),
                            y: outcome.value?,
                            faint: false,
                            title: format!("trial {}: {} {}", outcome.job.trial + 1, axis.name, shown(value)),
                        })
                    })
                    .collect();
                let ends = ends(&axis.range);
                let drawn = picture::scatter(&axis.name, self.name(), &dots, &[], Some(&ends));
                format!("<figure>{drawn}</figure>")
            })
            .collect();
        page.html(&format!("<div class=\"pictures\">{}</div>\n", cards.join("")));
        if axes.len() > 1 {
            page.heading("Parameters together");
            page.text("Each line is a complete trial; the best tenth is drawn strongly.");
            let names: Vec<(String, (String, String))> = axes
                .iter()
                .map(|axis| (axis.name.clone(), ends(&axis.range)))
                .collect();
            let strong = ranked.len().div_ceil(10);
            // Weak lines first, so that strong ones lie above them.
            let lines: Vec<(Vec<Option<f64>>, bool)> = ranked
                .iter()
                .enumerate()
                .rev()
                .map(|(rank, outcome)| {
                    let places = axes
                        .iter()
                        .map(|axis| Some(axis.range.place_of(outcome.job.params.get(&axis.name)?)));
                    (places.collect(), rank < strong)
                })
                .collect();
            page.html(&format!(
                "<figure>{}</figure>\n",
                picture::parallel(&names, &lines)
            ));
        }
    }

    fn table(&self, page: &mut Page) {
        let mut all: Vec<&Trial<'_>> = self.trials.iter().collect();
        all.sort_by(|left, right| {
            let key = |trial: &Trial<'_>| (trial.state() != State::Complete, trial.state() == State::Failed);
            let gain = |trial: &Trial<'_>| {
                trial
                    .last()
                    .and_then(|last| last.gain)
                    .unwrap_or(f64::NEG_INFINITY)
            };
            key(left)
                .cmp(&key(right))
                .then(gain(right).total_cmp(&gain(left)))
        });
        let rows: Vec<Vec<Cell>> = all
            .iter()
            .take(SHOWN)
            .filter_map(|trial| {
                let last = trial.last()?;
                let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.5}"));
                let tone = match trial.state() {
                    State::Complete => Tone::Plain,
                    State::Pruned => Tone::Warn,
                    State::Failed => Tone::Fail,
                };
                let rounds = last.rounds.map_or(String::new(), |rounds| format!("{rounds:.0}"));
                Some(vec![
                    Cell::Number((last.job.trial + 1).to_string()),
                    Cell::Number(number(last.value)),
                    Cell::Number(number(last.deviation)),
                    Cell::Markup(mark(trial.state().name(), tone)),
                    Cell::Number(rounds),
                    described(&last.job.params).into(),
                    last.failure.clone().unwrap_or_default().into(),
                ])
            })
            .collect();
        let head = [
            "trial",
            self.name(),
            "deviation",
            "state",
            "rounds",
            "parameters",
            "why it failed",
        ];
        page.table(&head, &rows);
        if all.len() > SHOWN {
            page.text(&format!(
                "{} more are in the table `trials`.",
                grouped((all.len() - SHOWN) as u64)
            ));
        }
    }

    /// The page's figures for programs.
    pub(super) fn json(&self) -> Value {
        let importance: Vec<Value> = self
            .importance
            .iter()
            .map(|(name, share)| json!({"parameter": name, "share": share}))
            .collect();
        json!({
            "metric": self.name(),
            "higher_is_better": self.maximizes,
            "method": self.method,
            "seed": self.seed,
            "judged": self.judged,
            "best": self.best.job.trial + 1,
            "value": self.best.value,
            "deviation": self.best.deviation,
            "params": self.best.job.params,
            "importance": importance,
            "trials": self.trials.iter().map(|trial| trial.record(self.measure, self.plan.space())).collect::<Vec<Value>>(),
        })
    }
}

/// What stands at the ends of an axis.
fn ends(range: &Range) -> (String, String) {
    match range {
        Range::Choice(values) => {
            let of = |value: Option<&Value>| value.map_or(String::new(), shown);
            (of(values.first()), of(values.last()))
        }
        Range::Int { low, high, log, .. } => (low.to_string(), with_log(high.to_string(), *log)),
        Range::Float { low, high, log, .. } => (shown(&json!(low)), with_log(shown(&json!(high)), *log)),
    }
}

fn with_log(end: String, log: bool) -> String {
    if log { format!("{end} (log)") } else { end }
}

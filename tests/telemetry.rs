//! Runs as traces and the log as log records, at a collector that reads what it is sent.

use crate::collector::{Collector, Manner, attribute, hex};
use crate::http::Served;
use crate::yard::Yard;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;
use std::process::{Command, Stdio};

const TRACED: &str = r#"
version: 1
name: test
steps:
  first: {uses: debug.noop@v1}
  tell:
    needs: [first]
    run: printf '%s' "$TRACEPARENT" > "$OUT_span"
    outputs: {span: {type: file, path: span.txt}}
  fails:
    needs: [tell]
    run: |
      echo about to fail
      [ -e "$PROJECT/mended" ]
    env: {PROJECT: "@PROJECT@"}
"#;

/// What a caller says of its own span.
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced() -> Yard {
    let yard = Yard::with("");
    let text = TRACED.replace("@PROJECT@", &yard.path().display().to_string());
    yard.write("pipeline.yaml", &text);
    yard
}

fn with_telemetry<'a>(command: &'a mut Command, endpoint: &str) -> &'a mut Command {
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_SERVICE_NAME", "yard")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("OTEL_BLRP_SCHEDULE_DELAY", "50")
}

fn serve(yard: &Yard, endpoint: &str) -> Served {
    let mut command = yard.command(&["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
    with_telemetry(&mut command, endpoint).stderr(Stdio::null());
    Served::start_command(command)
}

#[test]
fn a_run_is_a_trace_whose_spans_are_the_attempts_of_its_steps() {
    let collector = Collector::start(Manner::Takes);
    let yard = traced();
    let mut command = yard.command(&["run", "pipeline.yaml"]);
    with_telemetry(&mut command, &collector.endpoint)
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ml%20ops")
        .env("TRACEPARENT", CALLER);
    assert_eq!(command.output().unwrap().status.code(), Some(1));

    let resource = collector.resource().attributes;
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("yard"));
    assert!(
        collector
            .headers()
            .iter()
            .all(|headers| headers["x-team"] == "ml ops")
    );

    let [run] = &collector.spans("RUN test", 1)[..] else {
        panic!("one run")
    };
    let id = attribute(&run.attributes, "cicd.pipeline.run.id").unwrap();
    assert_eq!(
        attribute(&run.attributes, "cicd.pipeline.name").as_deref(),
        Some("test")
    );
    assert_eq!(
        attribute(&run.attributes, "cicd.pipeline.result").as_deref(),
        Some("failure")
    );
    assert_eq!(
        attribute(&run.attributes, "error.type").as_deref(),
        Some("exit_code")
    );
    assert_eq!(run.kind, SpanKind::Server as i32);
    let status = run.status.as_ref().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    assert!(status.message.starts_with("fails: "), "{}", status.message);
    let [link] = &run.links[..] else {
        panic!("{:?}", run.links)
    };
    assert!(CALLER.contains(&hex(&link.trace_id)) && CALLER.contains(&hex(&link.span_id)));

    for (step, result) in [("first", "success"), ("tell", "success"), ("fails", "failure")] {
        let [span] = &collector.spans(&format!("RUN {step}"), 1)[..] else {
            panic!("{step}")
        };
        assert_eq!(span.trace_id, run.trace_id);
        assert_eq!(span.parent_span_id, run.span_id);
        let of = |key: &str| attribute(&span.attributes, key).unwrap();
        assert_eq!(of("cicd.pipeline.task.name"), step);
        assert_eq!(of("cicd.pipeline.task.run.id"), format!("{step}#1"));
        assert_eq!(of("cicd.pipeline.task.run.result"), result);
        assert!(run.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.end_time_unix_nano <= run.end_time_unix_nano);
    }
    let fails = collector.spans("RUN fails", 1).remove(0);
    let thrown = fails
        .events
        .iter()
        .find(|event| event.name == "exception")
        .unwrap();
    let tail = attribute(&thrown.attributes, "exception.stacktrace").unwrap();
    assert!(tail.contains("about to fail"), "{tail}");

    // What the command saw is its own span.
    let tell = collector.spans("RUN tell", 1).remove(0);
    let made = yard.json(&["runs", "show", &id]);
    let told = collector_span_of(&yard, &made);
    assert_eq!(
        told,
        format!("00-{}-{}-01", hex(&tell.trace_id), hex(&tell.span_id))
    );

    let record = collector.record("run_ended");
    assert_eq!(record.trace_id, run.trace_id);
    assert_eq!(record.severity_text, "INFO");
    assert_eq!(attribute(&record.attributes, "cicd.pipeline.run.id"), Some(id));
    assert_eq!(
        attribute(&record.attributes, "trainyard.outcome").as_deref(),
        Some("failed")
    );
}

/// The text that the step `tell` has made.
fn collector_span_of(yard: &Yard, run: &serde_json::Value) -> String {
    let text = run.to_string();
    let found = walk(&yard.home().join("objects"));
    let spans: Vec<String> = found
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .filter(|content| content.starts_with("00-") && content.len() == CALLER.len())
        .collect();
    assert_eq!(spans.len(), 1, "{text}");
    spans[0].clone()
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_retry_on_another_server_goes_on_in_the_same_trace() {
    let collector = Collector::start(Manner::Takes);
    let yard = traced();
    let served = serve(&yard, &collector.endpoint);
    let headers = [("Content-Type", "application/json"), ("traceparent", CALLER)];
    let body = json!({ "pipeline": "test" }).to_string();
    let reply = served.send("POST", "/api/v1/runs", &headers, &body);
    let run = reply.expect(201)["id"].as_str().unwrap().to_owned();
    served.ended(&run);

    // The request is a span of the caller's trace, and the run is linked with it.
    let [request] = &collector.spans("POST /api/v1/runs", 1)[..] else {
        panic!("one request")
    };
    assert!(CALLER.contains(&hex(&request.trace_id)));
    assert!(CALLER.contains(&hex(&request.parent_span_id)));
    assert_eq!(
        attribute(&request.attributes, "http.response.status_code").as_deref(),
        Some("201")
    );
    let first = collector.spans("RUN test", 1).remove(0);
    let [link] = &first.links[..] else {
        panic!("{:?}", first.links)
    };
    assert_eq!(
        (&link.trace_id, &link.span_id),
        (&request.trace_id, &request.span_id)
    );
    assert_eq!(served.terminate(), Some(0));

    yard.write("mended", "");
    let served = serve(&yard, &collector.endpoint);
    served
        .post(&format!("/api/v1/runs/{run}/retry"), &json!({}))
        .expect(202);
    let rounds = collector.spans("RUN test", 2);
    let (first, second) = (&rounds[0], &rounds[1]);
    assert_eq!(served.ended(&run)["status"], "succeeded");
    assert_eq!(second.trace_id, first.trace_id);
    assert_ne!(second.span_id, first.span_id);
    assert_eq!(second.parent_span_id, first.span_id);
    let again = collector.spans("RUN fails", 2).remove(1);
    assert_eq!(again.parent_span_id, second.span_id);
    assert_eq!(
        attribute(&again.attributes, "trainyard.attempt").as_deref(),
        Some("2")
    );
    let spans = collector.all_spans();
    let mut ids: Vec<_> = spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "no span is told twice");
}

#[test]
fn nothing_is_sent_and_nothing_told_to_steps_unless_somebody_asks_for_it() {
    let collector = Collector::start(Manner::Takes);
    let yard = Yard::with("version: 1\nname: test\nsteps:\n  say: {run: '[ -z \"${TRACEPARENT:-}\" ]'}\n");
    let mut command = yard.command(&["run", "pipeline.yaml"]);
    with_telemetry(&mut command, &collector.endpoint).env("OTEL_SDK_DISABLED", "true");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert_eq!(collector.headers().len(), 0);
}

#[test]
fn a_collector_that_is_away_silent_or_refusing_fails_no_run_and_the_loss_is_told() {
    let away = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", gone.local_addr().unwrap())
    };
    let silent = Collector::start(Manner::IsSilent);
    let refusing = Collector::start(Manner::Answers(400));
    let overloaded = Collector::start(Manner::Answers(503));
    for endpoint in [&away, &silent.endpoint, &refusing.endpoint, &overloaded.endpoint] {
        let yard = Yard::with("version: 1\nname: test\nsteps:\n  say: {run: echo hello}\n");
        let mut command = yard.command(&["run", "pipeline.yaml"]);
        with_telemetry(&mut command, endpoint);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{endpoint}: {said}");
        assert!(said.contains("did not reach the collector"), "{endpoint}: {said}");
    }
}

#[test]
fn a_server_counts_what_its_collector_did_not_take() {
    for (manner, result) in [(Manner::Answers(400), "refused"), (Manner::Rejects(1), "refused")] {
        let collector = Collector::start(manner);
        let yard = Yard::with("version: 1\nname: test\nsteps:\n  say: {run: echo hello}\n");
        let served = serve(&yard, &collector.endpoint);
        let run = served.run("test");
        assert_eq!(served.ended(&run)["status"], "succeeded");
        collector.asked(1);
        let counted = format!("trainyard_telemetry_items_total{{signal=\"logs\",result=\"{result}\"}}");
        // The request is counted just after its answer has come; a further one comes after that.
        loop {
            let text = served.get("/metrics").text();
            if text.contains(&counted) {
                break;
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_of_the_environment_is_not_understood_is_said_and_the_run_goes_on() {
    let yard = Yard::with("version: 1\nname: test\nsteps:\n  say: {run: echo hello}\n");
    let mut command = yard.command(&["run", "pipeline.yaml"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_PROTOCOL is `http/protobuf`"),
        "{said}"
    );
}

//! What MLflow's clients ask, and what they are told: requests of the Python client 3.17 as it sent them, what
//! runs of pipelines track by themselves, and the ways in which others' servers were broken.

use crate::http::{Reply, Served};
use crate::yard::Yard;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PIPELINE: &str = "version: 1\nname: demo\nparams:\n  size: {type: integer, default: 3}\nsteps:\n  only: {uses: debug.noop@v1}\n";

/// Requests and answers of a whole session, one pair a line. `{{run1}}` and the like stand for what the server
/// names, `*` for times and users.
const SESSION: &str = include_str!("mlflow/session.ndjson");

/// Whether an answer is as recorded; names that are new are learned.
fn same(recorded: &Value, found: &Value, names: &mut BTreeMap<String, String>) -> bool {
    match (recorded, found) {
        (Value::String(text), found) if text == "*" => !found.is_null(),
        (Value::String(text), Value::String(found)) => {
            if text.starts_with("{{") && text.ends_with("}}") && !names.contains_key(text) {
                names.insert(text.clone(), found.clone());
            }
            filled(text, names) == *found
        }
        (Value::Array(all), Value::Array(found)) => {
            all.len() == found.len() && all.iter().zip(found).all(|(one, found)| same(one, found, names))
        }
        (Value::Object(all), Value::Object(found)) => {
            all.len() == found.len()
                && all
                    .iter()
                    .all(|(key, one)| found.get(key).is_some_and(|found| same(one, found, names)))
        }
        (one, found) => one == found,
    }
}

/// A text with the names as this server has given them.
fn filled(text: &str, names: &BTreeMap<String, String>) -> String {
    names
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[test]
fn a_whole_session_of_the_python_client_is_answered_as_recorded() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    let mut names = BTreeMap::new();
    let mut count = 0;
    for line in SESSION.lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| pair[field].as_str().unwrap();
        let path = filled(text("path"), &names);
        let body = match &pair["body"] {
            Value::Null => String::new(),
            body => filled(&body.to_string(), &names),
        };
        let reply = served.send(
            text("method"),
            &path,
            &[("Content-Type", "application/json")],
            &body,
        );
        let found: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            u64::from(reply.status),
            pair["status"].as_u64().unwrap(),
            "{path} {body}: {found}"
        );
        assert!(
            same(&pair["answer"], &found, &mut names),
            "{path} {body}\nrecorded {}\nfound    {found}",
            pair["answer"]
        );
        count += 1;
    }
    assert!(count > 80, "{count} pairs");
}

fn call(served: &Served, path: &str, body: &Value) -> Value {
    served.post(&format!("/api/2.0/mlflow/{path}"), body).expect(200)
}

fn run_of(served: &Served) -> String {
    let made = call(served, "runs/create", &json!({ "experiment_id": "0" }));
    made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_of_a_pipeline_is_a_tracked_run_with_its_steps_below() {
    let yard = Yard::with(
        "version: 1\nname: demo\nparams:\n  size: {type: integer, default: 3}\nsteps:\n  only: {uses: debug.noop@v1}\n  \
         show:\n    run: 'echo $MLFLOW_RUN_ID > \"$OUT_id\"; echo $MLFLOW_TRACKING_URI >> \"$OUT_id\"'\n    outputs: {id: {type: file, path: id.txt}}\n",
    );
    let served = Served::start(&yard);
    let run = served.run("demo");
    let document = served.ended(&run);
    assert_eq!(document["status"], "succeeded", "{document}");
    let found = served
        .get(&format!("/api/2.0/mlflow/runs/get?run_id={run}"))
        .expect(200);
    let whole = &found["run"];
    assert_eq!(whole["info"]["status"], "FINISHED");
    assert_eq!(whole["data"]["params"], json!([{ "key": "size", "value": "3" }]));
    let experiment = &whole["info"]["experiment_id"];
    let named = served
        .get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=demo")
        .expect(200);
    assert_eq!(named["experiment"]["experiment_id"], *experiment);
    let below = call(
        &served,
        "runs/search",
        &json!({ "experiment_ids": [experiment], "filter": format!("tags.mlflow.parentRunId = '{run}'"), "order_by": ["run_name"] }),
    );
    let below = below["runs"].as_array().unwrap();
    let names: Vec<&str> = below
        .iter()
        .map(|run| run["info"]["run_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["only", "show"]);
    assert!(below.iter().all(|run| run["info"]["status"] == "FINISHED"));
    let show = below[1]["info"]["run_id"].as_str().unwrap();
    let files = served
        .get(&format!("/api/2.0/mlflow/artifacts/list?run_id={show}"))
        .expect(200);
    let path = files["files"][0]["path"].as_str().unwrap();
    let content = served.get(&format!("/get-artifact?run_id={show}&path={path}"));
    assert_eq!(
        String::from_utf8_lossy(&content.body),
        format!("{show}\nhttp://{}\n", served.address),
        "a command finds the run of its step"
    );
}

fn put(served: &Served, path: &str, body: &str) -> Reply {
    served.send(
        "PUT",
        &format!("/api/2.0/mlflow-artifacts/artifacts/{path}"),
        &[],
        body,
    )
}

#[test]
fn files_go_up_and_down_and_are_listed() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    let run = run_of(&served);
    let place = format!("0/{run}/artifacts");
    let large = "x".repeat(3 << 20);
    for (name, content) in [("a/b.txt", "hello"), ("a/b%20c", "space"), ("big", &large)] {
        assert_eq!(
            put(&served, &format!("{place}/{name}"), content).status,
            200,
            "{name}"
        );
    }
    let reply = served.get(&format!("/api/2.0/mlflow-artifacts/artifacts/{place}/big"));
    assert_eq!((reply.status, reply.body.len()), (200, large.len()));
    let listed = served
        .get(&format!("/api/2.0/mlflow/artifacts/list?run_id={run}&path=a"))
        .expect(200);
    assert_eq!(
        listed["files"],
        json!([{ "path": "a/b c", "is_dir": false, "file_size": 5 }, { "path": "a/b.txt", "is_dir": false, "file_size": 5 }])
    );
    let html = format!("{place}/page.html");
    put(&served, &html, "<script>alert(1)</script>");
    let page = served.get(&format!("/api/2.0/mlflow-artifacts/artifacts/{html}"));
    let header = |name: &str| {
        let found = page
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str()).to_owned()
    };
    assert_eq!(header("content-type"), "application/octet-stream");
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    let gone = served.send(
        "DELETE",
        &format!("/api/2.0/mlflow-artifacts/artifacts/{place}/a"),
        &[],
        "",
    );
    assert_eq!(gone.status, 200);
    assert_eq!(
        served
            .get(&format!("/get-artifact?run_id={run}&path=a/b.txt"))
            .status,
        404
    );
}

/// The classes of CVE-2023-1177, CVE-2023-2356, CVE-2023-2780, CVE-2023-6831, CVE-2024-1560, CVE-2024-1593 and
/// CVE-2025-11201: a name that leads out of the artifacts, however it is written, wherever it is taken.
#[test]
fn path_traversal_in_artifact_names_is_refused_everywhere() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    let run = run_of(&served);
    let other = run_of(&served);
    put(&served, &format!("0/{other}/artifacts/secret"), "not yours");
    yard.write("canary", "untouched");
    for name in [
        "../canary",
        "..%2fcanary",
        "%2e%2e/canary",
        "%2E%2E%2Fcanary",
        "%252e%252e%252fcanary",
        "..%5ccanary",
        "..\\canary",
        "....//canary",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "a/../../canary",
        "a/%2e%2e/%2e%2e/canary",
        "file:///etc/passwd",
        "file:%2f%2f%2fetc%2fpasswd",
        "s3://other-bucket/x",
        "C:%5cwindows",
        "C:/windows",
        "a%00b",
        "~root/x",
        "./x",
        "a/./b",
        "a//b",
        "..",
        ".",
        "a/..",
        "%e2%80%aex",
    ] {
        let run_path = format!("run_id={run}&path={}", name.replace('&', "%26"));
        for (method, path) in [
            ("GET", format!("/get-artifact?{run_path}")),
            ("GET", format!("/api/2.0/mlflow/artifacts/list?{run_path}")),
            ("GET", format!("/api/2.0/mlflow-artifacts/artifacts?path={name}")),
            ("PUT", format!("/api/2.0/mlflow-artifacts/artifacts/{name}")),
            (
                "PUT",
                format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{name}"),
            ),
            ("GET", format!("/api/2.0/mlflow-artifacts/artifacts/{name}")),
            ("DELETE", format!("/api/2.0/mlflow-artifacts/artifacts/{name}")),
            (
                "POST",
                format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={name}"),
            ),
        ] {
            let reply = served.send(method, &path, &[], "x");
            assert!(
                (400..500).contains(&reply.status),
                "{method} {path}: {}",
                reply.status
            );
            let text = String::from_utf8_lossy(&reply.body);
            assert!(
                !text.contains("untouched") && !text.contains("not yours") && !text.contains("root:"),
                "{path}: {text}"
            );
        }
    }
    let reached = served.get(&format!(
        "/get-artifact?run_id={run}&path=../../{other}/artifacts/secret"
    ));
    assert_eq!(reached.status, 400, "another run's artifacts");
    assert_eq!(
        std::fs::read_to_string(yard.path().join("canary")).unwrap(),
        "untouched"
    );
}

/// The class of CVE-2023-6909 and CVE-2024-1558: a version whose files are elsewhere than it says.
#[test]
fn a_version_cannot_have_files_of_the_server_or_of_another_run() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    let (run, other) = (run_of(&served), run_of(&served));
    call(&served, "registered-models/create", &json!({ "name": "m" }));
    for source in [
        "/etc".to_owned(),
        "file:///etc".to_owned(),
        "etc".to_owned(),
        format!("mlflow-artifacts:/0/{other}/artifacts/x"),
        format!("mlflow-artifacts:/0/{run}/artifacts/../../{other}/artifacts"),
        format!("mlflow-artifacts:/0/{run}/artifacts/%252e%252e/%252e%252e/{other}"),
        "s3://bucket/../x".to_owned(),
    ] {
        let reply = served.post(
            "/api/2.0/mlflow/model-versions/create",
            &json!({ "name": "m", "source": source, "run_id": run }),
        );
        assert_eq!(reply.status, 400, "{source}");
    }
}

/// The class of CVE-2025-0453 and its kin: one request that costs the server more than its sender.
#[test]
fn oversized_batches_and_filters_are_refused() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    let run = run_of(&served);
    let metrics: Vec<Value> = (0..1_001)
        .map(|at| json!({ "key": "m", "value": at, "timestamp": 1, "step": at }))
        .collect();
    let params: Vec<Value> = (0..101)
        .map(|at| json!({ "key": format!("p{at}"), "value": "" }))
        .collect();
    let log = |body: Value| {
        let reply = served.post("/api/2.0/mlflow/runs/log-batch", &body);
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        (
            reply.status,
            said["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let many = "requests and try again.";
    assert_eq!(
        log(json!({ "run_id": run, "metrics": metrics })),
        (
            400,
            format!(
                "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple {many}"
            )
        )
    );
    assert_eq!(
        log(json!({ "run_id": run, "params": params })),
        (
            400,
            format!(
                "A batch logging request can contain at most 100 params. Got 101 params. Please split up params across multiple {many}"
            )
        )
    );
    let tag = json!([{ "key": "t", "value": "x".repeat(1_000_000) }]);
    let (status, said) = log(json!({ "run_id": run, "tags": tag }));
    assert_eq!(status, 400);
    assert!(
        said.starts_with("Batched logging API requests must be at most 1000000 bytes"),
        "{said}"
    );
    for filter in ["(".repeat(50_000), vec!["metrics.a > 1"; 20_000].join(" AND ")] {
        let reply = served.post(
            "/api/2.0/mlflow/runs/search",
            &json!({ "experiment_ids": ["0"], "filter": filter }),
        );
        assert_eq!(reply.status, 400);
    }
    let whole = served
        .get(&format!("/api/2.0/mlflow/runs/get?run_id={run}"))
        .expect(200);
    assert_eq!(
        whole["run"]["data"]["metrics"],
        Value::Null,
        "nothing of it was kept"
    );
}

/// The classes of CVE-2026-0545 (an API beside the one that asks who it is) and CVE-2025-14279 (pages of other
/// sites): what belongs to MLflow asks like everything else, and a viewer may look and search.
#[test]
fn no_address_of_it_is_open_where_tokens_are_needed() {
    let yard = Yard::with(PIPELINE);
    let token = |role: &str| {
        let made = yard.json(&["tokens", "create", role, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    };
    let (viewer, operator) = (token("viewer"), token("operator"));
    let served = Served::start(&yard);
    let json = ("Content-Type", "application/json");
    for (method, path) in [
        ("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0"),
        ("POST", "/api/2.0/mlflow/runs/create"),
        ("POST", "/ajax-api/2.0/mlflow/runs/search"),
        ("PATCH", "/api/2.0/mlflow/registered-models/update"),
        ("DELETE", "/api/2.0/mlflow/model-versions/delete"),
        ("GET", "/api/3.0/mlflow/server-info"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts?path="),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/x"),
        ("GET", "/get-artifact?run_id=r&path=x"),
        ("GET", "/model-versions/get-artifact?name=m&version=1&path=x"),
        ("GET", "/version"),
    ] {
        for headers in [vec![json], vec![json, ("Authorization", "Bearer nothing")]] {
            let reply = served.send(method, path, &headers, "{}");
            assert_eq!(reply.status, 401, "{method} {path}");
            let said: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(said["error_code"], "UNAUTHENTICATED");
        }
    }
    let bearer = format!("Bearer {viewer}");
    let search = |authorization: &str| {
        let headers = [json, ("Authorization", authorization)];
        served
            .send(
                "POST",
                "/api/2.0/mlflow/runs/search",
                &headers,
                "{\"experiment_ids\": [\"0\"]}",
            )
            .status
    };
    assert_eq!(search(&bearer), 200);
    let create = |authorization: &str, origin: Option<&str>| {
        let mut headers = vec![json, ("Authorization", authorization)];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        served
            .send("POST", "/api/2.0/mlflow/runs/create", &headers, "{}")
            .status
    };
    assert_eq!(create(&bearer, None), 403);
    let bearer = format!("Bearer {operator}");
    assert_eq!(create(&bearer, None), 200);
    assert_eq!(create(&bearer, Some("http://evil.example")), 403);
    assert_eq!(served.get("/health").status, 200);
}

#[test]
fn what_is_not_there_says_so_in_the_form_that_clients_read() {
    let yard = Yard::with(PIPELINE);
    let served = Served::start(&yard);
    for (method, path, status, code) in [
        ("GET", "/api/3.0/mlflow/traces/search", 404, "ENDPOINT_NOT_FOUND"),
        ("POST", "/api/2.0/mlflow/traces", 404, "ENDPOINT_NOT_FOUND"),
        ("GET", "/api/2.0/mlflow/webhooks", 404, "ENDPOINT_NOT_FOUND"),
        (
            "POST",
            "/api/2.0/mlflow-artifacts/mpu/create/0/x",
            501,
            "NOT_IMPLEMENTED",
        ),
        (
            "GET",
            "/api/2.0/mlflow-artifacts/presigned/0/x",
            501,
            "NOT_IMPLEMENTED",
        ),
        (
            "GET",
            "/api/2.0/mlflow/runs/get?run_id=nobody",
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        ("GET", "/api/2.0/mlflow/runs/get", 400, "INVALID_PARAMETER_VALUE"),
    ] {
        let reply = served.send(method, path, &[("Content-Type", "application/json")], "{}");
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &said["error_code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
}

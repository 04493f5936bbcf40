//! Pieces of answers that are written directly.

use super::plan::Plan;
use crate::problem::Problem;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use trainyard_contract::Timestamp;
use trainyard_features::online::OnlineStore;

/// Writes a text as JSON.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

/// Writes an instant as Feast does: no more digits than it has, in threes.
pub(crate) fn instant(out: &mut Vec<u8>, micros: i64) {
    let written = jiff::Timestamp::from_microsecond(micros).map(|instant| {
        let digits = match micros.rem_euclid(1_000_000) {
            0 => 0,
            part if part % 1_000 == 0 => 3,
            _ => 6,
        };
        format!("\"{instant:.digits$}\"")
    });
    out.extend_from_slice(written.as_deref().unwrap_or("null").as_bytes());
}

/// Writes parts with commas between them.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    parts: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, part);
    }
}

/// How fresh the views of a question are: `{"weather": {"newest_event_time", "written_at", "age_seconds", "is_stale"}}`.
pub(crate) fn freshness(
    plan: &Plan,
    store: &dyn OnlineStore,
    now: Timestamp,
) -> Result<serde_json::Value, Problem> {
    let time = |time: Option<Timestamp>| time.map(crate::documents::instant);
    let mut views = serde_json::Map::new();
    for view in &plan.views {
        let statistics = store.statistics(&view.id)?;
        let age = statistics.newest.map(|newest| now.0.saturating_sub(newest.0));
        let document = serde_json::json!({
            "newest_event_time": time(statistics.newest),
            "written_at": time(statistics.written_at),
            "age_seconds": age.map(|age| age as f64 / 1e6),
            "is_stale": view.freshness.map(|limit| age.is_none_or(|age| age > limit)),
        });
        views.insert(view.name.clone(), document);
    }
    Ok(serde_json::Value::Object(views))
}

/// An answer of JSON that is already written.
pub(crate) fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

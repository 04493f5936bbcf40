//! What searches have in common.

use super::failure::Failure;
use super::fields::Fields;
use trainyard_domain::tracking::limits::PageLimit;
use trainyard_domain::tracking::{Dialect, Filter, Order, page};
use trainyard_store::tracking::{Search, View};

/// The search of a request; one more than a page is asked for, to know whether there is a next.
pub(super) fn search(fields: &Fields, dialect: Dialect, limit: PageLimit) -> Result<Search, Failure> {
    let filter = fields.text("filter")?.unwrap_or_default();
    let order = fields.texts("order_by")?;
    let size = limit.size(fields.int("max_results")?)?;
    let order = Order::parse_all(dialect, order.iter().map(String::as_str))?;
    let is_double = |(at, one): (usize, &Order)| order[..at].iter().any(|other| other.by == one.by);
    if matches!(dialect, Dialect::Models | Dialect::Versions) && order.iter().enumerate().any(is_double) {
        return Err(Failure::invalid("`order_by` contains duplicate fields."));
    }
    Ok(Search {
        experiments: Vec::new(),
        filter: Filter::parse(dialect, filter)?,
        datasets: Vec::new(),
        order,
        view: View::Active,
        limit: size + 1,
        offset: page::offset(fields.text("page_token")?)?,
    })
}

/// Whether deleted ones are wanted.
pub(super) fn view(fields: &Fields, name: &str) -> Result<View, Failure> {
    match fields.word(name)? {
        None | Some("ACTIVE_ONLY" | "1") => Ok(View::Active),
        Some("DELETED_ONLY" | "2") => Ok(View::Deleted),
        Some("ALL" | "3") => Ok(View::All),
        Some(_) => Err(super::fields::wrong(name, fields.value(name).unwrap_or_default())),
    }
}

/// The next page's token, if there is one; what was found beyond the page goes.
pub(super) fn next_page<T>(search: &Search, found: &mut Vec<T>) -> Option<String> {
    let size = search.limit - 1;
    let length = i64::try_from(found.len()).unwrap_or(i64::MAX);
    if length <= size {
        return None;
    }
    found.truncate(usize::try_from(size).unwrap_or(0));
    Some(page::token(search.offset + size))
}

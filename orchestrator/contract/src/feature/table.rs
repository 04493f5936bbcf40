//! A view's rows as a table.

use super::FeatureView;
use crate::schema::{Column, DataType, Schema, TimeUnit};

impl FeatureView {
    /// Keys, times and features, in that order; times are instants.
    pub fn schema(&self) -> Schema {
        let instant = || DataType::Timestamp(TimeUnit::Microseconds, Some("UTC".to_owned()));
        let mut columns: Vec<Column> = Vec::new();
        for key in &self.keys {
            columns.push(Column::new(&key.name, key.data_type.clone(), false));
        }
        columns.push(Column::new(&self.event_time, instant(), false));
        if let Some(created) = &self.created_time {
            columns.push(Column::new(created, instant(), true));
        }
        let mut features = Vec::new();
        for (name, feature) in &self.features {
            // A key that is a feature as well is there already.
            if columns.iter().any(|column| column.name == *name) {
                continue;
            }
            let mut column = Column::new(name, feature.data_type.clone(), true);
            column.unit.clone_from(&feature.unit);
            column.known_at.clone_from(&feature.known_at);
            column.classification.clone_from(&feature.classification);
            columns.push(column);
            features.push(name.clone());
        }
        Schema {
            columns,
            event_time: Some(self.event_time.clone()),
            primary_key: self.keys.iter().map(|key| key.name.clone()).collect(),
            features,
            ..Schema::default()
        }
    }
}

//! Which features the rows of a view have, and where.

use super::{OnlineError, Row};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use trainyard_contract::DataType;
use trainyard_contract::feature::FeatureView;

/// A feature's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// The features of a row in their order. Rows name the layout they were written with, so that those from before a
/// feature was added are read as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    id: u32,
    fields: Vec<Field>,
}

impl Layout {
    /// The layout of those fields.
    pub fn new(fields: Vec<Field>) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        for field in &fields {
            hasher.update(field.name.as_bytes());
            hasher.update(&[0]);
            hasher.update(field.data_type.to_string().as_bytes());
            hasher.update(&[0]);
        }
        Self {
            id: hasher.finalize(),
            fields,
        }
    }

    /// The layout of a view's features.
    pub fn of(view: &FeatureView) -> Self {
        let field = |(name, feature): (&String, &trainyard_contract::feature::Feature)| Field {
            name: name.clone(),
            data_type: feature.data_type.clone(),
        };
        Self::new(view.features.iter().map(field).collect())
    }

    /// Follows from its fields.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn place(&self, field: &Field) -> Option<usize> {
        self.fields.iter().position(|own| own == field)
    }
}

/// Where the wanted features are in rows of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    layout: Arc<Layout>,
    places: Vec<Option<usize>>,
}

impl Projection {
    /// The places of those fields; a field that a row of that layout does not have is null there.
    pub fn new(layout: Arc<Layout>, wanted: &[Field]) -> Self {
        let places = wanted.iter().map(|field| layout.place(field)).collect();
        Self { layout, places }
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Places in the order in which features are wanted.
    pub fn places(&self) -> &[Option<usize>] {
        &self.places
    }
}

/// Finds the projection for rows, which nearly always are of one layout.
pub(crate) struct Projector<'a> {
    wanted: &'a [Field],
    last: Option<Projection>,
}

impl<'a> Projector<'a> {
    pub(crate) fn new(wanted: &'a [Field]) -> Self {
        Self { wanted, last: None }
    }

    pub(crate) fn of(
        &mut self,
        row: Row<'_>,
        layout: impl FnOnce(u32) -> Result<Arc<Layout>, OnlineError>,
    ) -> Result<&Projection, OnlineError> {
        let known = self.last.take().filter(|last| last.layout().id() == row.layout());
        let known = match known {
            Some(known) => known,
            None => Projection::new(layout(row.layout())?, self.wanted),
        };
        Ok(self.last.insert(known))
    }
}

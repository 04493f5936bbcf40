//! The columns a model wants, and how a frame is laid out in their order.

use crate::error::ModelError;
use crate::frame::{Frame, MISSING_CODE, UNSEEN_CODE, Values, whole_number};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One column a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    /// Type of the column in the table it came from, e.g. `int16`, where that is known: for
    /// signatures, not for predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    #[serde(flatten)]
    pub kind: FeatureKind,
}

/// What values a feature has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FeatureKind {
    Numeric,
    /// The categories among the training rows, sorted.
    Categorical {
        categories: Vec<String>,
    },
}

impl Feature {
    /// The features of a frame: all its columns, with the categories that occur in it.
    pub fn of(frame: &Frame) -> Vec<Self> {
        frame
            .columns()
            .iter()
            .map(|column| Self {
                name: column.name.clone(),
                data_type: None,
                kind: match &column.values {
                    Values::Numeric(_) => FeatureKind::Numeric,
                    Values::Categorical { codes, dictionary } => {
                        let mut seen = vec![false; dictionary.len()];
                        for &code in codes.iter().filter(|&&code| code != MISSING_CODE) {
                            seen[code as usize] = true;
                        }
                        let mut categories: Vec<String> = dictionary
                            .iter()
                            .zip(seen)
                            .filter(|(_, seen)| *seen)
                            .map(|(category, _)| category.clone())
                            .collect();
                        categories.sort();
                        categories.dedup();
                        FeatureKind::Categorical { categories }
                    }
                },
            })
            .collect()
    }
}

/// The values of one feature, in the model's own codes.
#[derive(Clone, Debug)]
pub enum Aligned<'a> {
    Numeric(&'a [f64]),
    /// Places in the feature's list of categories, [`MISSING_CODE`] or [`UNSEEN_CODE`].
    Codes {
        codes: Cow<'a, [u32]>,
        categories: usize,
    },
}

/// The columns of `frame` in the order and codes of `features`; other columns are passed over.
///
/// # Errors
/// `MissingColumn` or `ColumnType`.
pub fn align<'a>(frame: &'a Frame, features: &[Feature]) -> Result<Vec<Aligned<'a>>, ModelError> {
    features
        .iter()
        .map(|feature| {
            let values = frame
                .column(&feature.name)
                .ok_or_else(|| ModelError::MissingColumn {
                    column: feature.name.clone(),
                })?;
            match (&feature.kind, values) {
                (FeatureKind::Numeric, Values::Numeric(values)) => Ok(Aligned::Numeric(values)),
                (FeatureKind::Categorical { categories }, Values::Categorical { codes, dictionary }) => {
                    Ok(Aligned::Codes {
                        codes: recode(codes, dictionary, categories),
                        categories: categories.len(),
                    })
                }
                (FeatureKind::Numeric, Values::Categorical { .. }) => Err(ModelError::ColumnType {
                    column: feature.name.clone(),
                    expected: "numbers",
                    found: "categories",
                }),
                // Codes: trained as categories, they come as the numbers they are written as.
                (FeatureKind::Categorical { categories }, Values::Numeric(numbers)) => {
                    let texts = numbers.iter().map(|number| match number {
                        missing if missing.is_nan() => Some(MISSING_CODE),
                        number => Some(category_code(categories, &whole_number(*number)?)),
                    });
                    let codes = texts.collect::<Option<Vec<u32>>>();
                    let codes = codes.ok_or_else(|| ModelError::ColumnType {
                        column: feature.name.clone(),
                        expected: "categories",
                        found: "numbers that are not whole",
                    })?;
                    Ok(Aligned::Codes {
                        codes: Cow::Owned(codes),
                        categories: categories.len(),
                    })
                }
            }
        })
        .collect()
}

fn recode<'a>(codes: &'a [u32], dictionary: &[String], categories: &[String]) -> Cow<'a, [u32]> {
    if dictionary == categories {
        return Cow::Borrowed(codes);
    }
    let map: Vec<u32> = dictionary
        .iter()
        .map(|text| category_code(categories, text))
        .collect();
    Cow::Owned(
        codes
            .iter()
            .map(|&code| map.get(code as usize).copied().unwrap_or(MISSING_CODE))
            .collect(),
    )
}

/// Refuses categories that did not occur in training.
///
/// # Errors
/// `UnseenCategory`, naming the first.
pub fn refuse_unseen(frame: &Frame, features: &[Feature]) -> Result<(), ModelError> {
    for feature in features {
        let FeatureKind::Categorical { categories } = &feature.kind else {
            continue;
        };
        let as_categories;
        let (codes, dictionary) = match frame.column(&feature.name) {
            Some(Values::Categorical { codes, dictionary }) => (codes, dictionary),
            Some(Values::Numeric(numbers)) => {
                as_categories = Values::whole_numbers_as_categories(numbers);
                let Some(Values::Categorical { codes, dictionary }) = &as_categories else {
                    continue;
                };
                (codes, dictionary)
            }
            None => continue,
        };
        let unseen: Vec<bool> = dictionary
            .iter()
            .map(|text| category_code(categories, text) == UNSEEN_CODE)
            .collect();
        let is_unseen = |code: &&u32| unseen.get(**code as usize).copied().unwrap_or(false);
        if let Some(&code) = codes.iter().find(is_unseen) {
            return Err(ModelError::UnseenCategory {
                column: feature.name.clone(),
                category: dictionary[code as usize].clone(),
            });
        }
    }
    Ok(())
}

/// Code of a category, [`UNSEEN_CODE`] if it did not occur in training.
pub fn category_code(categories: &[String], text: &str) -> u32 {
    categories
        .binary_search_by(|known| known.as_str().cmp(text))
        .map_or(UNSEEN_CODE, |code| code as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameColumn, categorical};

    fn frame(texts: &[Option<&str>]) -> Frame {
        let values = categorical(texts.iter().copied());
        Frame::new(vec![FrameColumn {
            name: "c".into(),
            values,
        }])
        .unwrap()
    }

    #[test]
    fn numbers_stand_for_categories_written_as_their_digits() {
        let features = Feature::of(&frame(&[Some("-1"), Some("0"), Some("12")]));
        let numbers = |values: Vec<f64>| {
            let values = Values::Numeric(values);
            Frame::new(vec![FrameColumn {
                name: "c".into(),
                values,
            }])
            .unwrap()
        };
        let later = numbers(vec![12.0, -0.0, f64::NAN, 7.0, -1.0]);
        let aligned = align(&later, &features).unwrap();
        let Aligned::Codes { codes, .. } = &aligned[0] else {
            panic!("codes")
        };
        assert_eq!(codes.as_ref(), [2, 1, MISSING_CODE, UNSEEN_CODE, 0]);
        assert!(refuse_unseen(&later, &features).is_err());
        assert!(align(&numbers(vec![0.5]), &features).is_err());
    }

    #[test]
    fn a_category_unseen_in_training_is_told_from_a_missing_one() {
        let features = Feature::of(&frame(&[Some("b"), Some("d")]));
        let later = frame(&[Some("a"), Some("b"), Some("c"), None, Some("d")]);
        let aligned = align(&later, &features).unwrap();
        let Aligned::Codes { codes, .. } = &aligned[0] else {
            panic!("codes")
        };
        assert_eq!(codes.as_ref(), [UNSEEN_CODE, 0, UNSEEN_CODE, MISSING_CODE, 1]);
        assert_eq!(
            refuse_unseen(&later, &features),
            Err(ModelError::UnseenCategory {
                column: "c".into(),
                category: "a".into()
            })
        );
    }

    #[test]
    fn categories_that_do_not_occur_are_not_part_of_the_feature() {
        let whole = frame(&[Some("a"), Some("b"), Some("c")]);
        let features = Feature::of(&whole.take(&[2, 0]).unwrap());
        assert_eq!(
            features[0].kind,
            FeatureKind::Categorical {
                categories: vec!["a".into(), "c".into()]
            }
        );
    }
}

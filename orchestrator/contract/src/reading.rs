//! How text files of a dataset are to be read, as the pipeline says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `options` of a dataset of delimited text or JSON lines. What is left out is found out (delimiter,
/// byte order mark, line ends, compression) or has the default named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReaderOptions {
    /// One ASCII character between fields, such as `;`, or `\t` for a tab. Default: the one of
    /// `,` `;` tab `|` that divides the first 64 KiB most evenly. CSV only.
    pub delimiter: Option<char>,
    /// One ASCII character around fields that hold delimiters, quotes or line ends. Default: `"`. CSV only.
    pub quote: Option<char>,
    /// `false`: quotes are characters like others. Default: `true`. CSV only.
    pub quoting: Option<bool>,
    /// One ASCII character that takes its meaning from the character after it, such as `\`. A doubled
    /// quote inside quotes always stands for one quote. Default: none. CSV only.
    pub escape: Option<char>,
    /// Lines that begin with this text are skipped. Default: none. CSV only.
    pub comment: Option<String>,
    /// Whether the first record holds the names of columns. Default: `true`. CSV only.
    pub header: Option<bool>,
    /// Names of the columns in order, in place of a header's. Default without a header: the contract's
    /// columns in order, or `column_1`, `column_2`, … CSV only.
    pub columns: Vec<String>,
    /// Lines before the header, or before the first record, that are skipped. Default: 0. CSV only.
    #[schemars(range(max = 1_000_000))]
    pub skip_rows: u32,
    /// Records with too few or too many fields: `refuse`: they are bad rows; `fill`: missing ones at the
    /// end are missing values, too many still make a bad row. Default: `refuse`. CSV only.
    pub ragged_rows: Ragged,
    /// `utf-8`, `utf-16`, `utf-16le`, `utf-16be`, `latin-1` or `windows-1252`. A byte order mark goes before it.
    /// Default: `utf-8`.
    pub encoding: Option<Encoding>,
    /// One character between whole part and fraction. Default: `.`.
    pub decimal: Option<char>,
    /// One character between groups of three digits, such as `,` or a blank. Default: none.
    pub thousands: Option<char>,
    /// Texts that mean missing, besides the empty field. Default: none.
    pub null_values: Vec<String>,
    /// Texts that mean true, whatever their case. Default: `true`, `t`, `yes`, `y`, `1`.
    pub true_values: Vec<String>,
    /// Texts that mean false, whatever their case. Default: `false`, `f`, `no`, `n`, `0`.
    pub false_values: Vec<String>,
    /// What `01/02/2020` and `01-02-2020` mean: `true` the first of February, `false` the second of January. Without it
    /// such a date cannot be read.
    pub day_first: Option<bool>,
    /// Formats in which dates are written, tried in order: `iso`, or of `strftime` such as `%d.%m.%y`. Default: ISO 8601 and
    /// the usual ways to write a day that can be meant one way only.
    pub date_formats: Vec<String>,
    /// Formats in which times and timestamps are written, tried in order: `iso`, `unix_s`, `unix_ms`, `unix_us`,
    /// `unix_ns`, or of `strftime` such as `%d.%m.%Y %H:%M %z`. Default: as for dates, with a time of day.
    pub timestamp_formats: Vec<String>,
    /// Formats of single columns, before those above.
    pub formats: BTreeMap<String, Vec<String>>,
    /// Time zone in which clock readings without an offset are meant, e.g. `Europe/Berlin`. Default: the
    /// contract's zone of the column.
    pub timezone: Option<String>,
}

/// What becomes of records with too few fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ragged {
    #[default]
    Refuse,
    Fill,
}

/// How characters are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    /// By its byte order mark, little endian without one.
    #[serde(rename = "utf-16")]
    Utf16,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl Encoding {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 | Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Latin1 => "Latin-1",
            Self::Windows1252 => "Windows-1252",
        }
    }
}

impl ReaderOptions {
    /// The options that only delimited text has, as given.
    pub fn of_delimited_text_only(&self) -> Vec<&'static str> {
        let given = [
            ("delimiter", self.delimiter.is_some()),
            ("quote", self.quote.is_some()),
            ("quoting", self.quoting.is_some()),
            ("escape", self.escape.is_some()),
            ("comment", self.comment.is_some()),
            ("header", self.header.is_some()),
            ("columns", !self.columns.is_empty()),
            ("skip_rows", self.skip_rows > 0),
            ("ragged_rows", self.ragged_rows != Ragged::Refuse),
        ];
        given
            .into_iter()
            .filter_map(|(name, is_given)| is_given.then_some(name))
            .collect()
    }
}

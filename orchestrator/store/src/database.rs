//! What the rest of the store knows of a database: statements with values in, rows out. Both
//! databases speak the same SQL as far as it goes; where they differ is for [`crate::sqlite`] and
//! [`crate::postgres`] alone.

use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

/// The database behind a store.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// What a database says when it does not do as asked, before the store has sorted it.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    Sqlite(rusqlite::Error),
    Postgres(tokio_postgres::Error),
    /// A value that does not fit the type it is read as.
    Unfit(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

pub(crate) type Result<T> = std::result::Result<T, DatabaseError>;

/// A value on its way into a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(number),
            Self::Real(number) => ValueRef::Real(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What can stand for a parameter of a statement.
pub(crate) trait Bind {
    fn bind(&self) -> Value<'_>;
}

impl Bind for i64 {
    fn bind(&self) -> Value<'_> {
        Value::Integer(*self)
    }
}

impl Bind for f64 {
    fn bind(&self) -> Value<'_> {
        Value::Real(*self)
    }
}

impl Bind for Value<'_> {
    fn bind(&self) -> Value<'_> {
        *self
    }
}

impl Bind for u32 {
    fn bind(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl Bind for u8 {
    fn bind(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl Bind for Vec<u8> {
    fn bind(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl Bind for bool {
    fn bind(&self) -> Value<'_> {
        Value::Integer(i64::from(*self))
    }
}

impl Bind for str {
    fn bind(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Bind for String {
    fn bind(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl<const N: usize> Bind for [u8; N] {
    fn bind(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: Bind> Bind for Option<T> {
    fn bind(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::bind)
    }
}

impl<T: Bind + ?Sized> Bind for &T {
    fn bind(&self) -> Value<'_> {
        (**self).bind()
    }
}

/// Values of different types for one statement.
macro_rules! params {
    ($($value:expr),+ $(,)?) => {
        &[$(&$value as &dyn $crate::database::Bind),+] as &[&dyn $crate::database::Bind]
    };
}
pub(crate) use params;

/// The values of one statement.
pub(crate) trait Params {
    fn with<R>(&self, work: impl FnOnce(&[&dyn Bind]) -> R) -> R;
}

impl Params for &[&dyn Bind] {
    fn with<R>(&self, work: impl FnOnce(&[&dyn Bind]) -> R) -> R {
        work(self)
    }
}

/// No values.
impl Params for [&(dyn Bind + Send); 0] {
    fn with<R>(&self, work: impl FnOnce(&[&dyn Bind]) -> R) -> R {
        work(&[])
    }
}

macro_rules! values_of_one_type {
    ($($count:literal)+) => {
        $(impl<T: Bind> Params for [T; $count] {
            fn with<R>(&self, work: impl FnOnce(&[&dyn Bind]) -> R) -> R {
                work(&self.each_ref().map(|value| value as &dyn Bind))
            }
        })+
    };
}
values_of_one_type!(1 2 3 4 64);

/// A row on its way out.
pub(crate) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

/// A place in a row, counted from 0.
pub(crate) trait Place {
    fn place(self) -> usize;
}

impl Place for usize {
    fn place(self) -> usize {
        self
    }
}

impl Row<'_> {
    /// The value at a place.
    pub(crate) fn get<P: Place, T: Column>(&self, at: P) -> Result<T> {
        match self {
            Self::Sqlite(row) => T::of_sqlite(row, at.place()),
            Self::Postgres(row) => T::of_postgres(row, at.place()),
        }
    }

    /// A text that is only looked at.
    pub(crate) fn text(&self, at: usize) -> Result<&str> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?),
            Self::Postgres(row) => Ok(row.try_get(at)?),
        }
    }
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self>;
    fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self>;
}

macro_rules! as_both_have_it {
    ($($type:ty)+) => {
        $(impl Column for $type {
            fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self> {
                Ok(row.get(at)?)
            }
            fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self> {
                Ok(row.try_get(at)?)
            }
        }
        impl Column for Option<$type> {
            fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self> {
                Ok(row.get(at)?)
            }
            fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self> {
                Ok(row.try_get(at)?)
            }
        })+
    };
}
as_both_have_it!(i64 f64 String Vec<u8>);

impl Column for u32 {
    fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self> {
        Ok(row.get(at)?)
    }
    fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self> {
        let number: i64 = row.try_get(at)?;
        Self::try_from(number).map_err(|error| DatabaseError::Unfit(format!("{number}: {error}")))
    }
}

impl Column for bool {
    fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self> {
        Ok(row.get(at)?)
    }
    fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self> {
        Ok(row.try_get::<_, i64>(at)? != 0)
    }
}

impl<const N: usize> Column for [u8; N] {
    fn of_sqlite(row: &rusqlite::Row<'_>, at: usize) -> Result<Self> {
        Ok(row.get(at)?)
    }
    fn of_postgres(row: &tokio_postgres::Row, at: usize) -> Result<Self> {
        let bytes: &[u8] = row.try_get(at)?;
        Self::try_from(bytes).map_err(|error| DatabaseError::Unfit(error.to_string()))
    }
}

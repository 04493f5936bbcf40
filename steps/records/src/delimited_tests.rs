use super::*;
use crate::kind::Kind;
use std::io::{Cursor, Write};
use trainyard_contract::reading::Encoding;

/// Header, rows, and what could not be taken apart.
type Everything = (Vec<String>, Vec<String>, Vec<String>);

/// Everything as text: each record as its fields with `|` between them, `-` for missing.
fn read(bytes: impl Into<Vec<u8>>, options: &Options) -> Result<Everything, OpenError> {
    let source = Source::new(Cursor::new(bytes.into()), options.encoding)?;
    let mut file = Delimited::open(source, options)?;
    let conventions = Conventions::new(options)?;
    let wanted: Vec<(usize, Column)> = file
        .header()
        .iter()
        .enumerate()
        .map(|(at, name)| {
            (
                at,
                Column {
                    name: name.clone(),
                    kind: Kind::Text,
                    formats: Vec::new(),
                },
            )
        })
        .collect();
    let (mut rows, mut torn) = (Vec::new(), Vec::new());
    while let Some(batches) = file.next(&wanted, &conventions)? {
        for batch in batches {
            let columns: Vec<Vec<Option<&str>>> = batch
                .columns
                .iter()
                .map(|values| match values {
                    Values::Text(texts) => texts.iter().collect(),
                    other => panic!("{other:?}"),
                })
                .collect();
            for (at, row) in batch.rows.iter().enumerate() {
                let fields: Vec<&str> = columns.iter().map(|column| column[at].unwrap_or("-")).collect();
                rows.push(format!("{row}:{}", fields.join("|")));
            }
            torn.extend(
                batch
                    .torn
                    .iter()
                    .map(|torn| format!("{}:{} {}", torn.row, torn.text, torn.reason)),
            );
        }
    }
    Ok((file.header().to_vec(), rows, torn))
}

fn rows(bytes: impl Into<Vec<u8>>, options: &Options) -> Vec<String> {
    let (_, rows, torn) = read(bytes, options).unwrap();
    assert_eq!(torn, Vec::<String>::new());
    rows
}

fn fault(bytes: impl Into<Vec<u8>>, options: &Options) -> String {
    read(bytes, options).unwrap_err().to_string()
}

#[test]
fn the_dialects_of_the_world_give_the_same_rows() {
    let none = Options::default;
    let expected = ["1:a|1,5", "2:b|-"];
    let semicolons = "x;y\na;1,5\nb;\n";
    let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> { semicolons.encode_utf16().flat_map(unit).collect() };
    let with_mark = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(semicolons.as_bytes()).unwrap();
    for (what, bytes, options) in [
        ("plain", semicolons.as_bytes().to_vec(), none()),
        ("CRLF", b"x;y\r\na;1,5\r\nb;\r\n".to_vec(), none()),
        ("CR", b"x;y\ra;1,5\rb;\r".to_vec(), none()),
        ("no last line end", b"x;y\na;1,5\nb;".to_vec(), none()),
        ("BOM", with_mark(&[0xEF, 0xBB, 0xBF], semicolons.into()), none()),
        (
            "UTF-16LE with mark",
            with_mark(&[0xFF, 0xFE], utf16(u16::to_le_bytes)),
            none(),
        ),
        (
            "UTF-16BE with mark",
            with_mark(&[0xFE, 0xFF], utf16(u16::to_be_bytes)),
            none(),
        ),
        (
            "UTF-16BE",
            utf16(u16::to_be_bytes),
            Options {
                encoding: Some(Encoding::Utf16Be),
                ..none()
            },
        ),
        ("gzip", zipped.finish().unwrap(), none()),
        (
            "zstd",
            zstd::encode_all(semicolons.as_bytes(), 1).unwrap(),
            none(),
        ),
        ("blank lines", b"\nx;y\n\na;1,5\n\nb;\n\n".to_vec(), none()),
        (
            "comments",
            b"# by hand\nx;y\na;1,5\n# half\nb;\n".to_vec(),
            Options {
                comment: Some("#".into()),
                ..none()
            },
        ),
        (
            "title lines",
            b"Report, 2020\nall, of, it\nx;y\na;1,5\nb;\n".to_vec(),
            Options {
                skip_rows: 2,
                ..none()
            },
        ),
        (
            "quotes",
            b"\"x\";\"y\"\n\"a\";\"1,5\"\n\"b\";\"\"\n".to_vec(),
            none(),
        ),
        (
            "single quotes",
            b"x,y\n'a','1,5'\nb,\n".to_vec(),
            Options {
                quote: Some('\''),
                ..none()
            },
        ),
        ("tabs", b"x\ty\na\t1,5\nb\t\n".to_vec(), none()),
        (
            "escape",
            b"x,y\na,1\\,5\nb,\n".to_vec(),
            Options {
                escape: Some('\\'),
                ..none()
            },
        ),
    ] {
        assert_eq!(rows(bytes, &options), expected, "{what}");
    }
}

#[test]
fn a_file_without_a_header_has_numbered_or_given_names() {
    let options = Options {
        header: Some(false),
        ..Options::default()
    };
    let (header, found, _) = read("a,1\nb,2\n", &options).unwrap();
    assert_eq!((header.join(" "), found.len()), ("column_1 column_2".into(), 2));
    let options = Options {
        columns: vec!["x".into(), "y".into()],
        ..options
    };
    assert_eq!(read("a,1\nb,2\n", &options).unwrap().0, ["x", "y"]);
    assert_eq!(
        fault("a,1,2\n", &options),
        "has no column names: `options.columns` has 2 names, its first record 3 fields"
    );
}

#[test]
fn a_record_that_cannot_be_taken_apart_is_kept_whole_and_the_others_are_read() {
    let (_, rows, torn) = read(
        "x,y\n1,2\n3\n4,5,6\n\"7\"8,9\n10,11\n12,\"13\n14,15\n",
        &Options::default(),
    )
    .unwrap();
    assert_eq!(rows, ["1:1|2", "5:10|11", "7:14|15"]);
    assert_eq!(
        torn,
        [
            "2:3 has 1 fields where the header has 2",
            "3:4,5,6 has 3 fields where the header has 2",
            "4:\"7\"8,9 has text after a closing quote",
            "6:12,\"13 has a quote that is never closed"
        ]
    );
    let filled = Options {
        ragged_rows: Ragged::Fill,
        ..Options::default()
    };
    let (_, rows, torn) = read("x,y\n3\n4,5,6\n", &filled).unwrap();
    assert_eq!((rows, torn.len()), (vec!["1:3|-".to_owned()], 1));
}

#[test]
fn a_byte_that_is_no_character_is_named_by_row_column_and_place() {
    let none = Options::default();
    assert_eq!(
        fault(*b"x,y\n1,2\n3,caf\xe9\n", &none),
        "is not UTF-8: row 2 column `y` has byte 0xE9, byte 14 of the file"
    );
    assert_eq!(
        fault(*b"x,y\n1,2\n\xff,4\n", &none),
        "is not UTF-8: row 2 column `x` has byte 0xFF, byte 9 of the file"
    );
    assert_eq!(
        fault(*b"\x80x,y\n1,2\n", &none),
        "is not UTF-8: its header has byte 0x80, byte 1 of the file"
    );
    let western = Options {
        encoding: Some(Encoding::Windows1252),
        ..none.clone()
    };
    assert_eq!(
        fault(*b"x,y\n1,\x81\n", &western),
        "is not Windows-1252: row 1 column `y` has byte 0x81, byte 7 of the file"
    );
    assert_eq!(rows(*b"x,y\n1,\x80\xe9\n", &western), ["1:1|\u{20ac}\u{e9}"]);
    let latin = Options {
        encoding: Some(Encoding::Latin1),
        ..none.clone()
    };
    assert_eq!(rows(*b"x,y\n1,caf\xe9\n", &latin), ["1:1|caf\u{e9}"]);
    let cut = [0xFF, 0xFE, b'x', 0, b'\n', 0, 0x00, 0xD8, b'1', 0];
    assert_eq!(
        fault(cut, &none),
        "is not UTF-16: row 1 column `x` has byte 0x00, byte 7 of the file"
    );
}

#[test]
fn a_column_without_a_name_is_called_by_its_place() {
    let options = Options::default();
    let source = Source::new(Cursor::new(b"\"\",age, \n1,30,x\n".to_vec()), options.encoding).unwrap();
    let file = Delimited::open(source, &options).unwrap();
    assert_eq!(file.header(), ["column_1", "age", "column_3"]);
    assert_eq!(file.unnamed().collect::<Vec<_>>(), ["column_1", "column_3"]);
}

#[test]
fn what_is_wrong_with_the_whole_file_is_said() {
    let none = Options::default();
    assert_eq!(fault("", &none), "is empty");
    assert_eq!(
        fault("\n\n", &none),
        "has no column names: there is no record at all"
    );
    assert_eq!(
        fault("a,b,a\n", &none),
        "has no column names: two columns are called `a`"
    );
    assert_eq!(
        fault("column_2,,b\n", &none),
        "has no column names: two columns are called `column_2`"
    );
    assert_eq!(rows("a,b\n", &none), Vec::<String>::new());
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all("x,y\n1,2\n".repeat(1000).as_bytes()).unwrap();
    let mut cut = zipped.finish().unwrap();
    cut.truncate(cut.len() / 2);
    assert!(
        fault(cut, &none).starts_with("cannot be decompressed as gzip"),
        "named by its compression"
    );
}

#[test]
fn many_blocks_are_read_as_one_file_wherever_they_are_cut() {
    let mut text = String::from("n,note\n");
    for n in 0..400_000 {
        text.push_str(&format!(
            "{n},\"a \"\"note\"\",\nof two lines {}\"\n",
            "é".repeat(n % 7)
        ));
    }
    assert!(text.len() > 2 * BLOCK);
    let found = rows(text, &Options::default());
    assert_eq!(found.len(), 400_000);
    for n in [0, 199_999, 399_999] {
        let expected = format!("{}:{n}|a \"note\",\nof two lines {}", n + 1, "é".repeat(n % 7));
        assert_eq!(found[n], expected);
    }
}

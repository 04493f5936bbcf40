use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A server of files on the loopback that speaks enough HTTP for GET, HEAD, ranges and the listing of S3.
struct Fake {
    address: String,
    /// Requests as they came: method and target.
    seen: Arc<Mutex<Vec<String>>>,
}

/// How a request of a path is answered, before the ordinary way.
type Mischief = fn(request: &str, times: usize) -> Option<Bad>;

enum Bad {
    Status(u16),
    /// Half of the bytes promised.
    Half,
}

fn serve(objects: &[(&str, &str)], mischief: Mischief) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let objects: BTreeMap<String, String> = objects
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                continue;
            }
            let mut from = 0usize;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                    break;
                }
                if let Some(range) = header.to_lowercase().strip_prefix("range: bytes=") {
                    from = range
                        .trim()
                        .trim_end_matches('-')
                        .split('-')
                        .next()
                        .unwrap()
                        .parse()
                        .unwrap_or(0);
                }
            }
            let request = line.rsplit_once(' ').unwrap().0.to_owned();
            let times = {
                let mut log = log.lock().unwrap();
                log.push(request.clone());
                log.iter().filter(|known| **known == request).count()
            };
            let (method, target) = request.split_once(' ').unwrap();
            let answer = answer(&objects, method, target, from, mischief(&request, times));
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Both);
            let _ = reader.get_mut().read(&mut [0u8; 1]);
        }
    });
    Fake { address, seen }
}

fn answer(
    objects: &BTreeMap<String, String>,
    method: &str,
    target: &str,
    from: usize,
    bad: Option<Bad>,
) -> String {
    let date = "Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\nETag: \"one\"\r\nConnection: close";
    if let Some(Bad::Status(code)) = bad {
        return format!("HTTP/1.1 {code} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let path = target.split('?').next().unwrap();
    if target.contains("list-type=2") {
        let bucket = path.trim_matches('/');
        let entries: String = objects
            .iter()
            .filter_map(|(key, text)| Some((key.strip_prefix(&format!("/{bucket}/"))?, text)))
            .map(|(key, text)| {
                format!(
                    "<Contents><Key>{key}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>\"one\"</ETag><Size>{}</Size></Contents>",
                    text.len()
                )
            })
            .collect();
        let body = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>");
        return format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{date}\r\n\r\n{body}",
            body.len()
        );
    }
    let path = path.replace("%3D", "=");
    let Some(text) = objects.get(&path) else {
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
    };
    let body = &text[from.min(text.len())..];
    let status = if from > 0 {
        format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
            text.len() - 1,
            text.len()
        )
    } else {
        "200 OK".to_owned()
    };
    let sent = match (method, bad) {
        ("HEAD", _) => "",
        (_, Some(Bad::Half)) => &body[..body.len() / 2],
        _ => body,
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n{date}\r\n\r\n{sent}",
        body.len()
    )
}

fn read(location: &str, secrets: &[(&str, &str)]) -> Result<Vec<(String, String)>, StepError> {
    let folder = tempfile::tempdir().unwrap();
    let secrets: BTreeMap<String, String> = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let access = Access {
        project: folder.path(),
        scratch: folder.path(),
        secrets: Some(&secrets),
    };
    Ok(files(location, access)?
        .into_iter()
        .map(|file| (file.shown, std::fs::read_to_string(file.path).unwrap()))
        .collect())
}

fn nothing_bad(_: &str, _: usize) -> Option<Bad> {
    None
}

#[test]
fn a_file_on_a_web_server_is_read_and_its_query_is_not_shown() {
    let fake = serve(&[("/data/t.csv", "a,b\n1,2\n")], nothing_bad);
    let found = read(&format!("{}/data/t.csv", fake.address), &[]).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].0.ends_with("/data/t.csv"), "{found:?}");
    assert_eq!(found[0].1, "a,b\n1,2\n");
    let url = Url::parse("https://me:word@host/x.csv?sig=secret").unwrap();
    assert_eq!(shown(&url), "https://host/x.csv");
}

#[test]
fn a_server_that_stumbles_is_asked_again_and_a_broken_transfer_goes_on_where_it_stopped() {
    let fake = serve(&[("/t.csv", "a,b\n1,2\n3,4\n")], |request, times| {
        match (request, times) {
            ("HEAD /t.csv", 1) => Some(Bad::Status(503)),
            ("GET /t.csv", 1) => Some(Bad::Half),
            _ => None,
        }
    });
    let found = read(&format!("{}/t.csv", fake.address), &[]).unwrap();
    assert_eq!(found[0].1, "a,b\n1,2\n3,4\n");
    assert!(
        fake.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|r| r.starts_with("GET"))
            .count()
            >= 2
    );
}

#[test]
fn what_is_missing_or_forbidden_is_told_apart_from_a_broken_way() {
    let fake = serve(&[("/t.csv", "x")], |request, _| {
        request.contains("secret").then_some(Bad::Status(403))
    });
    let fails = |path: &str| read(&format!("{}{path}", fake.address), &[]).unwrap_err().failure;
    let missing = fails("/none.csv");
    assert_eq!(missing.class, FailureClass::Rejected);
    assert!(
        missing.message.starts_with("there is no http://127.0.0.1"),
        "{}",
        missing.message
    );
    let denied = fails("/secret.csv");
    assert_eq!(denied.class, FailureClass::Rejected);
    assert!(denied.message.contains("is denied"), "{}", denied.message);
}

#[test]
fn objects_of_a_bucket_are_listed_by_pattern_in_order() {
    let objects = [
        ("/lake/day=2/b.csv", "b"),
        ("/lake/day=1/a.csv", "a"),
        ("/lake/day=1/a.txt", "no"),
        ("/lake/day=1/deeper/c.csv", "no"),
    ];
    let fake = serve(&objects, nothing_bad);
    let secrets = [
        ("AWS_ENDPOINT", fake.address.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let found = read("s3://lake/day=*/*.csv", &secrets).unwrap();
    assert_eq!(
        found,
        [
            ("s3://lake/day=1/a.csv".to_owned(), "a".to_owned()),
            ("s3://lake/day=2/b.csv".to_owned(), "b".to_owned()),
        ]
    );
    let one = read("s3://lake/day=2/b.csv", &secrets).unwrap();
    assert_eq!(one.len(), 1);
    let none = read("s3://lake/nowhere/*.csv", &secrets).unwrap_err().failure;
    assert_eq!(none.message, "no object matches s3://lake/nowhere/*.csv");
}

//! A way to the server that is cut at a moment of the test's choice.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What of a commit is lost, with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It never arrives.
    Request,
    /// It arrives, and nobody hears of it.
    Answer,
}

/// Forwards connections until the process ends.
pub struct Proxy {
    port: u16,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    /// A way to the server on that port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::default(),
        };
        let cut = proxy.cut.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                forward(client, server, &cut);
            }
        });
        proxy
    }

    /// The URL of a database of the server, by this way.
    pub fn url(&self, url: &str) -> String {
        let (_, database) = url.rsplit_once('/').unwrap();
        format!("postgres://tester@127.0.0.1:{}/{database}", self.port)
    }

    /// Cuts the connection that commits next.
    pub fn at_next_commit(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }
}

/// A simple query that says so.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

fn forward(client: TcpStream, server: TcpStream, cut: &Arc<Mutex<Option<Cut>>>) {
    let is_cut = Arc::new(Mutex::new(false));
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (cut, cuts) = (cut.clone(), is_cut.clone());
    std::thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while let Ok(count @ 1..) = from_client.read(&mut bytes) {
            let has_commit = bytes[..count].windows(COMMIT.len()).any(|part| part == COMMIT);
            let wanted = if has_commit {
                cut.lock().unwrap().take()
            } else {
                None
            };
            match wanted {
                Some(Cut::Request) => break,
                Some(Cut::Answer) => *cuts.lock().unwrap() = true,
                None => {}
            }
            if to_server.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
        let _ = from_client.shutdown(Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    std::thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut bytes) {
            // What comes after the commit went through is its answer.
            if *is_cut.lock().unwrap() || to_client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from_server.shutdown(Shutdown::Both);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

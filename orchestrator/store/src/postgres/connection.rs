//! How a server is reached.

use crate::error::{StoreError, database};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server that does not answer for so long is as good as gone.
const SILENCE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The oldest version with all that is used.
const OLDEST: i32 = 13;

/// Every connection begins with this.
///
/// An engine that stops in the middle of a turn holds rows that the next owner of its runs needs, so the
/// server ends such a turn soon. What is acknowledged is on the disk, whatever the server's default.
const SESSION: &str = "\
SET client_min_messages = warning;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '2s';
SET default_transaction_isolation = 'read committed';
SET jit = off;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Where the server is and how it is spoken to.
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    read_only: bool,
}

/// A connection, and the task that carries it.
pub(super) struct Connected {
    pub(super) client: Client,
    carrier: JoinHandle<()>,
}

impl Connected {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Says goodbye to the server, unless that takes long.
    pub(super) async fn close(self) {
        let Self { client, carrier } = self;
        drop(client);
        let _ = tokio::time::timeout(Duration::from_millis(200), carrier).await;
    }
}

impl Server {
    pub(super) fn parse(url: &str, read_only: bool) -> Result<Self, StoreError> {
        let (url, roots) = take_root_certificate(url);
        let mut config: Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| StoreError::InvalidUrl(said(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(StoreError::InvalidUrl("it names no host".to_owned()));
        }
        config
            .application_name("trainyard")
            .keepalives_idle(SILENCE / 2)
            .keepalives_interval(SILENCE / 5)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Ok(Self {
            config,
            tls: tls(roots.as_deref().map(Path::new))?,
            read_only,
        })
    }

    /// Without user and password.
    pub(super) fn name(&self) -> String {
        let ports = self.config.get_ports();
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| {
                let host = match host {
                    Host::Tcp(name) => name.clone(),
                    Host::Unix(folder) => folder.display().to_string(),
                };
                match ports.get(at).or(ports.first()) {
                    Some(port) if *port != 5432 => format!("{host}:{port}"),
                    _ => host,
                }
            })
            .collect();
        let database = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    pub(super) async fn connect(&self) -> Result<Connected, StoreError> {
        let doing = "reach the database";
        let (client, connection) =
            self.config
                .connect(self.tls.clone())
                .await
                .map_err(|error| match error.as_db_error() {
                    Some(_) => database(doing)(error),
                    None => StoreError::Unreachable {
                        doing,
                        source: Box::new(error),
                    },
                })?;
        let carrier = tokio::spawn(async move {
            // The client hears of the end by itself.
            let _ = connection.await;
        });
        let connected = Connected { client, carrier };
        let client = &connected.client;
        client.batch_execute(SESSION).await.map_err(database(doing))?;
        if self.read_only {
            client
                .batch_execute("SET default_transaction_read_only = on")
                .await
                .map_err(database(doing))?;
        }
        let row = client
            .query_one(
                "SELECT current_setting('server_version_num')::integer / 10000, current_setting('server_encoding')",
                &[],
            )
            .await
            .map_err(database(doing))?;
        let (version, encoding): (i32, String) = (
            row.try_get(0).map_err(database(doing))?,
            row.try_get(1).map_err(database(doing))?,
        );
        let unfit = |why| {
            Err(StoreError::NotADatabase {
                path: self.name().into(),
                why,
            })
        };
        if version < OLDEST {
            return unfit(format!(
                "PostgreSQL {version} is too old: {OLDEST} or newer is needed"
            ));
        }
        if encoding != "UTF8" {
            return unfit(format!("its encoding is {encoding} and not UTF8"));
        }
        Ok(connected)
    }
}

/// The parameter `sslrootcert`, which the driver does not know, apart from the rest.
fn take_root_certificate(url: &str) -> (String, Option<String>) {
    let Some((address, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut file = None;
    let others: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.strip_prefix("sslrootcert=") {
            Some(path) => {
                file = Some(path.to_owned());
                false
            }
            None => true,
        })
        .collect();
    (format!("{address}?{}", others.join("&")), file)
}

/// TLS that trusts what this machine trusts, and the certificates in the file.
fn tls(file: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let invalid = |error: &dyn std::fmt::Display| StoreError::InvalidUrl(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        let unreadable = |error: &dyn std::fmt::Display| invalid(&format!("{}: {error}", file.display()));
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// What is wrong with the URL, without the URL: it has a password.
fn said(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    error
        .source()
        .map_or_else(|| "it cannot be read".to_owned(), ToString::to_string)
}

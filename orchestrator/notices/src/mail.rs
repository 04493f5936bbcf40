//! Mails.

use crate::guard::{LOOKUP, NoWay, way_in_time};
use crate::signature::message_id;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};
use std::time::Duration;
use trainyard_domain::notice::{Answer, Happening};
use trainyard_domain::pipeline::spec::channel::{Smtp, SmtpSecurity};

/// One step of the conversation takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A mail on its way.
pub(crate) struct Mail<'a> {
    pub(crate) to: &'a [String],
    pub(crate) smtp: &'a Smtp,
    pub(crate) password: Option<&'a str>,
}

impl Mail<'_> {
    /// Sends one mail. `masked` takes secrets out of what is sent.
    pub(crate) fn send(&self, happening: &Happening, masked: &dyn Fn(Vec<u8>) -> Vec<u8>) -> Answer {
        let text = |text: String| String::from_utf8_lossy(&masked(text.into_bytes())).into_owned();
        let lines = happening.lines();
        let message = match self.message(happening, text(happening.title.clone()), text(lines.join("\n\n"))) {
            Ok(message) => message,
            Err(why) => return Answer::Refused { why },
        };
        let way = way_in_time(&self.smtp.host, self.smtp.port(), self.smtp.allow_private, LOOKUP);
        let addresses = match way {
            Ok(addresses) => addresses,
            Err(NoWay::Forbidden(forbidden)) => {
                return Answer::Refused {
                    why: forbidden.to_string(),
                };
            }
            Err(other) => {
                return Answer::Later {
                    after: None,
                    why: other.to_string(),
                };
            }
        };
        let Some(address) = addresses.first() else {
            return Answer::Later {
                after: None,
                why: NoWay::Nowhere.to_string(),
            };
        };
        let tls = match self.tls() {
            Ok(tls) => tls,
            Err(why) => return Answer::Refused { why },
        };
        let mut transport = SmtpTransport::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .hello_name(ClientId::Domain("trainyard".to_owned()))
            .timeout(Some(PATIENCE))
            .tls(tls);
        if let (Some(user), Some(password)) = (&self.smtp.user, self.password) {
            if self.smtp.security == SmtpSecurity::None && !self.smtp.allow_private {
                return Answer::Refused {
                    why: "a password is not sent over a way that is not protected".to_owned(),
                };
            }
            transport = transport.credentials(Credentials::new(user.clone(), password.to_owned()));
        }
        match transport.build().send(&message) {
            Ok(_) => Answer::Taken,
            Err(error) => verdict(&error),
        }
    }

    fn tls(&self) -> Result<Tls, String> {
        // The certificate is to be of the name, the connection goes to the address that was checked.
        let parameters = || {
            TlsParameters::new(self.smtp.host.clone())
                .map_err(|_| "its host is no name of a certificate".to_owned())
        };
        Ok(match self.smtp.security {
            SmtpSecurity::Starttls => Tls::Required(parameters()?),
            SmtpSecurity::Tls => Tls::Wrapper(parameters()?),
            SmtpSecurity::None => Tls::None,
        })
    }

    fn message(&self, happening: &Happening, subject: String, body: String) -> Result<Message, String> {
        let mailbox = |text: &str| {
            text.parse::<Mailbox>()
                .map_err(|_| "an address of it cannot be read".to_owned())
        };
        let mut message = Message::builder()
            .from(mailbox(&self.smtp.from)?)
            .message_id(Some(format!("<{}@trainyard>", message_id(&happening.id))))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN);
        for to in self.to {
            message = message.to(mailbox(to)?);
        }
        message
            .body(body)
            .map_err(|_| "the mail cannot be put together".to_owned())
    }
}

/// What a failure means. What the server says is not repeated: it may quote what it was sent.
fn verdict(error: &lettre::transport::smtp::Error) -> Answer {
    let code = error.status().map(|code| code.to_string());
    let why = match &code {
        Some(code) => format!("its server answered {code}"),
        None if error.is_timeout() => "its server took too long".to_owned(),
        None if error.is_tls() => "the certificate or encryption of its server does not do".to_owned(),
        None => "the conversation with its server failed".to_owned(),
    };
    // Who signs in wrongly may do so rightly once the secret is put right.
    let is_about_us = code
        .as_deref()
        .is_some_and(|code| matches!(code, "530" | "534" | "535" | "538"));
    if error.is_permanent() && !is_about_us {
        return Answer::Refused { why };
    }
    Answer::Later { after: None, why }
}

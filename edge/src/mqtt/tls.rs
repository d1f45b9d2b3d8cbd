//! TLS: whom we trust, and who we are.
//!
//! rumqttc is handed a finished configuration of rustls (TLS 1.2 and 1.3, ring's cryptography), so everything that a
//! certificate is checked for is done by rustls: a chain to a CA that we trust, its dates, and the broker's name or IP
//! address. None of it can be switched off. The files are read once, at the start: new ones need a restart.

use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use crate::exit::{OrBadInput, bad_input};
use crate::named_file::NamedFile;
use crate::pem::{certificates, not_together, private_key};

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// PEM: the certificate, then those that lead to its CA.
    pub certificate: NamedFile,
    /// PEM: its private key, not encrypted.
    pub key: NamedFile,
}

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// PEM: the certificates of the only CAs to trust. `None`: the system's.
    pub ca: Option<NamedFile>,
    /// What we show to a broker that wants to see a certificate.
    pub client: Option<ClientIdentity>,
}

impl Trust {
    /// Reads the files.
    ///
    /// # Errors
    /// Bad input that names the file, when one can't be read or isn't what it should be, or when there is no CA.
    pub fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let roots = match &self.ca {
            Some(file) => given_roots(file)?,
            None => system_roots()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("this build has no TLS")?
            .with_root_certificates(roots);
        let config = match &self.client {
            Some(client) => client.show_in(config)?,
            None => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// A configuration that only lacks who we are.
type WithoutIdentity = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

impl ClientIdentity {
    fn show_in(&self, config: WithoutIdentity) -> anyhow::Result<ClientConfig> {
        let (certificate, key) = (&self.certificate, &self.key);
        let chain = certificates(certificate, "client certificate")?;
        let private = private_key(key, "client key")?;
        config
            .with_client_auth_cert(chain, private)
            .map_err(|error| {
                not_together(
                    error,
                    ("client certificate", certificate),
                    ("client key", key),
                )
            })
    }
}

fn given_roots(file: &NamedFile) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, "CA file")? {
        roots
            .add(certificate)
            .with_context(|| format!("the CA file {file} has a certificate that cannot be read"))
            .or_bad_input()?;
    }
    Ok(roots)
}

/// The system's CAs; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. Some old one that rustls can't read is no harm.
fn system_roots() -> anyhow::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|e| format!(" ({e})"));
        return Err(bad_input(format!(
            "this system has no CA certificates{}: install the package ca-certificates, or name the broker's CA as \
             `ca_file`",
            why.unwrap_or_default()
        )));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};

    /// A self-signed certificate and its key, both PEM.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["board.lab".into()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn file(folder: &Path, name: &str, text: &str) -> NamedFile {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        NamedFile::Path(path)
    }

    #[test]
    fn files_that_fit_are_taken_and_others_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let ((certificate, key), (_, other_key)) = (pair(), pair());
        let certificate = file(here, "certificate.pem", &certificate);
        let key_file = file(here, "key.pem", &key);
        let trust = |ca: &NamedFile, certificate: &NamedFile, key: &NamedFile| Trust {
            ca: Some(ca.clone()),
            client: Some(ClientIdentity {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
        };
        let good = trust(&certificate, &certificate, &key_file)
            .client_config()
            .unwrap();
        assert!(good.client_auth_cert_resolver.has_certs());
        assert!(
            !good.enable_early_data,
            "a replayed CONNECT would be accepted"
        );

        let absent = NamedFile::Path(here.join("absent.pem"));
        let broken = certificate_cut_short(here);
        let other_key = file(here, "other.pem", &other_key);
        let empty = file(here, "empty.pem", "");
        for (trust, words) in [
            (
                trust(&absent, &certificate, &key_file),
                ["CA file", "absent.pem"],
            ),
            (
                trust(&key_file, &certificate, &key_file),
                ["CA file", "no certificate"],
            ),
            (
                trust(&broken, &certificate, &key_file),
                ["CA file", "broken.pem"],
            ),
            (
                trust(&certificate, &empty, &key_file),
                ["client certificate", "empty.pem"],
            ),
            (
                trust(&certificate, &certificate, &certificate),
                ["client key", "no private key"],
            ),
            (
                trust(&certificate, &certificate, &other_key),
                ["other.pem", "is not that of"],
            ),
        ] {
            let error = trust.client_config().unwrap_err().to_string();
            assert!(
                words.iter().all(|word| error.contains(word)),
                "{words:?}: {error}"
            );
        }
    }

    fn certificate_cut_short(folder: &Path) -> NamedFile {
        file(
            folder,
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
    }

    #[test]
    fn an_error_never_quotes_from_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        let secret_line = key.lines().nth(1).unwrap().to_owned();
        let certificate = file(folder.path(), "certificate.pem", &certificate);
        for spoilt in [
            key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            key.replace("-----END", "END"),
            key.replace(
                "-----BEGIN PRIVATE KEY-----",
                &format!("-----BEGIN {secret_line}"),
            ),
            key.replacen(&secret_line, &format!("*{secret_line}"), 1),
        ] {
            let trust = Trust {
                ca: Some(certificate.clone()),
                client: Some(ClientIdentity {
                    certificate: certificate.clone(),
                    key: file(folder.path(), "key.pem", &spoilt),
                }),
            };
            let error = trust.client_config().unwrap_err();
            assert!(
                !format!("{error:?}").contains(&secret_line[1..20]),
                "{error:?}"
            );
        }
    }
}

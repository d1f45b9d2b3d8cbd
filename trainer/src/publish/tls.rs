//! TLS with the broker: whom to trust.
//!
//! rumqttc is handed a finished configuration of rustls (TLS 1.2 and 1.3, ring's cryptography): the certificate's chain, its
//! dates and its name are checked by rustls, and none of it can be switched off.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use crate::error::bad_input;

/// A configuration that trusts the CAs of a PEM file and no other, or those of the system.
///
/// # Errors
/// The file can't be read or has no certificate, or the system has none.
pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let roots = match ca {
        Some(path) => given(path)?,
        None => of_the_system()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("this build has no TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn given(path: &Path) -> Result<RootCertStore> {
    let name = path.display();
    let text = fs::read(path).map_err(|e| bad_input!("{name}: the CA file cannot be read: {e}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate
            .map_err(|e| format!("{e}"))
            .and_then(|certificate| roots.add(certificate).map_err(|e| e.to_string()));
        if let Err(why) = added {
            return Err(bad_input!(
                "{name}: the CA file has a certificate that cannot be read ({why})"
            ));
        }
    }
    if roots.is_empty() {
        return Err(bad_input!(
            "{name}: the CA file has no certificate in PEM (BEGIN CERTIFICATE)"
        ));
    }
    Ok(roots)
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. Some old one that rustls can't read is no harm.
fn of_the_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(bad_input!(
            "this system has no CA certificates: install the package ca-certificates, or name the broker's CA with --ca-file"
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for (text, word) in [
            ("", "no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "cannot be read",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let said = client_config(Some(&path)).unwrap_err().to_string();
            assert!(said.contains("ca.pem") && said.contains(word), "{said}");
        }
        assert!(client_config(Some(&folder.path().join("absent"))).is_err());
    }
}

//! Certificates, made when a test needs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// A certificate with its key, in files.
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, readable by its owner only.
    pub key: PathBuf,
}

/// A CA, with its certificate in a file.
pub struct Authority {
    /// PEM.
    pub certificate: PathBuf,
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a CA that keeps its files in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificate = folder.join(format!("{name}.pem"));
        fs::write(&certificate, issuer.pem()).unwrap();
        Self {
            certificate,
            folder: folder.to_owned(),
            issuer,
        }
    }

    /// The CA's own certificate and key, which nobody should show as a broker's.
    pub fn itself(&self) -> Identity {
        let key = self.certificate.with_extension("key");
        write_private(&key, &self.issuer.key().serialize_pem());
        Identity {
            certificate: self.certificate.clone(),
            key,
        }
    }

    /// A broker's certificate for these names and addresses.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Identity {
        self.issue(name, hosts, ExtendedKeyUsagePurpose::ServerAuth, false)
    }

    /// As [`Authority::server`], but long past.
    pub fn expired_server(&self, name: &str, hosts: &[&str]) -> Identity {
        self.issue(name, hosts, ExtendedKeyUsagePurpose::ServerAuth, true)
    }

    /// A board's certificate.
    pub fn client(&self, name: &str) -> Identity {
        self.issue(name, &[], ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    fn issue(
        &self,
        name: &str,
        hosts: &[&str],
        usage: ExtendedKeyUsagePurpose,
        is_expired: bool,
    ) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        if is_expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        fs::write(&identity.certificate, signed.pem()).unwrap();
        write_private(&identity.key, &key.serialize_pem());
        identity
    }
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

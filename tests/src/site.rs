//! A real mosquitto that runs the files of `docs/mosquitto` as they are. Only ports, paths and passwords are put in.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rumqttc::v5::MqttOptions;
use tempfile::TempDir;

use crate::peer::Peer;
use crate::{Running, free_port, mosquitto_from};

/// The folder of the documentation.
pub const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const ACCOUNTS: [&str; 8] = [
    "scope-1",
    "scope-2",
    "scope-3",
    "dashboard",
    "operator",
    "publisher",
    "homeassistant",
    "clinic-1",
];

/// The password of an account of a [`Site`].
pub fn password(user: &str) -> String {
    format!("secret of {user}")
}

/// A mosquitto with the documented files in a folder of its own.
pub struct Site {
    /// Where its files are.
    pub folder: TempDir,
    /// Its listener.
    pub port: u16,
    /// Its listener for WebSockets.
    pub websockets: u16,
    tls: u16,
    broker: Option<Running>,
}

impl Site {
    /// Writes the files down and starts.
    pub fn start() -> Self {
        let mut site = Self::prepared();
        site.run();
        site
    }

    /// Writes the files down.
    pub fn prepared() -> Self {
        let site = Self {
            folder: TempDir::new().unwrap(),
            port: free_port(),
            websockets: free_port(),
            tls: free_port(),
            broker: None,
        };
        let folder = site.folder.path().display();
        fs::create_dir(site.folder.path().join("conf.d")).unwrap();
        site.install(
            "mosquitto.conf",
            "mosquitto.conf",
            &[
                (
                    "/etc/mosquitto/smearscope.passwd",
                    &format!("{folder}/passwd"),
                ),
                ("/etc/mosquitto/smearscope.acl", &format!("{folder}/acl")),
                ("/var/lib/mosquitto/", &format!("{folder}/")),
                ("/etc/mosquitto/conf.d", &format!("{folder}/conf.d")),
                ("listener 1883 127", &format!("listener {} 127", site.port)),
                (
                    "listener 9001 127",
                    &format!("listener {} 127", site.websockets),
                ),
                // Started by root it would become another user, who may not write there.
                ("persistence true", "user root\npersistence true"),
            ],
        );
        site.install("acl", "acl", &[]);
        for (index, user) in ACCOUNTS.iter().enumerate() {
            let status = Command::new("mosquitto_passwd")
                .args(if index == 0 {
                    &["-c", "-b"][..]
                } else {
                    &["-b"]
                })
                .arg(site.folder.path().join("passwd"))
                .args([user, password(user).as_str()])
                .status()
                .unwrap();
            assert!(status.success());
        }
        site
    }

    /// Copies a documented file with its paths and ports replaced; each must be there to be replaced.
    fn install(&self, name: &str, to: &str, replace: &[(&str, &str)]) {
        let path = Path::new(DOCS).join("mosquitto").join(name);
        let mut text = fs::read_to_string(&path).unwrap();
        for (from, to) in replace {
            assert!(text.contains(from), "{} has no `{from}`", path.display());
            text = text.replace(from, to);
        }
        let mut settings = text.lines().filter(|line| !line.starts_with('#'));
        assert!(
            !settings.any(|line| line.contains("/etc/") || line.contains("/var/")),
            "{} names a path that this test does not replace",
            path.display()
        );
        fs::write(self.folder.path().join(to), text).unwrap();
    }

    /// The TLS listener, for the host name `localhost`.
    pub fn with_tls(self) -> Self {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let (key, certificate) = (file("broker.key"), file("broker.crt"));
        let status = Command::new("openssl")
            .args("req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(' '))
            .args("-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost".split(' '))
            .args(["-keyout", &key, "-out", &certificate])
            .stderr(Stdio::null())
            .status()
            .expect("openssl makes the certificate of this test: install it");
        assert!(status.success());
        self.install(
            "tls.conf",
            "conf.d/tls.conf",
            &[
                ("listener 8883\n", &format!("listener {}\n", self.tls)),
                ("/etc/mosquitto/certs/broker.key", &key),
                ("/etc/mosquitto/certs/broker.crt", &certificate),
            ],
        );
        self
    }

    /// A clinic's broker, bridged to one that has TLS.
    pub fn bridged_to(self, central: &Self) -> Self {
        let authority = central.folder.path().join("broker.crt");
        self.install(
            "bridge.conf",
            "conf.d/bridge.conf",
            &[
                (
                    "broker.example.org:8883",
                    &format!("localhost:{}", central.tls),
                ),
                ("change-me", &password("clinic-1")),
                (
                    "/etc/mosquitto/certs/central-ca.crt",
                    &authority.display().to_string(),
                ),
                // Only so that this test is quick.
                ("restart_timeout 5 30", "restart_timeout 1"),
            ],
        );
        self
    }

    /// Starts it, also once more after [`Site::stop`].
    pub fn run(&mut self) {
        let config = self.folder.path().join("mosquitto.conf");
        self.broker = Some(mosquitto_from(&config, self.websockets, &[]));
    }

    /// Ends it in order; what it must not forget is on the disk then.
    pub fn stop(&mut self) {
        let mut broker = self.broker.take().unwrap();
        broker.signal("TERM");
        assert_eq!(broker.wait(), Some(0));
    }

    /// How an account connects, with a client id that nobody else has.
    pub fn options(&self, user: &str) -> MqttOptions {
        let mut options =
            MqttOptions::new(format!("{user}-{}", free_port()), "127.0.0.1", self.port);
        options.set_credentials(user, password(user));
        options
    }

    /// A client of an account.
    pub fn enter(&self, user: &str) -> Peer {
        Peer::enter(self.options(user)).unwrap()
    }

    /// A client that hears everything that it may.
    pub fn listener(&self, user: &str) -> Peer {
        let peer = self.enter(user);
        peer.subscribe("#");
        peer
    }

    /// The arguments by which mosquitto's own clients come in.
    pub fn login(&self, user: &str) -> Vec<String> {
        let port = self.port.to_string();
        let password = password(user);
        [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "mqttv5",
            "-u",
            user,
            "-P",
            &password,
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

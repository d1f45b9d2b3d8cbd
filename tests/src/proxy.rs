//! A network between a client and a broker that can be made as bad as wanted while they talk: a TCP proxy on
//! 127.0.0.1 whose [`Mode`] is changed at run time.
//!
//! It never does what TCP can't do. Bytes that were swallowed leave a gap, and TCP delivers nothing behind a gap: such a
//! connection is dead from then on, though it looks open, and it is reset when the network is whole again.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use socket2::SockRef;

use crate::{PATIENCE, lock};

/// How long a thread of the proxy may sleep before it looks at what it was told.
const TICK: Duration = Duration::from_millis(5);
/// How long the broker may take to accept.
const CONNECTING: Duration = Duration::from_secs(1);
/// The most that is carried at once, in bytes.
const CHUNK: usize = 16 << 10;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It works.
    Pass,
    /// Each chunk, in both directions, comes after a time drawn between `least` and `most`. What waits when the mode
    /// changes waits no longer: a long delay that ends in [`Mode::Pass`] is a network that stood still.
    Delay {
        /// The shortest delay.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// What goes this way is lost, the end of a stream included, while the connection seems open.
    Drop(Way),
    /// New connections are refused; those that are open go on.
    Refuse,
    /// New connections are accepted, and nothing ever comes of them; what the open ones send is lost both ways.
    BlackHole,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the broker.
    ToBroker,
    /// From the broker to the client.
    ToClient,
    /// Both.
    Both,
}

impl Way {
    fn includes(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

impl Mode {
    fn loses(self, way: Way) -> bool {
        match self {
            Self::Drop(lost) => lost.includes(way),
            Self::BlackHole => true,
            Self::Pass | Self::Delay { .. } | Self::Refuse => false,
        }
    }
}

/// The proxy; ends with its value, and resets what is open then.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    broker: u16,
    seed: u64,
    mode: Mutex<Mode>,
    /// None while connections are refused.
    listener: Mutex<Option<TcpListener>>,
    connections: Mutex<Vec<Weak<Connection>>>,
    /// Accepted by a black hole, and kept open by being here.
    swallowed: Mutex<Vec<TcpStream>>,
    accepted: AtomicU64,
    ended: AtomicBool,
}

/// Closed when the two threads that carry its bytes are through.
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    /// Something was swallowed.
    torn: AtomicBool,
    /// To be given up.
    given_up: AtomicBool,
    /// The half that was shut by [`Proxy::half_close`]: what comes for it is swallowed.
    shut_to_broker: AtomicBool,
    shut_to_client: AtomicBool,
}

impl Proxy {
    /// Listens on a port of its own and passes all on to the broker on 127.0.0.1. The seed decides every delay that is
    /// drawn.
    pub fn start(broker: u16, seed: u64) -> Self {
        let listener = listen(0);
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            broker,
            seed,
            mode: Mutex::new(Mode::Pass),
            listener: Mutex::new(Some(listener)),
            connections: Mutex::default(),
            swallowed: Mutex::default(),
            accepted: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            Some(thread::spawn(move || shared.accept()))
        };
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what the network does, for open connections too. When this returns, it does so.
    pub fn set(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
        {
            let mut listener = lock(&self.shared.listener);
            if mode == Mode::Refuse {
                *listener = None;
            } else if listener.is_none() {
                *listener = Some(listen(self.port));
            }
        }
        if !matches!(mode, Mode::Drop(_) | Mode::BlackHole) {
            for stream in lock(&self.shared.swallowed).drain(..) {
                reset_at_close(&stream);
            }
            self.give_up(|connection| connection.torn.load(Ordering::SeqCst));
        }
    }

    /// Ends the stream of all open connections one way: the receiver sees its end, the sender sees nothing, and the other
    /// way goes on.
    pub fn half_close(&self, way: Way) {
        for connection in self.shared.open() {
            for one in [Way::ToBroker, Way::ToClient] {
                if way.includes(one) {
                    connection.shut(one).store(true, Ordering::SeqCst);
                    // It may be closed already.
                    let _ = connection.to(one).shutdown(Shutdown::Write);
                }
            }
        }
    }

    /// Resets all open connections (RST, both ends). When this returns, they are gone.
    pub fn reset(&self) {
        for stream in lock(&self.shared.swallowed).drain(..) {
            reset_at_close(&stream);
        }
        self.give_up(|_| true);
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now, those in a black hole left out.
    pub fn open(&self) -> usize {
        self.shared.open().len()
    }

    fn give_up(&self, which: impl Fn(&Connection) -> bool) {
        let chosen: Vec<Weak<Connection>> = self
            .shared
            .open()
            .iter()
            .filter(|connection| which(connection))
            .map(|connection| {
                connection.given_up.store(true, Ordering::SeqCst);
                Arc::downgrade(connection)
            })
            .collect();
        let begun = Instant::now();
        while chosen
            .iter()
            .any(|connection| connection.strong_count() > 0)
        {
            assert!(begun.elapsed() < PATIENCE, "a connection does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            // It has said itself why it ended early.
            let _ = accepting.join();
        }
        for connection in self.shared.open() {
            connection.given_up.store(true, Ordering::SeqCst);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>) {
        while !self.ended.load(Ordering::SeqCst) {
            let accepted = lock(&self.listener)
                .as_ref()
                .and_then(|listener| listener.accept().ok());
            let Some((client, _)) = accepted else {
                thread::sleep(TICK);
                continue;
            };
            let number = self.accepted.fetch_add(1, Ordering::SeqCst) + 1;
            // Held until it is there, so that whoever changes the mode finds it.
            let mode = lock(&self.mode);
            if *mode == Mode::BlackHole {
                lock(&self.swallowed).push(client);
            } else {
                drop(mode);
                self.connect(client, number);
            }
        }
    }

    /// A broker that isn't there can't be told from outside by a refusal, since the client is accepted by now: it is reset.
    fn connect(self: &Arc<Self>, client: TcpStream, number: u64) {
        let connection = {
            // Held until it is listed: who resets all connections must not miss one that the broker knows already.
            let mut connections = lock(&self.connections);
            let address = SocketAddr::from(([127, 0, 0, 1], self.broker));
            let Ok(broker) = TcpStream::connect_timeout(&address, CONNECTING) else {
                reset_at_close(&client);
                return;
            };
            for stream in [&client, &broker] {
                // A listener's want of patience is inherited by what it accepts on some systems.
                stream.set_nonblocking(false).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(TICK)).unwrap();
                stream.set_write_timeout(Some(TICK)).unwrap();
            }
            let connection = Arc::new(Connection {
                client,
                broker,
                torn: AtomicBool::new(false),
                given_up: AtomicBool::new(false),
                shut_to_broker: AtomicBool::new(false),
                shut_to_client: AtomicBool::new(false),
            });
            connections.retain(|connection| connection.strong_count() > 0);
            connections.push(Arc::downgrade(&connection));
            connection
        };
        for way in [Way::ToBroker, Way::ToClient] {
            let shared = Arc::clone(self);
            let connection = Arc::clone(&connection);
            let seed = self.seed ^ (number << 1) ^ u64::from(way == Way::ToBroker);
            thread::spawn(move || shared.carry(&connection, way, StdRng::seed_from_u64(seed)));
        }
    }

    /// Carries what goes one way until the stream ends or the connection is given up.
    fn carry(&self, connection: &Connection, way: Way, mut chance: StdRng) {
        let mut buffer = vec![0; CHUNK];
        while !connection.given_up.load(Ordering::SeqCst) {
            match connection.from(way).read(&mut buffer) {
                Ok(read) => {
                    self.delay(connection, &mut chance);
                    if self.loses(connection, way) {
                        if read == 0 {
                            self.wait_to_be_given_up(connection);
                        }
                    } else if read == 0 {
                        // The other way may go on. It may be closed already.
                        let _ = connection.to(way).shutdown(Shutdown::Write);
                        break;
                    } else if !connection.send(way, &buffer[..read]) {
                        connection.reset();
                    }
                }
                Err(error) if is_timeout(&error) => {}
                Err(_) => {
                    // A reset is lost too, where all is lost.
                    if self.loses(connection, way) {
                        self.wait_to_be_given_up(connection);
                    }
                    connection.reset();
                }
            }
        }
        if connection.given_up.load(Ordering::SeqCst) {
            connection.reset();
        }
    }

    fn delay(&self, connection: &Connection, chance: &mut StdRng) {
        let mode = *lock(&self.mode);
        let Mode::Delay { least, most } = mode else {
            return;
        };
        let until = Instant::now() + chance.random_range(least..=most.max(least));
        while *lock(&self.mode) == mode && !connection.given_up.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(TICK));
        }
    }

    /// Whether what goes this way is lost. Nothing comes through behind a gap, whatever the mode is by then.
    fn loses(&self, connection: &Connection, way: Way) -> bool {
        // Under the lock, so that whoever makes the network whole again finds each connection that it has to reset.
        let mode = lock(&self.mode);
        if mode.loses(way) {
            connection.torn.store(true, Ordering::SeqCst);
        }
        connection.torn.load(Ordering::SeqCst)
    }

    fn wait_to_be_given_up(&self, connection: &Connection) {
        while !connection.given_up.load(Ordering::SeqCst) {
            thread::sleep(TICK);
        }
    }

    fn open(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

impl Connection {
    fn from(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToBroker => &self.client,
            _ => &self.broker,
        }
    }

    fn to(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToBroker => &self.broker,
            _ => &self.client,
        }
    }

    fn shut(&self, way: Way) -> &AtomicBool {
        match way {
            Way::ToBroker => &self.shut_to_broker,
            _ => &self.shut_to_client,
        }
    }

    /// Whether the connection is still good; what is sent to a half that was shut is swallowed.
    fn send(&self, way: Way, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.given_up.load(Ordering::SeqCst) {
            if self.shut(way).load(Ordering::SeqCst) {
                return true;
            }
            match self.to(way).write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_timeout(&error) => {}
                Err(_) => return self.shut(way).load(Ordering::SeqCst),
            }
        }
        true
    }

    /// Gives it up: once both threads have let it go, both ends see an RST.
    fn reset(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        reset_at_close(&self.client);
        reset_at_close(&self.broker);
    }
}

fn listen(port: u16) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => {
                listener.set_nonblocking(true).unwrap();
                return listener;
            }
            // Somebody's outgoing connection may have been given the port meanwhile.
            Err(error) => assert!(
                begun.elapsed() < PATIENCE,
                "port {port} can't be had again: {error}"
            ),
        }
        thread::sleep(TICK);
    }
}

/// Makes closing send an RST and forget what was not sent.
fn reset_at_close(stream: &TcpStream) {
    // It may be closed already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;

use super::*;

/// A server that takes one connection after the other, through a proxy.
struct Rig {
    server: TcpListener,
    proxy: Proxy,
}

impl Rig {
    fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().port(), 7);
        Self { server, proxy }
    }

    fn client(&self) -> TcpStream {
        patient(TcpStream::connect(("127.0.0.1", self.proxy.port())).unwrap())
    }

    /// Both ends of a new connection.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.client();
        (client, patient(self.server.accept().unwrap().0))
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn say(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

fn heard(mut stream: &TcpStream, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    stream.read_exact(&mut buffer).unwrap();
    String::from_utf8(buffer).unwrap()
}

/// What a read gives within a short time.
fn at_once(mut stream: &TcpStream) -> std::io::Result<usize> {
    stream
        .set_read_timeout(Some(Duration::from_millis(60)))
        .unwrap();
    let read = stream.read(&mut [0; 64]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read
}

fn is_silent(stream: &TcpStream) -> bool {
    at_once(stream).is_err_and(|error| is_timeout(&error))
}

fn is_reset(mut stream: &TcpStream) -> bool {
    stream
        .read(&mut [0; 64])
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn what_passes_is_whole_and_an_end_is_passed_on() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    say(&client, "there");
    assert_eq!(heard(&server, 5), "there");
    // More than any buffer between the two holds.
    let sent: Vec<u8> = (0..8_u32 << 20).map(|n| (n % 251) as u8).collect();
    let received = thread::scope(|scope| {
        scope.spawn(|| (&server).write_all(&sent).unwrap());
        let mut received = vec![0; sent.len()];
        (&client).read_exact(&mut received).unwrap();
        received
    });
    assert!(sent == received);
    drop(client);
    assert_eq!((&server).read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(rig.proxy.accepted(), 1);
}

#[test]
fn a_delay_delays_and_ends_with_its_mode() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    let least = Duration::from_millis(80);
    let most = Duration::from_millis(120);
    rig.proxy.set(Mode::Delay { least, most });
    let begun = Instant::now();
    say(&client, "slow");
    assert_eq!(heard(&server, 4), "slow");
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    let hour = Duration::from_secs(3600);
    rig.proxy.set(Mode::Delay {
        least: hour,
        most: hour,
    });
    say(&client, "held");
    assert!(is_silent(&server));
    rig.proxy.set(Mode::Pass);
    assert_eq!(heard(&server, 4), "held");
}

#[test]
fn what_was_dropped_on_one_way_never_comes_and_the_connection_is_reset_later() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.set(Mode::Drop(Way::ToClient));
    say(&server, "lost");
    assert!(is_silent(&client));
    assert_eq!(rig.proxy.open(), 1);
    rig.proxy.set(Mode::Pass);
    assert!(is_reset(&client) && is_reset(&server));
    // Where nothing was lost, nothing is reset.
    let (client, server) = rig.pair();
    rig.proxy.set(Mode::Drop(Way::ToClient));
    say(&client, "through");
    assert_eq!(heard(&server, 7), "through");
    rig.proxy.set(Mode::Pass);
    say(&server, "back");
    assert_eq!(heard(&client, 4), "back");
}

#[test]
fn an_end_is_dropped_too() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.set(Mode::Drop(Way::Both));
    drop(client);
    assert!(is_silent(&server));
    rig.proxy.set(Mode::Pass);
    assert!(is_reset(&server));
}

#[test]
fn half_of_a_connection_is_closed_and_the_other_goes_on() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.half_close(Way::ToClient);
    assert_eq!((&client).read(&mut [0; 8]).unwrap(), 0);
    say(&server, "to nobody");
    say(&client, "still here");
    assert_eq!(heard(&server, 10), "still here");
    assert_eq!(rig.proxy.open(), 1);
}

#[test]
fn a_reset_is_seen_as_one_at_both_ends() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.reset();
    assert!(is_reset(&client) && is_reset(&server));
    assert_eq!(rig.proxy.open(), 0);
    let (client, server) = rig.pair();
    say(&client, "again");
    assert_eq!(heard(&server, 5), "again");
}

#[test]
fn refused_are_new_connections_only() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.set(Mode::Refuse);
    let error = TcpStream::connect(("127.0.0.1", rig.proxy.port())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    say(&client, "open");
    assert_eq!(heard(&server, 4), "open");
    rig.proxy.set(Mode::Pass);
    rig.pair();
}

#[test]
fn a_black_hole_accepts_and_answers_nothing() {
    let rig = Rig::new();
    let (client, server) = rig.pair();
    rig.proxy.set(Mode::BlackHole);
    let newcomer = rig.client();
    say(&newcomer, "hello?");
    say(&client, "hello?");
    assert!(is_silent(&newcomer) && is_silent(&server));
    rig.proxy.set(Mode::Pass);
    assert!(is_reset(&newcomer) && is_reset(&client) && is_reset(&server));
}

#[test]
fn where_no_broker_is_a_client_is_reset() {
    let proxy = Proxy::start(crate::free_port(), 7);
    let client = patient(TcpStream::connect(("127.0.0.1", proxy.port())).unwrap());
    assert!(is_reset(&client));
    assert_eq!((proxy.accepted(), proxy.open()), (1, 0));
}

//! The wire between a program and a broker, with someone on it who writes down what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What has passed.
#[derive(Default)]
struct Seen {
    connections: usize,
    sent: Vec<u8>,
    answered: Vec<u8>,
}

/// A port that leads to a broker's.
pub struct Wire {
    /// Where to connect instead, on 127.0.0.1.
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Wire {
    /// Lays a wire to `broker` on 127.0.0.1. It stays until the test ends.
    pub fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let wire = Self {
            port,
            seen: seen.clone(),
        };
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Ok(far) = TcpStream::connect(("127.0.0.1", broker)) else {
                    continue;
                };
                seen.lock().unwrap().connections += 1;
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                copy(near, far, &seen, |seen| &mut seen.sent);
                copy(far_too, near_too, &seen, |seen| &mut seen.answered);
            }
        });
        wire
    }

    /// How often someone has connected.
    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Whether the program has sent this text as it stands.
    pub fn has_sent(&self, text: &str) -> bool {
        contains(&self.seen.lock().unwrap().sent, text)
    }

    /// Whether the broker has answered with this text as it stands.
    pub fn has_answered(&self, text: &str) -> bool {
        contains(&self.seen.lock().unwrap().answered, text)
    }

    /// How many bytes the program has sent.
    pub fn sent_bytes(&self) -> usize {
        self.seen.lock().unwrap().sent.len()
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn copy(
    mut from: TcpStream,
    mut to: TcpStream,
    seen: &Arc<Mutex<Seen>>,
    book: fn(&mut Seen) -> &mut Vec<u8>,
) {
    let seen = seen.clone();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            book(&mut seen.lock().unwrap()).extend(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other end is gone already, or learns it now.
        let _ = to.shutdown(Shutdown::Write);
    });
}

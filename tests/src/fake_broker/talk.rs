//! One connection of the fake broker.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectReturnCode, Disconnect, DisconnectReasonCode, Login, Packet, PingResp,
    PubAck, PubAckReason, Publish, SubAck, UnsubAck, UnsubAckReason,
};
use rumqttc::v5::mqttbytes::{Error, QoS};

use super::{Answer, Record, Shared, TICK};
use crate::lock;

/// A client that was silent for so long gets the acknowledgements that were held back: it won't send more without.
const LULL: Duration = Duration::from_millis(300);
/// How long a client may take to go after it was told to.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a broker takes where it announces nothing.
const ANY_SIZE: u32 = 256 << 20;

/// The client's end, for all that have something to say to it.
pub(super) struct Client {
    stream: TcpStream,
    /// The last packet id that a message to the client had; also keeps one packet from being written into another.
    writing: Mutex<u16>,
    /// Nothing is said any more, and what comes is thrown away.
    over: AtomicBool,
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TICK)).unwrap();
        Self {
            stream,
            writing: Mutex::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Sends a message with a packet id of its own.
    pub(super) fn publish(&self, mut publish: Publish) {
        let mut pkid = lock(&self.writing);
        *pkid = pkid.checked_add(1).unwrap_or(1);
        publish.pkid = *pkid;
        self.write(&bytes_of(&Packet::Publish(publish)));
    }

    /// A client that is gone is noticed where it is read.
    fn write(&self, bytes: &[u8]) {
        let _ = (&self.stream).write_all(bytes);
    }

    fn send(&self, packet: &Packet) {
        let _whole = lock(&self.writing);
        self.write(&bytes_of(packet));
    }

    /// rumqttc's codec writes a DISCONNECT one byte longer than it says.
    pub(super) fn disconnect(&self, reason: DisconnectReasonCode) {
        {
            let _whole = lock(&self.writing);
            self.write(&[0xE0, 2, reason as u8, 0]);
        }
        self.end();
    }

    /// Says no more. Closed at once, with something unread, it would send a reset, and that could overtake the last words.
    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(super) fn close(&self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// One connection, as its thread sees it.
pub(super) struct Talk<'a> {
    number: u64,
    shared: &'a Shared,
    client: &'a Arc<Client>,
    unacknowledged: u16,
    /// Acknowledgements that wait for others.
    held: Vec<(u16, PubAckReason)>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(number: u64, shared: &'a Shared, client: &'a Arc<Client>) -> Self {
        Self {
            number,
            shared,
            client,
            unacknowledged: 0,
            held: Vec::new(),
        }
    }

    /// Reads and answers until the client goes.
    pub(super) fn hold(&mut self) {
        let mut bytes = BytesMut::new();
        let mut buffer = [0; 16 << 10];
        let mut heard = Instant::now();
        while !self.shared.ended.load(Ordering::SeqCst) {
            let read = (&self.client.stream).read(&mut buffer);
            let over = self.client.over.load(Ordering::SeqCst);
            match read {
                Ok(0) => return,
                Ok(_) if over => {}
                Ok(read) => {
                    heard = Instant::now();
                    bytes.extend_from_slice(&buffer[..read]);
                    if !self.packets(&mut bytes) {
                        self.client.end();
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if heard.elapsed() >= LULL && !over {
                        self.acknowledge_reversed();
                    }
                }
                Err(_) => return,
            }
            if over && heard.elapsed() > FAREWELL {
                return;
            }
        }
    }

    /// Answers all packets that are complete. Returns false where the connection ends.
    fn packets(&mut self, bytes: &mut BytesMut) -> bool {
        loop {
            let before = bytes.len();
            let packet = match Packet::read(bytes, Some(ANY_SIZE)) {
                Ok(packet) => packet,
                Err(Error::InsufficientBytes(_)) => return true,
                // A DISCONNECT without a reason, which rumqttc's codec writes and doesn't read.
                Err(Error::PayloadRequired) => {
                    Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection))
                }
                Err(_) => {
                    lock(&self.shared.breaches).push(DisconnectReasonCode::MalformedPacket);
                    self.client
                        .disconnect(DisconnectReasonCode::MalformedPacket);
                    return false;
                }
            };
            let size = before - bytes.len();
            // First the record, then the answer: who has the answer finds the record.
            lock(&self.shared.records).push(Record {
                at: self.shared.started.elapsed(),
                connection: self.number,
                packet: packet.clone(),
            });
            if !self.answer(packet, size) {
                return false;
            }
        }
    }

    /// Returns false where the connection ends.
    fn answer(&mut self, packet: Packet, size: usize) -> bool {
        match packet {
            Packet::Connect(connect, _, login) => return self.welcome(&connect, login.as_ref()),
            Packet::Publish(publish) => return self.take(&publish, size),
            Packet::Subscribe(subscribe) => {
                let return_codes = {
                    let mut script = lock(&self.shared.script);
                    let filters = subscribe.filters.iter();
                    filters.map(|filter| (script.subscribe)(filter)).collect()
                };
                self.client.send(&Packet::SubAck(SubAck {
                    pkid: subscribe.pkid,
                    return_codes,
                    properties: None,
                }));
            }
            Packet::Unsubscribe(unsubscribe) => self.client.send(&Packet::UnsubAck(UnsubAck {
                pkid: unsubscribe.pkid,
                reasons: vec![UnsubAckReason::Success; unsubscribe.filters.len()],
                properties: None,
            })),
            Packet::PingReq(_) => self.client.send(&Packet::PingResp(PingResp)),
            Packet::Disconnect(_) => return false,
            // Answers to what was sent; a record is all that they need.
            _ => {}
        }
        true
    }

    fn welcome(&self, connect: &Connect, login: Option<&Login>) -> bool {
        let (code, announced) = {
            let mut script = lock(&self.shared.script);
            ((script.connect)(connect, login), script.announced)
        };
        let accepted = code == ConnectReturnCode::Success;
        if accepted {
            // Known before the client can know it.
            lock(&self.shared.clients).push(Arc::clone(self.client));
        }
        self.client.send(&Packet::ConnAck(ConnAck {
            session_present: accepted && announced.session_present,
            code,
            properties: accepted.then(|| announced.properties()),
        }));
        accepted
    }

    fn take(&mut self, publish: &Publish, size: usize) -> bool {
        let acknowledged = publish.qos == QoS::AtLeastOnce;
        self.unacknowledged += u16::from(acknowledged);
        let mut script = lock(&self.shared.script);
        if let Some(breach) = script.announced.breach(publish, size, self.unacknowledged) {
            lock(&self.shared.breaches).push(breach);
            self.client.disconnect(breach);
            return false;
        }
        if !acknowledged {
            return true;
        }
        let answer = (script.publish)(publish);
        drop(script);
        match answer {
            Answer::Now(reason) => self.acknowledge(publish.pkid, reason),
            Answer::Reversed(reason, batch) => {
                self.held.push((publish.pkid, reason));
                if self.held.len() >= batch {
                    self.acknowledge_reversed();
                }
            }
            Answer::Never => {}
            Answer::Disconnect(reason) => {
                self.client.disconnect(reason);
                return false;
            }
        }
        true
    }

    fn acknowledge_reversed(&mut self) {
        for (pkid, reason) in std::mem::take(&mut self.held).into_iter().rev() {
            self.acknowledge(pkid, reason);
        }
    }

    fn acknowledge(&mut self, pkid: u16, reason: PubAckReason) {
        self.unacknowledged -= 1;
        self.client.send(&Packet::PubAck(PubAck {
            pkid,
            reason,
            properties: None,
        }));
    }
}

fn bytes_of(packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).unwrap();
    bytes
}

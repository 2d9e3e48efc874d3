//! Networks that lose packets, and send them twice and in another order.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::peer::{Peer, kernel_can_be_bad};
use crate::harness::network::Namespace;

/// How bad a network is: chances of a packet from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// It is lost.
    pub(crate) lost: f64,
    /// It is there twice.
    pub(crate) doubled: f64,
    /// It is overtaken by the next ones.
    pub(crate) overtaken: f64,
}

impl Weather {
    /// Has the kernel do it to what goes out of a link, where it can.
    fn ask_kernel(self, namespace: &Namespace, link: &str) -> bool {
        let percent = |chance: f64| format!("{}%", chance * 100.0);
        let (lost, doubled, on_time) = (percent(self.lost), percent(self.doubled), percent(1.0 - self.overtaken));
        // What is not sent at once waits for the delay, and so is overtaken.
        let what = format!("delay 3ms reorder {on_time} loss {lost} duplicate {doubled}");
        kernel_can_be_bad(namespace, link, &what)
    }
}

/// Passes packets on between a peer and the server, both ways.
///
/// The kernel's own bad network is used where there is one; then this passes on every packet as it comes.
#[derive(Debug)]
pub(crate) struct Relay {
    ending: Arc<AtomicBool>,
    harmed: Arc<AtomicU64>,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Where the relay listens.
    pub(crate) const ENDPOINT: &str = "10.252.0.1:51900";

    /// Starts one between a peer, which has no tunnel yet, and the server. The same seed brings the same weather.
    pub(crate) fn start(server: &Namespace, peer: &Peer, weather: Weather, seed: u64) -> Self {
        let port = format!("port{}", peer.machine().nid);
        let by_kernel = weather.ask_kernel(peer.namespace(), "eth0") && weather.ask_kernel(server, &port);
        let weather = if by_kernel { Weather::default() } else { weather };
        let (outer, inner) = server.enter(|| {
            let outer = UdpSocket::bind(Self::ENDPOINT).expect("the port is free");
            let inner = UdpSocket::bind("10.252.0.1:0").expect("there is a free port");
            inner.connect("10.252.0.1:51820").expect("it is on the same machine");
            (Arc::new(outer), Arc::new(inner))
        });
        for socket in [&outer, &inner] {
            socket.set_read_timeout(Some(HELD)).expect("it is a time");
        }
        let (ending, harmed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(u64::from(by_kernel))));
        let (from, heard) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let way = |number| Way {
            random: fastrand::Rng::with_seed(seed + number),
            weather,
            ending: Arc::clone(&ending),
            harmed: Arc::clone(&harmed),
        };
        let there = {
            let (from, heard, way) = (Arc::clone(&from), Arc::clone(&heard), way(0));
            let (outer, inner) = (Arc::clone(&outer), Arc::clone(&inner));
            std::thread::spawn(move || {
                way.pass(
                    |buffer| {
                        let (length, source) = outer.recv_from(buffer)?;
                        *from.lock().unwrap() = Some(source);
                        let mut heard = heard.lock().unwrap();
                        if heard.len() < MEMORY {
                            heard.push(buffer[..length].to_owned());
                        }
                        Ok(length)
                    },
                    |packet| drop(inner.send(packet)),
                );
            })
        };
        let way = way(1);
        let back = std::thread::spawn(move || {
            let to = || -> Option<SocketAddr> { *from.lock().unwrap() };
            way.pass(|buffer| inner.recv(buffer), |packet| drop(to().map(|to| outer.send_to(packet, to))));
        });
        Self { ending, harmed, heard, threads: vec![there, back] }
    }

    /// The first packets of the peer.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }

    /// How many packets fared badly; at least one when the kernel saw to it.
    pub(crate) fn harmed(&self) -> u64 {
        self.harmed.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How many packets of the peer are kept.
const MEMORY: usize = 64;
/// How long an overtaken packet waits for others when there are none.
const HELD: Duration = Duration::from_millis(5);

/// One of the two directions.
struct Way {
    random: fastrand::Rng,
    weather: Weather,
    ending: Arc<AtomicBool>,
    harmed: Arc<AtomicU64>,
}

impl Way {
    fn pass(mut self, receive: impl Fn(&mut [u8]) -> std::io::Result<usize>, send: impl Fn(&[u8])) {
        let mut buffer = vec![0; 65536];
        let mut held: Vec<Vec<u8>> = Vec::new();
        while !self.ending.load(Ordering::Acquire) {
            // Nothing came in time, or the server is away, which the kernel tells on the way back.
            let Ok(length) = receive(&mut buffer) else {
                held.drain(..).for_each(|packet| send(&packet));
                continue;
            };
            let packet = &buffer[..length];
            if self.happens(self.weather.lost) {
                continue;
            }
            if self.happens(self.weather.overtaken) {
                held.push(packet.to_owned());
                continue;
            }
            send(packet);
            if self.happens(self.weather.doubled) {
                send(packet);
            }
            if held.len() > 3 {
                held.drain(..).for_each(|packet| send(&packet));
            }
        }
    }

    fn happens(&mut self, chance: f64) -> bool {
        let happens = self.random.f64() < chance;
        self.harmed.fetch_add(u64::from(happens), Ordering::Relaxed);
        happens
    }
}

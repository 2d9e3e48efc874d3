//! A TokenSmith, a State Manager that takes its tokens, the files of an identity, and clocks that tests set by hand.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mds::inventory::Backoff;
use mds::inventory::smd::SmdClient;
use mds::inventory::tokensmith::{Clock, Moment, Pace, TokenSmith};
use mds::settings::{
    Authentication, SmdFile, SmdFlags, SmdSettings, Source, Sourced, TokenSmithFile, TokenSmithSettings,
};
use mds::types::Secret;
use tempfile::TempDir;

use crate::smd_support::{Auth, Authority, FakeSmd, FakeTokenSmith, Grant, Identity, Inventory, MARK, Options};

/// How often TokenSmith is asked before that is given up.
pub const ATTEMPTS: usize = 5;
/// Longer than any rest after that.
pub const LONG_REST: Duration = Duration::from_secs(301);
/// The name in the client certificate.
pub const SUBJECT: &str = "mds";

/// Both clocks, which stand still until they are set.
#[derive(Clone)]
pub struct Time(Arc<Mutex<Moment>>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::now())))
    }

    pub fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Clock::new(move || *now.lock().unwrap())
    }

    pub fn set_steady_forward(&self, time: Duration) {
        self.0.lock().unwrap().steady += time;
    }

    pub fn set_wall_forward(&self, time: Duration) {
        self.0.lock().unwrap().wall += time;
    }

    pub fn set_wall_back(&self, time: Duration) {
        self.0.lock().unwrap().wall -= time;
    }
}

/// All that is around a client.
pub struct World {
    pub authority: Authority,
    pub smith: FakeTokenSmith,
    pub smd: FakeSmd,
    pub time: Time,
    folder: TempDir,
}

/// What a client has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Identity,
    Bootstrap,
    Both,
}

#[allow(clippy::new_without_default, reason = "every world is another one")]
impl World {
    /// A TokenSmith that knows us, and a State Manager that wants one of its tokens for everything. The files of the
    /// identity are good.
    pub fn new() -> Self {
        let authority = Authority::new();
        let smith = FakeTokenSmith::start(&authority);
        smith.allow(SUBJECT);
        let tokens = smith.tokens().clone();
        let smd = FakeSmd::with(Options { tokens, ..Options::default() }, Inventory::mock_nodes());
        smd.set_auth(Auth::Strict);
        let world = Self { authority, smith, smd, time: Time::new(), folder: tempfile::tempdir().unwrap() };
        world.write("ca.pem", world.authority.pem());
        world.write_identity(&world.authority.client(SUBJECT));
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub fn write_identity(&self, identity: &Identity) {
        self.write("cert.pem", &identity.certificate_pem);
        self.write("key.pem", &identity.key_pem);
    }

    /// Lets time pass for everybody.
    pub fn pass(&self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.time.set_steady_forward(time);
        self.time.set_wall_forward(time);
        self.smith.let_time_pass(time);
    }

    /// Lets so much time pass that TokenSmith is asked again after it was given up, and no token ends.
    pub fn rest(&self) {
        self.time.set_steady_forward(LONG_REST);
    }

    /// The settings as a site would give them, with a fixed token that must not be used.
    pub fn settings(&self, proof: Proof) -> SmdSettings {
        let source = || Source::Environment("SMD_TEST");
        let flags = SmdFlags {
            url: Some(Sourced::new(self.smd.url(), source())),
            token: Some(Sourced::new(Secret::new(&fixed_token()), source())),
            ..SmdFlags::default()
        };
        let has_identity = proof != Proof::Bootstrap;
        let bootstrap_token = (proof != Proof::Identity).then(|| Secret::new(&self.smith.new_bootstrap_token(SUBJECT)));
        let options = TokenSmithFile {
            url: Some(self.smith.url()),
            bootstrap_token,
            service_identity_cert: has_identity.then(|| self.path("cert.pem")),
            service_identity_key: has_identity.then(|| self.path("key.pem")),
            service_identity_ca: Some(self.path("ca.pem")),
            ..TokenSmithFile::default()
        };
        SmdSettings::resolve(flags, options, SmdFile::default(), TokenSmithFile::default(), "mds.toml")
            .unwrap()
            .unwrap()
    }

    pub fn tokensmith_settings(&self, proof: Proof) -> TokenSmithSettings {
        match self.settings(proof).authentication {
            Authentication::TokenSmith(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    /// A keeper of tokens with our clocks.
    pub fn tokensmith(&self, proof: Proof) -> TokenSmith {
        TokenSmith::with(self.tokensmith_settings(proof), pace(), self.time.clock())
    }

    /// A client of the State Manager with a keeper of tokens.
    pub fn client(&self, proof: Proof) -> SmdClient {
        self.client_of(&self.settings(proof), pace())
    }

    pub fn client_of(&self, settings: &SmdSettings, pace: Pace) -> SmdClient {
        let clock = self.time.clock();
        SmdClient::with(settings, pace.backoff, |tokensmith| TokenSmith::with(tokensmith, pace, clock))
    }

    /// How many requests for sessions, with bootstrap tokens and with refresh tokens there were.
    pub fn counts(&self) -> [usize; 3] {
        Grant::ALL.map(|grant| self.smith.count(grant))
    }

    pub fn requests_for_tokens(&self) -> usize {
        self.counts().iter().sum()
    }
}

/// A token that was set beside TokenSmith, and that no State Manager may ever see.
pub fn fixed_token() -> String {
    format!("{MARK}-fixed")
}

/// The real pace with rests that no test has to wait for. The slow one is measured by the clocks of a test.
pub fn pace() -> Pace {
    let backoff = Backoff { attempts: 5, first: Duration::from_millis(1), longest: Duration::from_millis(4) };
    Pace { backoff, ..Pace::default() }
}

pub async fn token(tokensmith: &TokenSmith) -> String {
    tokensmith.token().await.unwrap().expose().to_owned()
}

/// The sentence with which no token is given.
pub async fn failure(tokensmith: &TokenSmith) -> String {
    tokensmith.token().await.expect_err("there must be no token").to_string()
}

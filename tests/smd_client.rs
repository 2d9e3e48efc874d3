//! The client of the State Manager against a fake one: what it asks, what it makes of the answers, and that nothing a
//! server or a network does makes it publish half an inventory, wait for ever or need to be made anew.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod smd_support;

#[path = "smd_client/answers.rs"]
mod answers;
#[path = "smd_client/authentication.rs"]
mod authentication;
#[path = "smd_client/endurance.rs"]
mod endurance;
#[path = "smd_client/requests.rs"]
mod requests;

use std::time::Duration;

use mds::inventory::smd::SmdClient;
use mds::inventory::tokensmith::TokenSmith;
use mds::inventory::{Backoff, Pull};
use mds::settings::{SmdFile, SmdFlags, SmdSettings, Source, Sourced, TokenSmithFile};
use mds::types::Secret;

/// How often the clients of these tests attempt a request.
const ATTEMPTS: u32 = 3;

/// Rests that no test has to wait for.
fn rests(attempts: u32) -> Backoff {
    Backoff { attempts, first: Duration::from_millis(1), longest: Duration::from_millis(5) }
}

/// The settings that an URL and a fixed token, if any, lead to.
fn settings(url: &str, token: Option<&str>) -> SmdSettings {
    let source = || Source::Environment("SMD_TEST");
    let token = token.map(|token| Sourced::new(Secret::new(token), source()));
    let flags = SmdFlags { url: Some(Sourced::new(url.to_owned(), source())), token, ..SmdFlags::default() };
    let none = TokenSmithFile::default;
    SmdSettings::resolve(flags, none(), SmdFile::default(), none(), "mds.toml").unwrap().unwrap()
}

/// A client that does not rest between its attempts.
fn client_of(settings: &SmdSettings, attempts: u32) -> SmdClient {
    SmdClient::with(settings, rests(attempts), TokenSmith::new)
}

fn client(url: &str) -> SmdClient {
    client_of(&settings(url, None), ATTEMPTS)
}

/// The sentence with which a pull fails.
async fn failure(client: &SmdClient) -> String {
    client.pull().await.expect_err("the pull must fail").to_string()
}

fn ids(pull: &Pull) -> Vec<&str> {
    pull.inventory.nodes().iter().map(|node| node.id.as_str()).collect()
}

/// Waits for something that is sure to come about.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{what} did not come about");
}

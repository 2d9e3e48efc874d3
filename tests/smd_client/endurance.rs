//! Servers that fail, hang and never come to an end: the client gives up within bounds, and comes back.

use std::time::{Duration, Instant};

use mds::inventory::Backoff;
use mds::inventory::smd::SmdClient;
use mds::inventory::tokensmith::TokenSmith;

use crate::smd_support::{Endpoint, FakeSmd, Fault, Inventory, Options};
use crate::{ATTEMPTS, client, client_of, failure, rests, settings, until};

/// How long a fake may be silent here. A busy machine may take this long for an answer now and then.
const PATIENCE: Duration = Duration::from_millis(400);
/// More than all buffers between a server that does not stop and a client that does.
const BUFFERS: u64 = 64 << 20;

/// A client that does not wait long.
fn impatient(url: &str, attempts: u32) -> SmdClient {
    let mut settings = settings(url, None);
    settings.timeout = PATIENCE;
    client_of(&settings, attempts)
}

fn status(status: u16, retry_after: &str) -> Fault {
    Fault::Status(status, "later".to_owned(), Some(retry_after.to_owned()))
}

#[tokio::test]
async fn passing_refusals_are_bridged() {
    for code in [429, 500, 502, 503, 504] {
        for endpoint in Endpoint::ALL {
            let smd = FakeSmd::mock_nodes();
            smd.set_fault(endpoint, Fault::FailTimes(2, code));
            let pull = client(&smd.url()).pull().await.unwrap();
            assert_eq!(pull.inventory.nodes().len(), 3);
            assert_eq!(
                (smd.count(endpoint), smd.total()),
                (3, 5),
                "status {code}: only the one that failed is repeated"
            );
        }
    }
}

#[tokio::test]
async fn lasting_refusals_end_after_the_last_attempt() {
    for code in [429, 500, 502, 503, 504] {
        let smd = FakeSmd::mock_nodes();
        let client = client(&smd.url());
        smd.set_fault(Endpoint::Interfaces, Fault::FailTimes(usize::MAX, code));
        assert!(failure(&client).await.contains(&format!("status {code}")));
        assert_eq!(smd.count(Endpoint::Interfaces), ATTEMPTS as usize);
        smd.clear_faults();
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    }
}

#[tokio::test]
async fn connections_that_end_without_an_answer_are_tried_again() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    smd.set_fault(Endpoint::Components, Fault::Down);
    assert!(failure(&client).await.contains("SMD cannot be reached: "));
    assert_eq!(smd.count(Endpoint::Components), ATTEMPTS as usize);
    smd.clear_faults();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    // Kept connections that were cut meanwhile, as by a restart, cost nothing but an attempt.
    smd.server().cut_connections();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
}

#[tokio::test]
async fn refusals_that_will_not_change_are_not_asked_again() {
    for code in [400, 401, 403, 404, 405, 410] {
        let smd = FakeSmd::mock_nodes();
        smd.set_fault_everywhere(&Fault::FailTimes(usize::MAX, code));
        assert!(failure(&client(&smd.url())).await.contains(&format!("status {code}")));
        assert!(Endpoint::ALL.iter().all(|&endpoint| smd.count(endpoint) <= 1), "status {code}: {}", smd.total());
    }
}

#[tokio::test]
async fn the_rest_that_smd_asks_for_takes_the_place_of_our_own() {
    // Ours would not end within the test.
    let hour = Duration::from_secs(3600);
    let backoff = Backoff { attempts: 10_000, first: hour, longest: hour };
    for code in [429, 503] {
        let smd = FakeSmd::mock_nodes();
        let client = SmdClient::with(&settings(&smd.url(), None), backoff, TokenSmith::new);
        smd.set_fault(Endpoint::Components, status(code, "0"));
        let mended = async {
            until("a further attempt", || smd.count(Endpoint::Components) >= 3).await;
            smd.clear_faults();
        };
        let (pull, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(30), client.pull()), mended);
        assert_eq!(pull.expect("no rest of an hour").unwrap().inventory.nodes().len(), 3);
    }
}

#[tokio::test]
async fn smd_is_left_alone_for_as_long_as_it_asks() {
    let smd = FakeSmd::mock_nodes();
    let rests = Backoff { longest: Duration::from_secs(1), ..rests(ATTEMPTS) };
    let client = SmdClient::with(&settings(&smd.url(), None), rests, TokenSmith::new);
    smd.set_fault(Endpoint::Memberships, status(429, "1"));
    let began = Instant::now();
    let mended = async {
        until("the first attempt", || smd.count(Endpoint::Memberships) == 1).await;
        smd.clear_faults();
    };
    let (pull, ()) = tokio::join!(client.pull(), mended);
    pull.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(smd.count(Endpoint::Memberships), 2);
}

#[tokio::test]
async fn a_rest_that_is_no_number_of_seconds_is_not_believed() {
    for asked in ["Fri, 31 Dec 2100 23:59:59 GMT", "-1", "soon", "1e9", "99999999999999999999999999"] {
        let smd = FakeSmd::mock_nodes();
        smd.set_fault(Endpoint::Memberships, status(503, asked));
        let client = client(&smd.url());
        let failed = tokio::time::timeout(Duration::from_secs(20), failure(&client)).await;
        assert!(failed.expect("it does not wait").contains("status 503"), "{asked}");
        assert_eq!(smd.count(Endpoint::Memberships), ATTEMPTS as usize, "{asked}");
    }
}

#[tokio::test]
async fn smd_cannot_ask_to_be_left_alone_for_ever() {
    let smd = FakeSmd::mock_nodes();
    smd.set_fault(Endpoint::Components, status(429, "86400"));
    let client = client_of(&settings(&smd.url(), None), 2);
    let failed = tokio::time::timeout(Duration::from_secs(60), failure(&client)).await;
    assert!(failed.expect("a day is too long").contains("status 429"));
    assert_eq!(smd.count(Endpoint::Components), 2);
}

/// Sees that an endpoint with the fault is given up for its silence, and that the same client pulls again.
async fn given_up(fault: Fault) {
    for endpoint in Endpoint::ALL {
        let smd = FakeSmd::synthetic(40);
        let client = impatient(&smd.url(), 2);
        smd.set_fault(endpoint, fault.clone());
        let message = failure(&client).await;
        assert!(message.contains("SMD did not send") && message.contains(endpoint.path()), "{fault:?}: {message}");
        assert!(message.ends_with("within 0.4 s"), "silence ends it, and not the time for the whole: {message}");
        assert_eq!(smd.count(endpoint), 2, "{fault:?}");
        smd.clear_faults();
        let mut pulled = client.pull().await;
        for _ in 0..5 {
            if pulled.is_err() {
                pulled = client.pull().await;
            }
        }
        assert_eq!(pulled.unwrap().inventory.nodes().len(), 40, "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    tokio::join!(given_up(Fault::Stall), given_up(Fault::StallInBody));
}

#[tokio::test]
async fn a_server_that_keeps_a_header_coming_is_given_up() {
    given_up(Fault::DripHead(PATIENCE / 10)).await;
}

#[tokio::test]
async fn a_server_that_sends_byte_by_byte_is_given_up() {
    let smd = FakeSmd::synthetic(40);
    let client = impatient(&smd.url(), 1);
    smd.set_fault(Endpoint::Components, Fault::Drip(PATIENCE / 10));
    let began = Instant::now();
    let message = failure(&client).await;
    assert_eq!(message, "SMD did not send /State/Components?type=Node within 2.4 s");
    assert!(began.elapsed() > 2 * PATIENCE, "as long as something comes, it is waited for a while");
    assert!(smd.server().bytes_sent() < 1 << 20);
    smd.clear_faults();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 40);
}

#[tokio::test]
async fn an_answer_that_is_slow_and_comes_is_taken() {
    let smd = FakeSmd::mock_nodes();
    smd.set_fault_everywhere(&Fault::Slow(PATIENCE / 4));
    assert_eq!(client(&smd.url()).pull().await.unwrap().inventory.nodes().len(), 3);
    assert_eq!(smd.total(), 3);
}

/// Sees that an endless answer is given up after its beginning, at the first attempt, and that the same client pulls
/// again. Returns the sentence.
async fn ended(endpoint: Endpoint, fault: Fault) -> String {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    smd.set_fault(endpoint, fault.clone());
    let failed = tokio::time::timeout(Duration::from_secs(50), failure(&client)).await;
    let message = failed.expect("it must end before any time is up");
    assert!(message.contains(endpoint.path()) && message.contains("cannot be used"), "{fault:?}: {message}");
    assert_eq!(smd.count(endpoint), 1, "{fault:?}");
    until("the end of the endless answer", || smd.server().open_connections() <= 2).await;
    let sent = smd.server().bytes_sent();
    assert!(sent < BUFFERS, "{fault:?}: {sent} bytes");
    smd.clear_faults();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    message
}

#[tokio::test]
async fn a_text_without_an_end_is_given_up() {
    for endpoint in Endpoint::ALL {
        assert!(ended(endpoint, Fault::HugeString).await.contains("one element is larger than"));
    }
}

#[tokio::test]
async fn a_bomb_of_compressed_text_is_given_up() {
    for endpoint in Endpoint::ALL {
        assert!(ended(endpoint, Fault::GzipBomb).await.contains("one element is larger than"));
    }
}

#[tokio::test]
async fn brackets_in_brackets_are_given_up() {
    for endpoint in Endpoint::ALL {
        ended(endpoint, Fault::DeepNesting).await;
    }
}

#[tokio::test]
async fn ever_more_elements_are_given_up_when_the_time_is_up() {
    for endpoint in Endpoint::ALL {
        let smd = FakeSmd::mock_nodes();
        let client = impatient(&smd.url(), 1);
        smd.set_fault(endpoint, Fault::HugeArray);
        let failed = tokio::time::timeout(Duration::from_secs(50), failure(&client)).await;
        let message = failed.expect("it must end");
        assert!(message.contains(endpoint.path()), "{message}");
        assert_eq!(smd.count(endpoint), 1);
        until("the end of the endless answer", || smd.server().open_connections() <= 2).await;
        let sent = smd.server().bytes_sent();
        assert!(sent < (1 << 30) + BUFFERS, "{sent} bytes");
        smd.clear_faults();
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_and_found_again_when_it_is_back() {
    let smd = FakeSmd::mock_nodes();
    let (address, client) = (smd.server().address(), client(&smd.url()));
    client.pull().await.unwrap();
    drop(smd);
    let message = failure(&client).await;
    assert!(message.contains("SMD cannot be reached") && message.contains("refused"), "{message}");
    let smd = FakeSmd::with(Options { address: Some(address), ..Options::default() }, Inventory::synthetic(7));
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 7);
    assert_eq!(smd.total(), 3);
}
